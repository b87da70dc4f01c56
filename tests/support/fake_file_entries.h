// A model of the kernel's table of files with pins: so many places, and what found none.
#pragma once

#include <algorithm>
#include <cerrno>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "act/file_entries.h"

namespace pinwarden::test {

class FakeFileEntries final : public FileEntries {
public:
    // Few, so that files share them.
    static constexpr std::uint64_t kPlaces = 8;

    std::uint64_t places = 8;
    std::map<FileKey, FileState> entries;
    std::map<std::uint64_t, std::uint64_t> marks;  // by inode number
    // What happens between a file's removal, or the note, and the next step.
    std::function<void()> meanwhile;

    // As the hooks do with a pin. Whether the file has an entry afterwards.
    bool pin(const FileKey& file)
    {
        if (entries.contains(file)) {
            return true;
        }
        if (entries.size() >= places) {
            ++marks[file.inode % kPlaces];
            return false;
        }
        entries[file] = {};
        return true;
    }
    // Whether the hooks would look at the file's pages.
    [[nodiscard]] bool looked_at(const FileKey& file) const { return entries.contains(file) || may_be_left_out(file); }

    [[nodiscard]] std::uint64_t known() const override { return entries.size(); }
    [[nodiscard]] std::uint64_t capacity() const override { return places; }
    [[nodiscard]] std::uint64_t left_out() const override
    {
        std::uint64_t sum = 0;
        for (const auto& [place, count] : marks) {
            sum += count;
        }
        return sum;
    }
    [[nodiscard]] bool may_be_left_out(const FileKey& file) const override
    {
        const auto mark = marks.find(file.inode % kPlaces);
        return mark != marks.end() && mark->second > 0;
    }
    [[nodiscard]] bool has(const FileKey& file) const override { return entries.contains(file); }
    std::vector<FileKey> next(std::size_t most) override
    {
        std::vector<FileKey> files;
        auto at = last_ ? entries.upper_bound(*last_) : entries.begin();
        for (; at != entries.end() && files.size() < most; ++at) {
            files.push_back(at->first);
        }
        last_ = files.size() < most ? std::nullopt : std::optional(files.back());
        return files;
    }
    Result<void> remove(const FileKey& file) override
    {
        ++marks[file.inode % kPlaces];
        entries.erase(file);
        return {};
    }
    void note_left_out() override
    {
        noted_ = marks;
        if (auto happens = std::exchange(meanwhile, {})) {
            happens();
        }
    }
    void settle() override
    {
        for (const auto& [place, count] : noted_) {
            marks[place] -= count;
        }
    }
    Result<bool> enter(const FileKey& file, const FileState& state) override
    {
        if (entries.size() >= places) {
            return fail("the table is full", E2BIG);
        }
        return entries.emplace(file, state).second;
    }

private:
    std::optional<FileKey> last_;
    std::map<std::uint64_t, std::uint64_t> noted_;
};

}  // namespace pinwarden::test
