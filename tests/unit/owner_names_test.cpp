#include "ledger/owner_names.h"

#include <catch2/catch.hpp>
#include <map>

using namespace pinwarden;

namespace {

const std::string kId = "3f4e0aab5d1c7788990011223344556677889900aabbccddeeff001122334455";
const std::string kOtherId = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

class FakeCgroups final : public CgroupNamer {
public:
    std::map<std::uint64_t, std::string> paths;
    int asked = 0;

    std::string path(std::uint64_t id) override
    {
        ++asked;
        return paths[id];
    }
};

Task task(std::uint32_t pid, std::uint64_t cgroup)
{
    return {{pid, 1000}, pid, 0, 0, cgroup, "task"};
}

OwnerEvent runs(std::uint32_t pid, const std::string& program)
{
    return {1, {pid, 1000}, program, false};
}

}  // namespace

TEST_CASE("a container's id is read from its cgroup's path", "[owner]")
{
    struct Row {
        std::string path;
        std::string container;
    };
    const std::string pod = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1234_5678.slice";
    const Row rows[] = {
        {"", ""},
        {"/", ""},
        {"/system.slice/docker-" + kId + ".scope", kId},
        {"/docker/" + kId, kId},
        {"/docker/" + kId + "/init.scope", kId},
        {pod + "/cri-containerd-" + kId + ".scope", kId},
        {pod + "/crio-" + kId + ".scope", kId},
        {"/kubelet.slice/kubelet" + pod + "/cri-containerd-" + kId + ".scope/system.slice/x.service", kId},
        {"/kubepods/besteffort/pod12345678-1234-1234-1234-123456789abc/" + kId, kId},
        {"/kubepods/burstable/pod1234/crio-" + kId, kId},
        {"/machine.slice/libpod-" + kId + ".scope", kId},
        {"/machine.slice/libpod-" + kId + ".scope/container", kId},
        {"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + kId + ".scope", kId},
        {"/libpod_parent/libpod-" + kId, kId},
        {"/user.slice/user@1000.service/app.slice/x.service/libpod-payload-" + kId, kId},
        {"/system.slice/nerdctl-" + kId + ".scope", kId},
        {"/ecs/task/" + kId, kId},
        // The innermost is the one the process is in.
        {"/docker/" + kOtherId + "/docker/" + kId, kId},
        {"/docker/" + kOtherId + "/lxc.payload.web", "web"},
        // Monitors are not in the container they look after.
        {"/machine.slice/libpod-conmon-" + kId + ".scope", ""},
        {pod + "/crio-conmon-" + kId + ".scope", ""},
        {"/lxc.monitor.web", ""},
        {"/lxc.payload.web", "web"},
        {"/lxc.payload.web/system.slice/sshd.service", "web"},
        {"/lxc/104/ns/init.scope", "104"},
        {"/machine.slice/systemd-nspawn@build.service/payload", "build"},
        {R"(/machine.slice/machine-debian\x2d12.scope)", "debian-12"},
        {R"(/machine.slice/machine-lxc\x2d3\x2dweb.scope/libvirt)", "lxc-3-web"},
        {R"(/machine.slice/machine-odd\x2.scope)", R"(odd\x2)"},
        // A virtual machine is no container.
        {R"(/machine.slice/machine-qemu\x2d1\x2dvm.scope/libvirt/emulator)", ""},
        {"/machine.slice/machine-.scope", ""},
        // Nothing is guessed.
        {"/system.slice/docker.service", ""},
        {"/system.slice/docker-" + kId.substr(1) + ".scope", ""},
        {"/system.slice/other-" + kId + ".scope", ""},
        {"/docker/" + kId.substr(1) + "G", ""},
        {"/docker/buildkit/abcdefghijklmnopqrstuvwxy", ""},
        {"/user.slice/user-1000.slice/session-3.scope", ""},
        {"/lxc", ""},
        {kId, ""},
    };
    for (const Row& row : rows) {
        INFO(row.path);
        CHECK(container_of_cgroup(row.path) == row.container);
    }
}

TEST_CASE("pins of one process share its names until it runs or lives elsewhere", "[owner]")
{
    FakeCgroups cgroups;
    cgroups.paths = {{7, "/system.slice/docker-" + kId + ".scope"}, {8, "/jobs"}};
    OwnerNames names(cgroups);
    names.runs(runs(10, "/bin/old"));

    const auto first = names.of(task(10, 7));
    CHECK(*first == TaskNames{"/bin/old", false, "/system.slice/docker-" + kId + ".scope", kId});
    CHECK(names.of(task(10, 7)) == first);
    CHECK(cgroups.asked == 1);

    CHECK(*names.of(task(10, 8)) == TaskNames{"/bin/old", false, "/jobs", ""});
    names.runs(runs(10, "/bin/new"));
    CHECK(*names.of(task(10, 8)) == TaskNames{"/bin/new", false, "/jobs", ""});
    CHECK(first->executable == "/bin/old");
}

TEST_CASE("who never told a program has none, and a reused pid does not inherit one", "[owner]")
{
    FakeCgroups cgroups;
    cgroups.paths = {{8, "/jobs"}};
    OwnerNames names(cgroups);
    names.runs(runs(10, "/bin/old"));
    Task later = task(10, 8);
    later.process.start_time += 1;
    CHECK(*names.of(later) == TaskNames{"", false, "/jobs", ""});
    CHECK(*names.of(task(11, 9)) == TaskNames{});
}

TEST_CASE("owners are forgotten when they exit, and the oldest when there are too many", "[owner]")
{
    FakeCgroups cgroups;
    OwnerNames names(cgroups, 2);
    names.runs(runs(1, "/bin/1"));
    names.runs(runs(2, "/bin/2"));
    names.exit({1, 1000});
    names.exit({1, 1000});
    names.runs(runs(3, "/bin/3"));
    CHECK(names.of(task(1, 0))->executable.empty());
    CHECK(names.of(task(2, 0))->executable == "/bin/2");
    names.runs(runs(4, "/bin/4"));
    CHECK(names.of(task(2, 0))->executable.empty());
    CHECK(names.of(task(3, 0))->executable == "/bin/3");
    CHECK(names.of(task(4, 0))->executable == "/bin/4");
}
