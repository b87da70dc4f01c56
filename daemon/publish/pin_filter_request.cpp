// The filter that a request carries, checked.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <string_view>

#include "policy/policy.h"
#include "publish/pin_list.h"

namespace pinwarden {
namespace {

using Texts = google::protobuf::RepeatedPtrField<std::string>;

// Each entry is compared with every pin.
constexpr int kMostEntries = 256;
constexpr std::array<Backing, 5> kBackings{Backing::kAnonymous, Backing::kFile, Backing::kShmem, Backing::kHugetlb,
                                           Backing::kMixed};

std::string quoted(std::string_view text)
{
    return "\"" + std::string(text) + "\"";
}

// `check` answers with what is wrong with an entry, or with nothing.
template <typename Check>
Result<void> check_list(const char* field, const Texts& texts, Check check)
{
    for (int i = 0; i < texts.size(); ++i) {
        const std::string wrong = check(texts.at(i));
        if (!wrong.empty()) {
            return fail_at(fmt::format("filter.{}[{}]", field, i), wrong, EINVAL);
        }
    }
    return {};
}

std::string wants_absolute(const std::string& path)
{
    return path.starts_with('/') ? "" : quoted(path) + " is no absolute path, such as /mnt/data";
}

std::string wants_text(const std::string& text)
{
    return text.empty() ? "is empty" : "";
}

std::string wants_backing(const std::string& text)
{
    const bool known = std::ranges::any_of(kBackings, [&](Backing backing) { return to_string(backing) == text; });
    return known ? "" : quoted(text) + " is none; choose from anonymous, file, shmem, hugetlb, mixed";
}

std::string wants_inode(const std::string& text)
{
    const auto inode = parse_inode(text);
    return inode ? "" : inode.error().message;
}

Result<void> check_sizes(const v1::PinFilter& filter)
{
    for (const auto& [field, size] : {std::pair{"pids", filter.pids_size()},
                                      {"comms", filter.comms_size()},
                                      {"uids", filter.uids_size()},
                                      {"drivers", filter.drivers_size()},
                                      {"cgroups", filter.cgroups_size()},
                                      {"containers", filter.containers_size()},
                                      {"path_prefixes", filter.path_prefixes_size()},
                                      {"inodes", filter.inodes_size()},
                                      {"backings", filter.backings_size()}}) {
        if (size > kMostEntries) {
            return fail_at(fmt::format("filter.{}", field),
                           fmt::format("has {} entries, the most is {}", size, kMostEntries), EINVAL);
        }
    }
    return {};
}

Result<void> check(const v1::PinFilter& filter)
{
    Result<void> checked = check_sizes(filter);
    const auto also = [&](const char* field, const Texts& texts, auto wants) {
        if (checked) {
            checked = check_list(field, texts, wants);
        }
    };
    also("comms", filter.comms(), wants_text);
    also("drivers", filter.drivers(), wants_text);
    also("cgroups", filter.cgroups(), wants_absolute);
    also("containers", filter.containers(), wants_text);
    also("path_prefixes", filter.path_prefixes(), wants_absolute);
    also("inodes", filter.inodes(), wants_inode);
    also("backings", filter.backings(), wants_backing);
    if (checked && (filter.min_age().seconds() < 0 || filter.min_age().nanos() < 0)) {
        return fail_at("filter.min_age", "is less than nothing", EINVAL);
    }
    return checked;
}

PinFilter::Names names(const Texts& texts)
{
    return {texts.begin(), texts.end()};
}

std::vector<std::string> prefixes(const Texts& texts)
{
    std::vector<std::string> all(texts.begin(), texts.end());
    for (std::string& path : all) {
        while (path.size() > 1 && path.ends_with('/')) {
            path.pop_back();
        }
    }
    return all;
}

}  // namespace

Result<PinFilter> filter_from_request(const v1::PinFilter& filter)
{
    if (auto checked = check(filter); !checked) {
        return std::unexpected(checked.error());
    }
    PinFilter out;
    out.pids = {filter.pids().begin(), filter.pids().end()};
    out.uids = {filter.uids().begin(), filter.uids().end()};
    out.comms = names(filter.comms());
    out.drivers = names(filter.drivers());
    out.backings = names(filter.backings());
    out.containers = names(filter.containers());
    out.cgroups = prefixes(filter.cgroups());
    out.path_prefixes = prefixes(filter.path_prefixes());
    for (const std::string& text : filter.inodes()) {
        const InodeId inode = parse_inode(text).value();
        out.inodes.push_back({.inode = inode.inode, .device = inode.major << 20U | inode.minor, .generation = 0});
    }
    out.symbol = filter.symbol();
    out.min_bytes = filter.min_bytes();
    constexpr std::int64_t kSecond = 1'000'000'000;
    constexpr std::int64_t kLongest = 100LL * 366 * 86'400;
    out.min_age =
        static_cast<Nanoseconds>(std::min(filter.min_age().seconds(), kLongest) * kSecond + filter.min_age().nanos());
    if (filter.has_long_term()) {
        out.long_term = filter.long_term();
    }
    out.orphans = filter.orphans();
    out.leaks = filter.leaks();
    return out;
}

}  // namespace pinwarden
