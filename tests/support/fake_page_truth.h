// Memory whose pin counts a test decides.
#pragma once

#include <cerrno>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "ledger/page_truth.h"

namespace pinwarden::test {

class FakePageTruth final : public PageTruth {
public:
    // Makes one folio of the run: from then on pins on it are counted together.
    void make_folio(PageRun run) { folios_[run.first] = run.count; }
    void pin(PageRun run, int times = 1)
    {
        for (PageNumber page = run.first; page < run.first + run.count; ++page) {
            pins_[folio_of(page).first] += static_cast<std::uint64_t>(times);
        }
    }
    void unpin(PageRun run)
    {
        for (PageNumber page = run.first; page < run.first + run.count; ++page) {
            --pins_[folio_of(page).first];
        }
    }

    Result<std::vector<PageState>> read(std::span<const PageNumber> pages) override
    {
        ++looks;
        if (before_look) {
            before_look();
        }
        std::vector<PageState> states;
        states.reserve(pages.size());
        for (const PageNumber page : pages) {
            states.push_back(state(page));
        }
        return states;
    }
    Result<Scan> scan(PageNumber first, std::uint64_t pages) override
    {
        Scan scan;
        for (auto at = pins_.lower_bound(first); at != pins_.end() && at->first < first + pages; ++at) {
            if (at->second > 0) {
                scan.pinned.push_back(state(at->first));
            }
        }
        scan.looked_at = pages;
        return scan;
    }
    [[nodiscard]] PageNumber limit() const override { return pages_there_are; }
    Result<std::uint64_t> adopt(std::span<const PageNumber> pages, bool folio) override
    {
        if (full > 0) {
            --full;
            return fail("the ring is full", ENOBUFS);
        }
        adopted.emplace_back(std::vector<PageNumber>(pages.begin(), pages.end()), folio);
        if (on_adopt) {
            on_adopt(adopted.back().first, folio);
        }
        return first_adopted + adopted.size();
    }
    Result<void> record_files(std::uint64_t pin, std::uint64_t address, std::span<const PageNumber> pages) override
    {
        recorded.push_back({pin, address, {pages.begin(), pages.end()}});
        return {};
    }
    std::vector<std::pair<FileKey, std::uint64_t>> file_sequences() override { return sequences; }

    Result<std::vector<std::uint64_t>> live_objects() override { return objects; }
    Result<std::vector<CallUnderWay>> calls_under_way() override
    {
        return under_way ? under_way() : std::vector<CallUnderWay>();
    }

    std::vector<std::uint64_t> objects;
    std::function<std::vector<CallUnderWay>()> under_way;
    struct Recorded {
        std::uint64_t pin;
        std::uint64_t address;
        std::vector<PageNumber> pages;

        friend bool operator==(const Recorded&, const Recorded&) = default;
    };
    std::vector<Recorded> recorded;
    std::uint64_t first_adopted = 1000;  // one less than the id of the first adopted pin
    std::uint64_t pages_there_are = 1U << 20U;
    int looks = 0;
    int full = 0;  // how many adoptions find the ring full
    std::function<void()> before_look;
    std::function<void(const std::vector<PageNumber>&, bool)> on_adopt;
    std::vector<std::pair<std::vector<PageNumber>, bool>> adopted;
    std::vector<std::pair<FileKey, std::uint64_t>> sequences;
    std::map<PageNumber, std::pair<FileKey, std::uint64_t>> file_pages;

private:
    [[nodiscard]] PageRun folio_of(PageNumber page) const
    {
        auto folio = folios_.upper_bound(page);
        if (folio != folios_.begin()) {
            --folio;
            if (page < folio->first + folio->second) {
                return {folio->first, folio->second};
            }
        }
        return {page, 1};
    }
    [[nodiscard]] PageState state(PageNumber page) const
    {
        const PageRun folio = folio_of(page);
        PageState state;
        state.page = page;
        state.folio = folio.first;
        state.folio_pages = folio.count;
        state.readable = true;
        state.anonymous = true;
        if (const auto pins = pins_.find(folio.first); pins != pins_.end()) {
            state.pins = pins->second;
        }
        if (const auto file = file_pages.find(page); file != file_pages.end()) {
            state.anonymous = false;
            state.file = file->second.first;
            state.file_page = file->second.second;
        }
        return state;
    }

    std::map<PageNumber, std::uint64_t> pins_;    // by first page of the folio
    std::map<PageNumber, std::uint64_t> folios_;  // first page → pages
};

}  // namespace pinwarden::test
