// One decision to make processes let go: which signals go to whom, and when. Decides only, as time is told to it and
// without asking anybody; Revoker sends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "act/audit_log.h"
#include "act/evidence.h"
#include "base/clock.h"
#include "base/result.h"
#include "policy/signals.h"

namespace pinwarden {

// A process that pins what is in the way, or the caller, where that is whom a policy signals.
struct SignalVictim {
    ProcessId process;      // pid 0: not known
    bool inferred = false;  // found by who maps the pages, not reported: it may be the wrong one
    HeldPins held;
};

// Signals in order. The wait after the last is how long it may take to have an effect.
struct PlannedSignal {
    int signal = 0;
    Nanoseconds wait = 0;
    std::string rule;   // part of the policy it comes from
    bool asks = false;  // and does not insist
};
struct SignalPlan {
    SignalTarget target = SignalTarget::kOwners;
    Nanoseconds before = 0;  // nobody is signalled before that
    std::vector<PlannedSignal> signals;
};

// After the last signal: a process that is killed may take that long until the kernel has let go of its pins.
inline constexpr Nanoseconds kSettle = 30'000'000'000;

SignalPlan plan_of(const Revoke& revoke, Nanoseconds settle = kSettle);
SignalPlan plan_of(const SignalAction& action, Nanoseconds settle = kSettle);

struct RevocationOrder {
    std::string policy;
    std::uint32_t generation = 0;
    SignalPlan plan;
    std::vector<SignalVictim> victims;  // the same process may be there more than once
    MetOperation operation;
    std::optional<Requester> asked_by = {};  // nothing: nobody, the policy itself
    std::uint64_t id = 0;                    // number of the revocation; 0: of one that is not carried out
};

struct RevocationLimits {
    std::size_t processes = 8;  // with more to be signalled, none is
    // After a signal that could not be sent: until it is tried again, and how often that is done.
    Nanoseconds retry = 1'000'000'000;
    unsigned retries = 5;
};

// A signal that is due.
struct Act {
    ProcessId process;
    int signal = 0;
    std::string rule;
    HeldPins held;
};

// What became of it.
enum class ActOutcome {
    kSent,
    kGone,           // the process had ended; its pins may be there still
    kProtected,      // nobody may signal it
    kLimited,        // too many signals were sent lately
    kFailed,         // the record could not be written, or the signal not be sent
    kUnknownOwner,   // it is not known which process it is
    kInferredOwner,  // it is not known for certain which process it is
};
std::string_view to_string(ActOutcome outcome);

enum class RevocationEnd {
    kAnswered,       // all let go without having been made to
    kReleased,       // all let go after a signal that insists
    kExhausted,      // all signals were sent, and some did not let go
    kSpared,         // those that did not let go cannot or must not be signalled
    kTooManyOwners,  // none was signalled
    kLimited,        // too many signals were sent lately; the policy is to go to monitor mode
};
std::string_view to_string(RevocationEnd end);

class Revocation {
public:
    // Whether the process still has any of the pins that are in the way, also when it has ended itself.
    using StillPinning = std::function<bool(const ProcessId&)>;

    struct Sent {
        int signal = 0;
        Nanoseconds time = 0;
    };
    // What a process says it is going to do. Decides nothing.
    struct Answer {
        RevocationIntent intent = RevocationIntent::kLettingGo;
        Nanoseconds time = 0;
    };
    // How often a process may change its mind.
    static constexpr unsigned kMostAnswers = 4;
    // What has become of one process so far.
    struct Victim {
        SignalVictim who;
        std::vector<Sent> sent;
        std::optional<Nanoseconds> released;  // when it was seen not to pin any more; from then on it is left alone
        std::optional<ActOutcome> spared;     // why it is not signalled, or not any more
        std::optional<Answer> answer = {};    // the last it gave
        unsigned answers = 0;                 // that it gave, each another than the one before

        // From a signal to it to its last pin being gone; nothing while that is not so.
        [[nodiscard]] std::optional<Nanoseconds> took(const Sent& signal) const;
    };

    explicit Revocation(RevocationOrder order, RevocationLimits limits = {});

    // What is to be sent now, for done() to be told each outcome. To be called when next() is due, and may be at any
    // other time: when pins were let go, to see it at once. The first call begins it. Signals of one process are never
    // closer together than the plan says, however late the calls come.
    std::vector<Act> step(Nanoseconds now, const StillPinning& still_pinning);
    void done(const Act& act, ActOutcome outcome, Nanoseconds now);

    // The process, one of the victims, says what it is going to do. True when that is news. Error EUSERS: it has
    // changed its mind too often.
    Result<bool> answer(const ProcessId& process, RevocationIntent intent, Nanoseconds now);

    // When step() has something to do; nothing once it has ended.
    [[nodiscard]] std::optional<Nanoseconds> next() const;
    [[nodiscard]] bool begun() const { return begun_; }
    [[nodiscard]] std::optional<RevocationEnd> end() const { return end_; }
    // The last signal that was sent to insist, to anyone; nothing while none was.
    [[nodiscard]] std::optional<int> insisted() const { return insisted_; }

    [[nodiscard]] const RevocationOrder& order() const { return order_; }
    // In order of their ids, each once.
    [[nodiscard]] const std::vector<Victim>& victims() const { return victims_; }

private:
    struct Progress {
        std::size_t signal = 0;  // the next one of the plan
        Nanoseconds due = 0;     // when it is, or, after the last, when nothing more is to be hoped for
        unsigned failures = 0;
    };

    void begin(Nanoseconds now);
    void note_released(Nanoseconds now, const StillPinning& still_pinning);
    // Whether it still pins and may still be signalled.
    [[nodiscard]] static bool in_question(const Victim& victim);
    // What the process is to be sent now, if anything.
    std::optional<Act> act_on(std::size_t victim, Nanoseconds now);
    void note_failure(std::size_t victim, Nanoseconds now);
    void end_if_nothing_is_left(Nanoseconds now);

    RevocationOrder order_;
    RevocationLimits limits_;
    std::vector<Victim> victims_;
    std::vector<Progress> progress_;  // one for each
    bool begun_ = false;
    std::optional<RevocationEnd> end_;
    std::optional<int> insisted_;
};

}  // namespace pinwarden
