#include "ledger/owner_names.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace pinwarden {
namespace {

constexpr std::size_t kIdLength = 64;

// In front of the id, in a cgroup's own name. A runtime's monitor ("libpod-conmon-") is not the container.
constexpr std::array<std::string_view, 6> kRuntimes = {
    "docker-", "cri-containerd-", "crio-", "libpod-", "libpod-payload-", "nerdctl-",
};
bool is_id(std::string_view text)
{
    return text.size() == kIdLength && std::ranges::all_of(text, [](char letter) {
               return (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'f');
           });
}

std::optional<unsigned> hex_digit(char letter)
{
    if (letter >= '0' && letter <= '9') {
        return letter - '0';
    }
    return letter >= 'a' && letter <= 'f' ? std::optional<unsigned>(letter - 'a' + 10) : std::nullopt;
}

// systemd writes what a unit's name must not contain as "\\x2d".
std::string unescape_unit(std::string_view text)
{
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text.substr(i).starts_with("\\x") && i + 3 < text.size()) {
            const auto high = hex_digit(text[i + 2]);
            const auto low = hex_digit(text[i + 3]);
            if (high && low) {
                plain += static_cast<char>(*high * 16 + *low);
                i += 3;
                continue;
            }
        }
        plain += text[i];
    }
    return plain;
}

std::string_view without(std::string_view text, std::string_view prefix, std::string_view suffix)
{
    if (!text.starts_with(prefix) || !text.ends_with(suffix) || text.size() < prefix.size() + suffix.size()) {
        return {};
    }
    return text.substr(prefix.size(), text.size() - prefix.size() - suffix.size());
}

// systemd-nspawn's and, through libvirt, LXC's. libvirt's virtual machines are registered in the same way, and are no
// containers.
std::string machine_name(std::string_view name)
{
    std::string machine = unescape_unit(without(name, "machine-", ".scope"));
    if (machine.empty()) {
        machine = unescape_unit(without(name, "systemd-nspawn@", ".service"));
    }
    return machine.starts_with("qemu-") ? std::string() : machine;
}

// What one cgroup's name says, given the name of the one above it.
std::string container_of(std::string_view name, std::string_view parent)
{
    const std::string_view unit = name.ends_with(".scope") ? without(name, "", ".scope") : name;
    if (is_id(name)) {
        return std::string(name);
    }
    for (const std::string_view runtime : kRuntimes) {
        if (const std::string_view id = without(unit, runtime, ""); is_id(id)) {
            return std::string(id);
        }
    }
    if (const std::string_view lxc = without(name, "lxc.payload.", ""); !lxc.empty()) {
        return std::string(lxc);
    }
    return parent == "lxc" ? std::string(name) : machine_name(name);
}

}  // namespace

std::string container_of_cgroup(std::string_view path)
{
    while (!path.empty()) {
        const std::size_t slash = path.rfind('/');
        if (slash == std::string_view::npos) {
            break;
        }
        const std::string_view above = path.substr(0, slash);
        const std::string_view parent = above.substr(above.rfind('/') + 1);
        if (std::string id = container_of(path.substr(slash + 1), parent); !id.empty()) {
            return id;
        }
        path = above;
    }
    return {};
}

void OwnerNames::runs(const OwnerEvent& event)
{
    const auto [at, added] = owners_.try_emplace(event.process);
    Owner& owner = at->second;
    owner.program = event;
    owner.names.reset();
    if (!added) {
        return;
    }
    owner.number = ++last_number_;
    order_.emplace(owner.number, event.process);
    if (order_.size() > owners_kept_ && order_.size() > 1) {
        owners_.erase(order_.begin()->second);
        order_.erase(order_.begin());
    }
}

void OwnerNames::exit(const ProcessId& process)
{
    if (const auto owner = owners_.find(process); owner != owners_.end()) {
        order_.erase(owner->second.number);
        owners_.erase(owner);
    }
}

std::shared_ptr<const TaskNames> OwnerNames::of(const Task& task)
{
    const auto owner = owners_.find(task.process);
    if (owner != owners_.end() && owner->second.names && owner->second.cgroup == task.cgroup) {
        return owner->second.names;
    }
    TaskNames names;
    names.cgroup = cgroups_.path(task.cgroup);
    names.container = container_of_cgroup(names.cgroup);
    if (owner == owners_.end()) {
        return std::make_shared<const TaskNames>(std::move(names));
    }
    names.executable = owner->second.program.executable;
    names.executable_deleted = owner->second.program.deleted;
    owner->second.cgroup = task.cgroup;
    owner->second.names = std::make_shared<const TaskNames>(std::move(names));
    return owner->second.names;
}

}  // namespace pinwarden
