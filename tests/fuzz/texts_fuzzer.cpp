// Any bytes as what the kernel tells in texts: symbols, modules, mounts, processes, their memory and cgroups, notes.
// None is the daemon's own to write, and some of it is anybody's.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/cgroup_tree.h"
#include "fuzz/require.h"
#include "kernel/kallsyms.h"
#include "ledger/owner_names.h"
#include "ledger/pod_of_cgroup.h"
#include "policy/path_resolver.h"
#include "proc/page_owners.h"
#include "proc/process_stat.h"
#include "recording/build_id.h"

namespace pinwarden::fuzz {
namespace {

void check_symbols(std::string_view text)
{
    SymbolTable table;
    const auto ends = parse_module_ends(text);
    std::size_t begin = 0;
    while (begin < text.size()) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        table.add_line(text.substr(begin, end - begin));
        begin = end + 1;
    }
    table.finish(ends);
    for (const std::uint64_t address : {std::uint64_t{0}, std::uint64_t{0xffffffff81000000}, ~std::uint64_t{0}}) {
        if (const auto found = table.find(address)) {
            require(found->address <= address, "a function begins at or before what lies in it");
            require(!found->name.empty(), "a function has a name");
        }
    }
}

void check_mounts(const std::string& text)
{
    for (const Mount& mount : parse_mountinfo(text)) {
        require(!mount.mountpoint.empty(), "a mount is somewhere");
        const auto found = find_mounted(parse_mountinfo(text), mount.device, mount.root);
        require(found.has_value(), "what is mounted is found");
    }
    for (const std::string& mountpoint : cgroup_mountpoints(text)) {
        require(!mountpoint.empty(), "a mount is somewhere");
    }
}

void check_process(std::string_view text)
{
    static_cast<void>(parse_process_stat(text));
    for (const std::string_view name : {"Uid", "Gid", ""}) {
        static_cast<void>(parse_id(text, name));
    }
    if (const auto path = parse_cgroup(text)) {
        require(path->find('\n') == std::string::npos, "a path is one line");
    }
}

void check_maps(std::string_view text)
{
    for (const MappedRange& range : parse_maps(text)) {
        require(range.start < range.end, "a range has a length");
    }
}

void check_cgroup(std::string_view text)
{
    // systemd's escapes become what they stand for, which is shorter.
    require(container_of_cgroup(text).size() <= text.size(), "an id comes from the path");
    const std::string pod = pod_of_cgroup(text);
    require(pod.size() <= text.size() && pod.find_first_not_of("0123456789abcdefABCDEF-") == std::string::npos,
            "a uid is what the kubelet writes");
}

void check_notes(std::span<const std::byte> bytes)
{
    const std::string id = build_id_of(bytes);
    require(id.size() <= 2 * bytes.size() && id.find_first_not_of("0123456789abcdef") == std::string::npos,
            "a build id is what the notes have");
}

}  // namespace
}  // namespace pinwarden::fuzz

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace pinwarden::fuzz;
    if (size == 0) {
        return 0;
    }
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 6) {
        case 0: check_symbols(text); break;
        case 1: check_mounts(std::string(text)); break;
        case 2: check_process(text); break;
        case 3: check_maps(text); break;
        case 4: check_cgroup(text); break;
        default: check_notes(std::as_bytes(std::span(data + 1, size - 1))); break;
    }
    return 0;
}
