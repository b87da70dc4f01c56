#include <sys/utsname.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string_view>

#include "cli/doctor.h"

namespace pinwarden::cli {
namespace {

std::optional<std::string> read_file(const std::filesystem::path& path)
{
    std::ifstream file(path);
    if (!file) {
        return std::nullopt;
    }
    std::string text(std::istreambuf_iterator<char>(file), {});
    while (text.ends_with('\n')) {
        text.pop_back();
    }
    return text;
}

// Where a file system of that type is mounted first; see proc(5).
std::string mounted_at(const std::string& mountinfo, std::string_view type)
{
    std::istringstream lines(mountinfo);
    for (std::string line; std::getline(lines, line);) {
        const auto separator = line.find(" - ");
        if (separator == std::string::npos ||
            !std::string_view(line).substr(separator + 3).starts_with(std::string(type) + " ")) {
            continue;
        }
        std::istringstream fields(line);
        std::string mountpoint;
        for (int field = 0; field < 5; ++field) {
            fields >> mountpoint;
        }
        return mountpoint;
    }
    return {};
}

void read_vmstat(const std::string& text, DoctorFacts& facts)
{
    std::istringstream lines(text);
    std::string name;
    std::uint64_t value = 0;
    while (lines >> name >> value) {
        if (name == "nr_foll_pin_acquired") {
            facts.pins_acquired = value;
        } else if (name == "nr_foll_pin_released") {
            facts.pins_released = value;
        }
    }
}

}  // namespace

std::optional<ProcessRights> read_rights(const std::string& process, const std::string& root)
{
    const auto status = read_file(std::filesystem::path(root) / "proc" / process / "status");
    if (!status) {
        return std::nullopt;
    }
    ProcessRights rights;
    bool told = false;
    std::istringstream lines(*status);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string key;
        words >> key;
        if (key == "Name:") {
            words >> rights.comm;
        } else if (key == "CapEff:") {
            told = static_cast<bool>(words >> std::hex >> rights.capabilities);
        }
    }
    return told ? std::optional(rights) : std::nullopt;
}

// See daemon/kernel/kept_links.h.
std::vector<std::uint32_t> left_behind(const std::filesystem::path& root)
{
    std::vector<std::uint32_t> gone;
    std::error_code forbidden;
    for (const auto& set : std::filesystem::directory_iterator(root / "sys/fs/bpf/pinwarden/links", forbidden)) {
        const std::string name = set.path().filename();
        std::uint32_t pid = 0;
        const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
        const auto rights = read_rights(name, root);
        if (error == std::errc() && end == name.data() + name.size() && (!rights || rights->comm != "pinwardend")) {
            gone.push_back(pid);
        }
    }
    std::ranges::sort(gone);
    return gone;
}

DoctorFacts read_machine(const std::string& root)
{
    const std::filesystem::path at(root);
    const std::filesystem::path sys = at / "sys";
    const std::filesystem::path proc = at / "proc";
    DoctorFacts facts;
    utsname name{};
    if (::uname(&name) == 0) {
        facts.kernel_release = name.release;
        facts.architecture = name.machine;
    }
    std::error_code error;
    facts.btf = std::filesystem::exists(sys / "kernel/btf/vmlinux", error);
    facts.lockdown = read_file(sys / "kernel/security/lockdown");
    facts.lsm = read_file(sys / "kernel/security/lsm");
    facts.ftrace_enabled = read_file(proc / "sys/kernel/ftrace_enabled");
    facts.kptr_restrict = read_file(proc / "sys/kernel/kptr_restrict");
    facts.clock_source = read_file(sys / "devices/system/clocksource/clocksource0/current_clocksource");
    const std::string mounts = read_file(proc / "self/mountinfo").value_or("");
    facts.bpf_filesystem = mounted_at(mounts, "bpf");
    facts.cgroup_tree = mounted_at(mounts, "cgroup2");
    read_vmstat(read_file(proc / "vmstat").value_or(""), facts);
    facts.left_behind = left_behind(at);
    facts.own = read_rights("self", root);
    facts.now = std::time(nullptr);
    return facts;
}

}  // namespace pinwarden::cli
