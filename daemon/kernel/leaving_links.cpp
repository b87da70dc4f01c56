#include "kernel/leaving_links.h"

#include <bpf/libbpf.h>

#include <utility>

namespace pinwarden {

LeavingLinks::~LeavingLinks()
{
    for (const auto& [name, link] : take_back()) {
        bpf_link__destroy(link);
    }
}

void LeavingLinks::add(Links links)
{
    links.merge(take_back());
    links_ = std::move(links);
    thread_ = std::jthread([this](const std::stop_token& stop) { detach_all(stop); });
}

LeavingLinks::Links LeavingLinks::take_back()
{
    // Asks it to stop, and waits.
    thread_ = {};
    return std::exchange(links_, {});
}

void LeavingLinks::detach_all(const std::stop_token& stop)
{
    while (!stop.stop_requested()) {
        bpf_link* link = nullptr;
        {
            const std::scoped_lock lock(mutex_);
            if (links_.empty()) {
                return;
            }
            link = links_.extract(links_.begin()).mapped();
        }
        bpf_link__destroy(link);
    }
}

}  // namespace pinwarden
