#include "proc/page_owners.h"

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#include <fcntl.h>
#include <pinwarden/overlap.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <utility>

#include "base/fd.h"
#include "proc/holder_search.h"
#include "proc/process_stat.h"

namespace pinwarden {
namespace {

constexpr std::size_t kEntriesAtOnce = 8192;

using Files = absl::flat_hash_set<std::pair<std::uint64_t, std::uint32_t>>;  // inode, device

template <typename Number>
bool take_number(std::string_view& text, int base, Number& value)
{
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return error == std::errc();
}

bool take(std::string_view& text, char expected)
{
    const bool there = text.starts_with(expected);
    text.remove_prefix(there ? 1 : 0);
    return there;
}

class Search {
public:
    Search(const std::vector<PageState>& pages, Nanoseconds longest, std::stop_token stop)
        : stop_(std::move(stop)), deadline_(std::chrono::steady_clock::now() + std::chrono::nanoseconds(longest))
    {
        for (const PageState& state : pages) {
            wanted_.insert(state.page);
            if (state.file) {
                files_.emplace(state.file->inode, state.file->device);
            }
        }
    }

    // Counts processes in `done`, of `total`.
    std::map<PageNumber, Task> run(std::atomic<std::uint64_t>& done, std::atomic<std::uint64_t>& total)
    {
        std::map<PageNumber, Task> owners;
        const auto self = static_cast<std::uint32_t>(getpid());
        const auto processes = list_processes();
        total = processes.size();
        for (const std::uint32_t pid : processes) {
            if (pid != self && !look_through(pid)) {
                return {};
            }
            ++done;
        }
        std::map<std::uint32_t, std::optional<Task>> tasks;
        for (const auto& [page, mappers] : mappers_) {
            const auto owner = choose_owner(mappers);
            if (!owner) {
                continue;
            }
            const auto [task, added] = tasks.try_emplace(*owner);
            if (added) {
                task->second = read_task(*owner);
            }
            if (task->second) {
                owners.emplace(page, *task->second);
            }
        }
        return owners;
    }

private:
    // False when there is no time left.
    bool look_through(std::uint32_t pid)
    {
        const bool can_pin = has_pinning_file(pid);
        const std::string folder = "/proc/" + std::to_string(pid);
        const auto maps = read_text_file(folder + "/maps");
        const OwnedFd pagemap(open((folder + "/pagemap").c_str(), O_RDONLY | O_CLOEXEC));
        if (!maps || !pagemap.valid()) {
            return true;
        }
        return std::ranges::all_of(parse_maps(*maps), [&](const MappedRange& range) {
            const bool may_have_pinned = can_pin || files_.contains({range.inode, range.device});
            return !may_have_pinned || look_through(pagemap.get(), range, {pid, can_pin});
        });
    }

    bool look_through(int pagemap, const MappedRange& range, Mapper mapper)
    {
        std::vector<std::uint64_t> entries(kEntriesAtOnce);
        const std::uint64_t end = range.end >> PW_PAGE_SHIFT;
        for (std::uint64_t page = range.start >> PW_PAGE_SHIFT; page < end;) {
            if (stop_.stop_requested() || std::chrono::steady_clock::now() > deadline_) {
                return false;
            }
            const std::size_t wanted = std::min<std::size_t>(kEntriesAtOnce, end - page);
            const ssize_t got = pread(pagemap, entries.data(), wanted * sizeof(std::uint64_t),
                                      static_cast<off_t>(page * sizeof(std::uint64_t)));
            if (got <= 0) {
                return true;
            }
            const std::size_t count = static_cast<std::size_t>(got) / sizeof(std::uint64_t);
            for (std::size_t i = 0; i < count; ++i) {
                note(entries[i], mapper);
            }
            page += count;
        }
        return true;
    }

    void note(std::uint64_t entry, Mapper mapper)
    {
        const auto page = mapped_page(entry);
        if (!page || !wanted_.contains(*page)) {
            return;
        }
        std::vector<Mapper>& mappers = mappers_[*page];
        if (mappers.empty() || mappers.back().pid != mapper.pid) {
            mappers.push_back(mapper);
        }
    }

    std::stop_token stop_;
    std::chrono::steady_clock::time_point deadline_;
    absl::flat_hash_set<PageNumber> wanted_;
    Files files_;
    absl::flat_hash_map<PageNumber, std::vector<Mapper>> mappers_;
};

}  // namespace

std::vector<MappedRange> parse_maps(std::string_view text)
{
    std::vector<MappedRange> ranges;
    while (!text.empty()) {
        std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        // START-END rwxp OFFSET MAJOR:MINOR INODE NAME
        MappedRange range;
        std::uint64_t offset = 0;
        std::uint32_t major = 0;
        std::uint32_t minor = 0;
        const bool bounds = take_number(line, 16, range.start) && take(line, '-') && take_number(line, 16, range.end);
        constexpr std::size_t kFlags = 6;  // with the spaces around
        if (!bounds || range.start >= range.end || line.size() < kFlags) {
            continue;
        }
        line.remove_prefix(kFlags);
        if (take_number(line, 16, offset) && take(line, ' ') && take_number(line, 16, major) && take(line, ':') &&
            take_number(line, 16, minor) && take(line, ' ') && take_number(line, 10, range.inode)) {
            range.device = major << 20U | minor;
            ranges.push_back(range);
        }
    }
    return ranges;
}

std::optional<PageNumber> mapped_page(std::uint64_t pagemap_entry)
{
    // Bit 63: present; bits 0-54: the frame, 0 for those who may not know (Documentation/admin-guide/mm/pagemap.rst).
    constexpr std::uint64_t kPresent = 1ULL << 63U;
    constexpr std::uint64_t kFrame = (1ULL << 55U) - 1;
    const PageNumber page = pagemap_entry & kFrame;
    return (pagemap_entry & kPresent) != 0 && page != 0 ? std::optional(page) : std::nullopt;
}

std::optional<std::uint32_t> choose_owner(const std::vector<Mapper>& mappers)
{
    const auto pinners = std::ranges::count_if(mappers, &Mapper::can_pin);
    if (pinners == 1) {
        return std::ranges::find_if(mappers, &Mapper::can_pin)->pid;
    }
    return pinners == 0 && mappers.size() == 1 ? std::optional(mappers.front().pid) : std::nullopt;
}

void ProcOwners::start(std::vector<PageState> pages, Nanoseconds longest)
{
    stop();
    if (!in_initial_pid_namespace()) {
        found_.emplace();
        return;
    }
    thread_ = std::jthread([this, pages = std::move(pages), longest](std::stop_token stop) {
        auto owners = Search(pages, longest, std::move(stop)).run(done_, total_);
        const std::scoped_lock lock(mutex_);
        found_ = std::move(owners);
    });
}

std::optional<std::map<PageNumber, Task>> ProcOwners::result()
{
    const std::scoped_lock lock(mutex_);
    return std::exchange(found_, std::nullopt);
}

void ProcOwners::stop()
{
    thread_ = {};
    found_.reset();
    done_ = 0;
    total_ = 0;
}

}  // namespace pinwarden
