#include "ledger/pod_of_cgroup.h"

#include <catch2/catch.hpp>
#include <string>

#include "ledger/owner_names.h"

using namespace pinwarden;

namespace {

const std::string kUid = "0c1f6b1e-3b52-4a6e-9d4c-5a8f1d2e3c4b";
const std::string kUnderscored = "0c1f6b1e_3b52_4a6e_9d4c_5a8f1d2e3c4b";
const std::string kStatic = "9f86d081884c7d659a2feaa0c55ad015";
const std::string kId = std::string(60, 'a') + "0123";

}  // namespace

TEST_CASE("pod and container are told by the paths that runtimes and kubelets make", "[owner]")
{
    struct Row {
        std::string what;
        std::string path;
        std::string pod;
        std::string container;
    };
    const std::string burstable = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod";
    const Row rows[] = {
        {"containerd, cgroup v2, systemd", burstable + kUnderscored + ".slice/cri-containerd-" + kId + ".scope", kUid,
         kId},
        {"CRI-O, cgroup v2, systemd", burstable + kUnderscored + ".slice/crio-" + kId + ".scope", kUid, kId},
        {"CRI-O, a cgroup of the container's own", burstable + kUnderscored + ".slice/crio-" + kId + ".scope/container",
         kUid, kId},
        {"docker through cri-dockerd, systemd", burstable + kUnderscored + ".slice/docker-" + kId + ".scope", kUid,
         kId},
        {"guaranteed pods have no class",
         "/kubepods.slice/kubepods-pod" + kUnderscored + ".slice/cri-containerd-" + kId + ".scope", kUid, kId},
        {"containerd, cgroup v1 or v2, cgroupfs", "/kubepods/besteffort/pod" + kUid + "/" + kId, kUid, kId},
        {"guaranteed, cgroupfs", "/kubepods/pod" + kUid + "/" + kId, kUid, kId},
        {"a static pod", "/kubepods/burstable/pod" + kStatic + "/" + kId, kStatic, kId},
        {"kind",
         "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" + kUnderscored + ".slice/cri-containerd-" + kId +
             ".scope",
         kUid, kId},
        {"the pod's own cgroup", burstable + kUnderscored + ".slice", kUid, ""},
        {"docker", "/system.slice/docker-" + kId + ".scope", "", kId},
        {"docker, cgroupfs", "/docker/" + kId, "", kId},
        {"podman, root", "/machine.slice/libpod-" + kId + ".scope", "", kId},
        {"podman, a user",
         "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + kId + ".scope/container", "", kId},
        {"a service", "/system.slice/trainer.service", "", ""},
        {"a session", "/user.slice/user-1000.slice/session-3.scope", "", ""},
        {"the root", "/", "", ""},
        {"nothing", "", "", ""},
        {"not below the kubelet's", "/system.slice/pod" + kUid + ".slice", "", ""},
        {"no uid", "/kubepods.slice/kubepods-podtoo_short.slice", "", ""},
        {"a tripod", "/kubepods.slice/kubepods-tripod" + kUnderscored + ".slice", "", ""},
    };
    for (const Row& row : rows) {
        INFO(row.what << ": " << row.path);
        CHECK(pod_of_cgroup(row.path) == row.pod);
        CHECK(container_of_cgroup(row.path) == row.container);
    }
}
