// Joins the pins that one registration made in several calls: see PinService.ListPins in the API.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "publish/snapshot.h"

namespace pinwarden {

struct JoinedPin {
    PinView view;              // the first; bytes and ranges of them all
    std::vector<PinId> parts;  // ids of all, that of the first included
};

class PinJoiner {
public:
    using Sink = std::function<void(JoinedPin&&)>;

    // What nothing can be added to any more goes to `sink`, in no order.
    explicit PinJoiner(Sink sink) : sink_(std::move(sink)) {}

    // In order of id. Holds on only to what was acquired in the last seconds before it.
    void add(PinView&& view);
    // The rest.
    void finish();

private:
    // Process, thread, and the address at which the registration would go on.
    using Key = std::tuple<ProcessId, std::uint32_t, std::uint64_t>;
    struct Part {
        PinId id = 0;
        ProcessId process;
        std::uint32_t tid = 0;
        Nanoseconds acquired = 0;
        std::optional<std::uint64_t> end;  // nothing: it is not known
    };
    struct Open {
        JoinedPin pin;
        Nanoseconds last = 0;  // when the newest part was acquired
    };

    void close_before(Nanoseconds acquired);
    void keep(Open&& open, const Part& newest);

    Sink sink_;
    absl::flat_hash_map<Key, Open> open_;
    std::deque<std::pair<Nanoseconds, Key>> waiting_;  // when what may be in open_ was last added to, oldest first
};

// Those of a conflict, in order of their first part.
std::vector<JoinedPin> join_pins(std::vector<PinView> views);

}  // namespace pinwarden
