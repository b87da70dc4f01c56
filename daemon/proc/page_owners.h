// Who maps given pages, by /proc/PID/pagemap. Reads the page tables of all processes that come into question: a thread
// of its own does it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "ledger/owner_search.h"

namespace pinwarden {

// A line of /proc/PID/maps.
struct MappedRange {
    std::uint64_t start = 0;
    std::uint64_t end = 0;
    std::uint64_t inode = 0;
    std::uint32_t device = 0;  // as in FileKey

    friend bool operator==(const MappedRange&, const MappedRange&) = default;
};
std::vector<MappedRange> parse_maps(std::string_view text);

// The page frame an entry of pagemap names; nothing when it names none.
std::optional<PageNumber> mapped_page(std::uint64_t pagemap_entry);

// Which of the processes that map a page is its owner: the only one of those that can pin, because they have a device
// open; if there is none of those, the only one at all.
struct Mapper {
    std::uint32_t pid = 0;
    bool can_pin = false;
};
std::optional<std::uint32_t> choose_owner(const std::vector<Mapper>& mappers);

class ProcOwners final : public OwnerSearch {
public:
    ~ProcOwners() override { stop(); }
    void start(std::vector<PageState> pages, Nanoseconds longest) override;
    std::optional<std::map<PageNumber, Task>> result() override;
    [[nodiscard]] Progress progress() const override { return {done_, total_}; }

private:
    void stop();

    std::jthread thread_;
    // Written by the search, read by whoever asks.
    std::atomic<std::uint64_t> done_ = 0;
    std::atomic<std::uint64_t> total_ = 0;
    std::mutex mutex_;
    std::optional<std::map<PageNumber, Task>> found_;
};

}  // namespace pinwarden
