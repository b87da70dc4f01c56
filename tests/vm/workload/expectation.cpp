#include "expectation.h"

#include <cstdint>
#include <map>
#include <set>
#include <sstream>
#include <utility>

namespace workload {
namespace {

constexpr std::uint64_t kPage = 4096;

using Owner = std::pair<int, std::string>;
using Pages = std::map<std::uint64_t, std::int64_t>;  // address → expected less found

std::string describe(const Owner& owner, const Pages& pages, Strictness strictness)
{
    std::ostringstream text;
    for (auto at = pages.begin(); at != pages.end();) {
        const std::int64_t count = at->second;
        const std::uint64_t first = at->first;
        std::uint64_t end = first;
        for (; at != pages.end() && at->first == end && at->second == count; ++at) {
            end += kPage;
        }
        if (count == 0 || (count > 0 && strictness == Strictness::kNoWrong)) {
            continue;
        }
        text << "  " << owner.second << " of process " << owner.first << ", " << (end - first) / kPage
             << " pages from 0x" << std::hex << first << std::dec << ": " << (count > 0 ? "missing " : "too many ")
             << (count > 0 ? count : -count) << " times\n";
    }
    return text.str();
}

std::uint64_t pages_missing(const std::map<Owner, Pages>& owners, int pid)
{
    std::uint64_t missing = 0;
    for (const auto& [owner, pages] : owners) {
        for (const auto& [address, count] : pages) {
            missing += owner.first == pid && count > 0 ? static_cast<std::uint64_t>(count) : 0;
        }
    }
    return missing;
}

}  // namespace

std::string difference(const std::vector<Held>& expected, const std::vector<pinwarden::v1::Pin>& pins,
                       Strictness strictness)
{
    std::map<Owner, Pages> owners;
    std::ostringstream text;
    for (const Held& held : expected) {
        Pages& pages = owners[{held.pid, held.driver}];
        for (std::uint64_t at = held.address; at < held.address + held.bytes; at += kPage) {
            ++pages[at];
        }
    }
    std::set<int> inferred;  // processes
    for (const auto& pin : pins) {
        if (pin.owner().pid() == 0 && strictness == Strictness::kNoWrong) {
            continue;
        }
        if (pin.owner().inferred()) {
            inferred.insert(static_cast<int>(pin.owner().pid()));
            continue;
        }
        Pages& pages = owners[{static_cast<int>(pin.owner().pid()), pin.driver()}];
        for (std::uint64_t at = pin.address(); at < pin.address() + pin.bytes(); at += kPage) {
            --pages[at];
        }
    }
    for (const auto& [owner, pages] : owners) {
        text << describe(owner, pages, strictness);
    }
    // Which of its pages they are is not known, nor how many where a large folio counts as a whole.
    for (const int pid : inferred) {
        if (pages_missing(owners, pid) == 0) {
            text << "  inferred of process " << pid << ", all of whose pins are listed\n";
        }
    }
    return text.str();
}

}  // namespace workload
