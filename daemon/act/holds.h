// Held operations: who waits for what, and when each is to be asked again.
//
// What a held operation comes to is decided by the kernel's side alone, each time its caller asks. So this only
// continues a caller when the answer may have changed: nothing concerned is in its way any more, all pins are known
// now, the policies are others, somebody released it, its time is up. A caller that is continued for nothing is held
// again.
#pragma once

#include <absl/container/btree_map.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "act/enforcer.h"
#include "act/hold_sink.h"
#include "base/clock.h"
#include "ledger/ledger.h"

namespace pinwarden {

// Owned by the pipeline thread.
class Holds {
public:
    // Longer than this without attend(), and nobody is held.
    static constexpr Nanoseconds kAttendFor = 2'000'000'000;

    // `sink` must outlive this.
    explicit Holds(HoldSink& sink) : sink_(sink) {}

    struct Held {
        HeldOperation held;
        std::optional<Outcome> released = {};  // by somebody; it has not gone on yet
        Nanoseconds next_resume = 0;
        Nanoseconds pause = 0;           // before it is continued once more
        Nanoseconds running_since = 0;   // that long it has not been stopped; 0: it is
        Nanoseconds unlisted_since = 0;  // that long the kernel has not known it; 0: it does
    };

    // To be called all the time. Why nobody can be held, if that is so, see HoldSink; who is, is let go then.
    std::optional<std::string> attend(Nanoseconds now);
    void begin(const OperationEvent& operation);
    // The one that ended, if it was known.
    std::optional<Held> end(const HoldEndEvent& event);
    // Pins, policies or what is known of them changed.
    void look_again() { look_ = true; }
    // Continues whose answer may have changed. Answers with those that ended without the kernel's saying so.
    std::vector<Held> step(const Enforcer& enforcer, const Ledger& ledger, Nanoseconds now);
    [[nodiscard]] std::optional<Nanoseconds> next_step() const;

    // Error ENOENT when there is none with that number.
    Result<void> release(std::uint64_t id, Outcome outcome, Nanoseconds now);
    // Nobody is held from now on, and who is, is let go.
    void stop();
    [[nodiscard]] std::uint64_t under_way() const { return sink_.under_way(); }

    // By number: oldest first.
    [[nodiscard]] const absl::btree_map<std::uint64_t, Held>& all() const { return holds_; }

private:
    // What the kernel knows of them now.
    std::vector<Held> refresh(Nanoseconds now);
    void look_at_caller(Held& held, Nanoseconds now);
    [[nodiscard]] bool may_go_on(const Held& held, const Enforcer& enforcer, const Ledger& ledger,
                                 Nanoseconds now) const;

    HoldSink& sink_;
    absl::btree_map<std::uint64_t, Held> holds_;
    bool look_ = false;
    bool stopping_ = false;
    bool can_hold_ = true;
    Nanoseconds next_look_ = 0;
    Nanoseconds next_look_at_callers_ = 0;
};

}  // namespace pinwarden
