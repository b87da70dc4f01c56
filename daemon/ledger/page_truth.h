// What the kernel itself knows about pages. The real one asks it; tests have a model.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/result.h"
#include "decode/event.h"

namespace pinwarden {

// One page, and the folio it belongs to: pins are counted by folio.
struct PageState {
    PageNumber page = 0;
    PageNumber folio = 0;  // its first page
    std::uint64_t folio_pages = 1;
    std::uint64_t pins = 0;  // on the whole folio
    bool readable = false;   // there is such a page
    bool anonymous = false;
    std::optional<FileKey> file;  // whose cache the folio is in
    std::uint64_t file_page = 0;  // of `page`
};

// A call that makes an object or lets one go, by the thread that is in it and the object's number. Two calls of one
// thread for one object cannot be told apart.
struct CallUnderWay {
    std::uint32_t thread = 0;
    std::uint64_t object = 0;  // 0: not known

    friend auto operator<=>(const CallUnderWay&, const CallUnderWay&) = default;
};

class PageTruth {
public:
    // Most pages in one call of read() and adopt().
    static constexpr std::size_t kBatch = PW_AUDIT_PAGES;

    PageTruth() = default;
    PageTruth(const PageTruth&) = delete;
    PageTruth& operator=(const PageTruth&) = delete;
    virtual ~PageTruth() = default;

    // States in the order of the pages.
    virtual Result<std::vector<PageState>> read(std::span<const PageNumber> pages) = 0;

    struct Scan {
        std::vector<PageState> pinned;  // the first page of each folio that is pinned
        std::uint64_t looked_at = 0;    // pages; possibly fewer than asked for, at least one
    };
    virtual Result<Scan> scan(PageNumber first, std::uint64_t pages) = 0;
    // Number of the first page there is not; 0 when it is not known, then memory as a whole cannot be walked.
    [[nodiscard]] virtual PageNumber limit() const = 0;

    // Makes a pin of pages that are pinned but not tracked: from now on their releases are reported, and it comes
    // through the ring like any other. With `folio` every one is the first page of the same large folio, and which of
    // its pages are pinned is not known. Returns the pin's id. Code ENOBUFS: the ring is full now.
    virtual Result<std::uint64_t> adopt(std::span<const PageNumber> pages, bool folio) = 0;

    // Makes known, to the hooks that decide about files too, of which file pages a pin is that was recorded without:
    // the pages are at consecutive positions of the pin, the first at this user address. The ranges come through the
    // ring.
    virtual Result<void> record_files(std::uint64_t pin, std::uint64_t address, std::span<const PageNumber> pages) = 0;

    // How many ranges of each file were pinned so far: see FileTable::resync.
    virtual std::vector<std::pair<FileKey, std::uint64_t>> file_sequences() = 0;

    // The numbers (see Scope), ascending, of the objects there are. One that is made after the call began may be
    // missing.
    virtual Result<std::vector<std::uint64_t>> live_objects() = 0;
    // In order. One that pins has pinned pages already and will report them when it returns, and a registration of
    // gigabytes takes a while; one that lets go has reported, or kept to itself, what is still to be let go, or reports
    // all of it when it returns.
    virtual Result<std::vector<CallUnderWay>> calls_under_way() = 0;
};

}  // namespace pinwarden
