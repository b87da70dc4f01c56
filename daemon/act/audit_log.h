// The record of what is done about conflicts, and of who has a say in it: signals, changes of policies, denials, holds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "act/evidence.h"
#include "act/process_signals.h"
#include "base/clock.h"
#include "base/result.h"
#include "policy/policy.h"
#include "policy/signals.h"

namespace pinwarden {

// An operator: as the kernel says who is at the other end of his socket, or as his certificate does.
struct Requester {
    std::uint32_t uid = 0;
    std::uint32_t pid = 0;         // 0: he is in another pid namespace
    std::string certificate = {};  // the name in it that made him one; empty: he came over a socket of this machine
    std::string address = {};      // HOST:PORT, of one with a certificate
};

struct SignalEntry {
    std::string policy;
    std::uint32_t generation = 0;
    std::string rule;  // part of the policy: "revoke.notify", "revoke.then[2]", "signal.signals[0]"
    int signal = 0;
    SignalTarget target = SignalTarget::kOwners;
    ProcessFacts victim;
    MetOperation operation;
    HeldPins held;
    std::optional<Requester> asked_by = {};  // nothing: nobody, the policy itself
};

// One of the policies that a change is about.
struct PolicyChange {
    std::string name;
    std::optional<Mode> before = {};  // nothing: there was none of that name
    std::optional<Mode> after = {};   // nothing: there is none any more
    std::string source = {};          // of the one that comes, or else of the one that goes

    friend bool operator==(const PolicyChange&, const PolicyChange&) = default;
};

struct PolicyEntry {
    std::string action;  // "apply", "delete", "mode", "degrade", "reload"
    std::vector<PolicyChange> policies;
    std::uint64_t generation = 0;            // before
    std::string reason = {};                 // of a change that nobody asked for
    std::optional<Requester> asked_by = {};  // nothing: the daemon itself, at its start or by its own rules
};

// A held operation, and the policy that holds it.
struct HoldEntry {
    std::uint64_t hold = 0;  // its number
    std::string policy;      // empty: not known any more
    std::uint32_t generation = 0;
    MetOperation operation;
    HeldPins held;
};

// An operator decides about it.
struct ReleaseEntry {
    HoldEntry hold;
    Outcome outcome = Outcome::kDeny;
    std::optional<Requester> asked_by = {};
};

// The kernel has failed an operation, as a policy wants it.
struct DenialEntry {
    std::string policy;  // empty: not known any more
    std::uint32_t generation = 0;
    MetOperation operation;
    HeldPins held;
    int error = 0;            // positive errno
    bool unresolved = false;  // decided before all pins were known
};

// What an owner says that it is going to do about a revocation.
enum class RevocationIntent { kLettingGo, kCannot };

// An owner of pins has said so. Nothing depends on it.
struct AcknowledgementEntry {
    std::uint64_t revocation = 0;  // its number
    std::string policy;
    std::uint32_t generation = 0;
    RevocationIntent intent = RevocationIntent::kLettingGo;
    ProcessFacts owner;
    MetOperation operation;
    HeldPins held;
    std::optional<Requester> asked_by = {};
};

// What is recorded before it is done.
using AuditEntry = std::variant<SignalEntry, PolicyEntry, ReleaseEntry>;

struct AuditOutcome {
    std::string result;  // "sent", "gone", "done" …
    std::string reason;
    Nanoseconds took = 0;                          // since the record was begun
    std::optional<std::uint64_t> generation = {};  // of a change of policies: in force afterwards
    int error = 0;                                 // of a hold: positive errno the operation failed with
};

using AuditId = std::uint64_t;

class AuditLog {
public:
    AuditLog() = default;
    AuditLog(const AuditLog&) = delete;
    AuditLog& operator=(const AuditLog&) = delete;
    virtual ~AuditLog() = default;

    // The record is on the disk when this returns. On error there is none, and what must not be done without is not to
    // be done.
    virtual Result<AuditId> begin(const AuditEntry& entry) = 0;
    virtual Result<void> complete(AuditId id, const AuditOutcome& outcome) = 0;

    // What the kernel has done already. These may come in storms: beyond a rate they are left out and counted, which is
    // no error. They are written at once, and on the disk a moment later.
    virtual Result<void> denied(const DenialEntry& denial) = 0;
    virtual Result<void> held(const HoldEntry& hold) = 0;
    virtual Result<void> hold_ended(const HoldEntry& hold, const AuditOutcome& outcome) = 0;

    // At once, and on the disk a moment later. There cannot be many: whoever gives them is bounded.
    virtual Result<void> acknowledged(const AcknowledgementEntry& entry) = 0;

    // From time to time: tells in a record of its own what was left out, if no other has done so.
    virtual Result<void> step() = 0;
    // Denials and holds without a record, since the start.
    [[nodiscard]] virtual std::uint64_t left_out() const = 0;
};

}  // namespace pinwarden
