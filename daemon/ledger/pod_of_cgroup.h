// Which Kubernetes pod a cgroup belongs to.
#pragma once

#include <string>
#include <string_view>

namespace pinwarden {

// The pod's uid, as the kubelet writes it into the paths of cgroups: ".../kubepods-burstable-podUID.slice/..." with
// systemd, where dashes become underscores, ".../kubepods/burstable/podUID/..." without, and a static pod's hash in its
// place. Empty for everything else.
std::string pod_of_cgroup(std::string_view path);

}  // namespace pinwarden
