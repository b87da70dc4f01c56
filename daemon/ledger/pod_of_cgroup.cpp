#include "ledger/pod_of_cgroup.h"

#include <algorithm>

namespace pinwarden {
namespace {

constexpr std::size_t kUuid = 36;
constexpr std::size_t kHash = 32;  // of a static pod's manifest

bool is_hexadecimal(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

bool is_pod_uid(std::string_view text)
{
    if (text.size() == kHash) {
        return std::ranges::all_of(text, is_hexadecimal);
    }
    if (text.size() != kUuid) {
        return false;
    }
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !is_hexadecimal(text[i])) {
            return false;
        }
    }
    return true;
}

// Of one part of the path, below one that is the kubelet's.
std::string pod_of(std::string_view part)
{
    constexpr std::string_view kSlice = ".slice";
    if (part.ends_with(kSlice)) {
        part.remove_suffix(kSlice.size());
    }
    const std::size_t pod = part.rfind("pod");
    if (pod == std::string_view::npos || (pod != 0 && part[pod - 1] != '-')) {
        return {};
    }
    std::string uid(part.substr(pod + 3));
    std::ranges::replace(uid, '_', '-');
    return is_pod_uid(uid) ? uid : std::string();
}

}  // namespace

std::string pod_of_cgroup(std::string_view path)
{
    bool below_kubelet = false;
    while (!path.empty()) {
        path.remove_prefix(path.starts_with('/') ? 1 : 0);
        const std::string_view part = path.substr(0, path.find('/'));
        // With systemd the name has that of its parents in front; kind calls it kubelet-kubepods.
        below_kubelet = below_kubelet || part.find("kubepods") != std::string_view::npos;
        if (below_kubelet) {
            if (std::string uid = pod_of(part); !uid.empty()) {
                return uid;
            }
        }
        path.remove_prefix(part.size());
    }
    return {};
}

}  // namespace pinwarden
