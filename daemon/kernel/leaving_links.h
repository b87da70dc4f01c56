// Links that are detached in the background, one after the other: the kernel may take half a second for each, because
// it waits until nobody can be running the program.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <thread>

struct bpf_link;

namespace pinwarden {

class LeavingLinks {
public:
    using Links = std::map<std::string, bpf_link*>;  // by program

    LeavingLinks() = default;
    LeavingLinks(const LeavingLinks&) = delete;
    LeavingLinks& operator=(const LeavingLinks&) = delete;
    // Detaches all that are left.
    ~LeavingLinks();

    // Takes ownership of them. Returns at once.
    void add(Links links);
    // Gives back those that are attached still, and stay so. Waits for the one that is being detached.
    [[nodiscard]] Links take_back();

private:
    void detach_all(const std::stop_token& stop);

    std::mutex mutex_;
    Links links_;
    std::jthread thread_;  // last: it ends before what it uses
};

}  // namespace pinwarden
