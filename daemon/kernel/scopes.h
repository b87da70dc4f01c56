// The programs that follow the objects pins belong to: io_uring buffers, RDMA regions, VFIO mappings, AF_XDP umems.
// Each kind is a BPF object of its own, loaded when the functions it attaches to are there: most are in modules.
//
// A module whose functions are followed cannot be unloaded until the daemon stops.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "kernel/kernel_btf.h"
#include "kernel/programs.h"

struct bpf_object;
struct bpf_link;

namespace pinwarden {

class Scopes {
public:
    // `maps` are borrowed and must outlive this; what is needed of `btf` is looked up here.
    Scopes(const MapFds& maps, const KernelBtf& btf);
    Scopes(const Scopes&) = delete;
    Scopes& operator=(const Scopes&) = delete;
    ~Scopes();

    // Loads and attaches what this kernel has by now; cheap when there is nothing new, else a matter of seconds.
    void refresh();
    // Does that once a second from now on, on a thread of its own: nobody has to wait for a driver that was loaded.
    void follow();
    // Ends that, and detaches everything.
    void detach();

    // One for each kind, purpose "owner", as the last refresh left them. May be called from any thread.
    [[nodiscard]] std::vector<HookStatus> hooks() const;
    // The runs they missed, whether these were made good or not. The same holds.
    [[nodiscard]] std::uint64_t missed() const;

private:
    struct Kind;

    void publish();

    MapFds maps_;
    std::vector<std::unique_ptr<Kind>> kinds_;
    mutable std::mutex mutex_;
    std::vector<HookStatus> states_;  // guarded by mutex_
    std::jthread thread_;
};

}  // namespace pinwarden
