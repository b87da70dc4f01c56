// Asking the kernel about pages: how often each is pinned, and which of all pages are. Runs BPF programs on demand,
// nothing of it is attached anywhere. One thread at a time.
#pragma once

#include <pinwarden/abi.h>

#include <cstdint>
#include <memory>
#include <span>

#include "base/result.h"
#include "kernel/programs.h"

namespace pinwarden {

// Pages are named by the addresses of their struct page. What is returned is valid until the next call.
class AuditRunner {
public:
    // `handles` are borrowed from Programs, which must outlive the runner.
    static Result<std::unique_ptr<AuditRunner>> open(const AuditHandles& handles);

    AuditRunner(const AuditRunner&) = delete;
    AuditRunner& operator=(const AuditRunner&) = delete;
    ~AuditRunner();

    // At most PW_AUDIT_PAGES pages; the answers come in the same order.
    Result<std::span<const pw_page_state>> read(std::span<const std::uint64_t> pages);

    struct Scan {
        std::span<const pw_page_state> pinned;  // one for each folio that is pinned
        std::uint64_t looked_at = 0;            // pages; fewer than asked for when there is no room for more answers
    };
    // Looks for pinned folios among `count` pages, at most 2^20, from `first` on.
    Result<Scan> scan(std::uint64_t first, std::uint32_t count);

    // Makes one pin of the pages, at most PW_AUDIT_PAGES, in that order; see PageTruth::adopt.
    // Its records come through the ring. Returns the pin's id; ENOBUFS when the ring is full.
    Result<std::uint64_t> adopt(std::span<const std::uint64_t> pages, bool folio);

    // Records the files of pages, at most PW_AUDIT_PAGES, that a pin has at consecutive positions, the first at this
    // user address. The ranges come through the ring.
    Result<void> record(std::uint64_t pin, std::uint64_t address, std::span<const std::uint64_t> pages);

private:
    AuditRunner(const AuditHandles& handles, pw_page_state* states, std::uint64_t* adopted)
        : handles_(handles), states_(states), adopted_(adopted)
    {
    }

    AuditHandles handles_;
    pw_page_state* states_;
    std::uint64_t* adopted_;
};

}  // namespace pinwarden
