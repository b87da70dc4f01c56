#include "hooks/reader.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <utility>

#include "base/result.h"

namespace pinwarden::bench {
namespace {

// The daemon looks for records once a millisecond as long as some come.
constexpr std::chrono::milliseconds kLook{2};
constexpr int kMostLooks = 5000;

}  // namespace

Reader::Reader()
{
    __u32 id = 0;
    while (bpf_map_get_next_id(id, &id) == 0) {
        OwnedFd map(bpf_map_get_fd_by_id(id));
        bpf_map_info info{};
        __u32 size = sizeof(info);
        if (!map.valid() || bpf_obj_get_info_by_fd(map.get(), &info, &size) != 0) {
            continue;  // gone meanwhile
        }
        if (info.type == BPF_MAP_TYPE_RINGBUF && std::string_view(info.name) == "events") {
            rings_.push_back(std::move(map));
        }
    }
    if (errno != ENOENT) {
        throw std::runtime_error(system_error("look for the daemon's ring", errno).message);
    }
}

bool Reader::behind() const
{
    return std::ranges::any_of(rings_, [](const OwnedFd& ring) {
        pollfd unread{.fd = ring.get(), .events = POLLIN, .revents = 0};
        return poll(&unread, 1, 0) != 0;
    });
}

void Reader::catch_up() const
{
    // Once more after the last was read: what follows from it is done then.
    bool was_behind = true;
    for (int looks = 0; was_behind; ++looks) {
        if (looks == kMostLooks) {
            throw std::runtime_error("the daemon does not read what is reported to it");
        }
        was_behind = behind();
        std::this_thread::sleep_for(kLook);
    }
}

}  // namespace pinwarden::bench
