#include "decode/paths.h"

#include <pinwarden/abi.h>

#include <algorithm>
#include <cstddef>
#include <ranges>
#include <string_view>

namespace pinwarden {
namespace {

constexpr std::string_view kOutside = PW_PATH_OUTSIDE;
constexpr std::string_view kDevice = PW_PATH_DEVICE;
constexpr std::size_t kDeviceLetters = 8;

constexpr std::uint64_t kTmpfsMagic = 0x01021994;
constexpr std::uint64_t kHugetlbfsMagic = 0x958458f6;

std::vector<std::string_view> split_components(std::span<const char> components)
{
    std::vector<std::string_view> names;
    std::string_view rest(components.data(), components.size());
    while (!rest.empty()) {
        const std::string_view name = rest.substr(0, rest.find('\0'));
        rest.remove_prefix(std::min(name.size() + 1, rest.size()));
        if (!name.empty() && name != "/") {
            names.push_back(name);
        }
    }
    return names;
}

std::optional<std::uint32_t> device_mark(std::string_view component)
{
    if (!component.starts_with(kDevice) || component.size() != kDevice.size() + kDeviceLetters) {
        return std::nullopt;
    }
    std::uint32_t device = 0;
    for (const char letter : component.substr(kDevice.size())) {
        if (letter < 'a' || letter > 'p') {
            return std::nullopt;
        }
        device = device << 4U | static_cast<std::uint32_t>(letter - 'a');
    }
    return device;
}

}  // namespace

std::optional<std::string> memory_file_name(std::span<const char> components, std::uint64_t filesystem_magic)
{
    const auto names = split_components(components);
    if (names.size() != 1 || (filesystem_magic != kTmpfsMagic && filesystem_magic != kHugetlbfsMagic)) {
        return std::nullopt;
    }
    const std::string_view name = names.front();
    if (name.starts_with("memfd:") || name.starts_with("SYSV") || name == "anon_hugepage") {
        return std::string(name);
    }
    if (name == "dev/zero") {
        return "/dev/zero";
    }
    return std::nullopt;
}

std::vector<PathPart> split_parts(std::span<const char> components)
{
    std::vector<PathPart> parts(1);
    std::string* text = &parts.back().path;
    bool closed = false;  // the last part has its device
    for (const std::string_view name : split_components(components)) {
        if (closed) {
            text = &parts.emplace_back().path;
            closed = false;
        }
        if (const auto device = device_mark(name)) {
            parts.back().device = *device;
            closed = true;
        } else if (name == kOutside && text == &parts.back().path) {
            text = &parts.back().root;
        } else {
            text->insert(0, "/" + std::string(name));
        }
    }
    return parts;
}

std::string path_of(const std::vector<PathPart>& parts, bool cut)
{
    std::string path = cut ? "..." : "";
    for (const PathPart& part : std::views::reverse(parts)) {
        path += part.path;
    }
    return path;
}

std::string path_from_components(std::span<const char> components, bool cut, std::uint64_t filesystem_magic)
{
    const auto names = split_components(components);
    if (auto name = memory_file_name(components, filesystem_magic)) {
        return *name;
    }
    std::string path = cut ? "..." : "";
    for (const auto& name : std::views::reverse(names)) {
        path.append("/").append(name);
    }
    return path;
}

}  // namespace pinwarden
