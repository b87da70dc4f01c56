// What the engine has on record of what is done.
#include <cerrno>
#include <string>
#include <utility>

#include "act/audit_records.h"
#include "app/engine.h"
#include "app/views.h"

namespace pinwarden {
namespace {

// Of denials and holds that cannot be recorded.
constexpr Nanoseconds kWarnEvery = 60'000'000'000;

MetOperation met_operation(const Conflict& conflict)
{
    return {.operation = std::string(to_string(conflict.operation.operation)),
            .file = conflict.path,
            .first_page = conflict.first_page,
            .end_page = conflict.end_page,
            .caller = conflict.operation.caller};
}

HeldPins held_pins(const Conflict& conflict)
{
    HeldPins held;
    for (const PinRecord& pin : conflict.pins) {
        held.pins.push_back(pin.id);
        held.bytes += pin.bytes;
        held.drivers.insert(pin.driver);
    }
    return held;
}

Error without_record(const PolicyEntry& /*entry*/, const Error& error)
{
    return {"what enforces more than before must be on record first, so this was not applied: " + error.message +
                "; make room, or mend what keeps it from being written",
            EINVAL};
}

Error without_record(const ReleaseEntry& entry, const Error& error)
{
    return {"hold " + std::to_string(entry.hold.hold) +
                " was not released, as letting it go ahead must be on record first: " + error.message +
                "; make room, or release it with --deny, or delete policy \"" + entry.hold.policy +
                "\", which lets all go whom it holds",
            error.code};
}

Error without_record(const SignalEntry& /*entry*/, const Error& error)
{
    return error;
}

}  // namespace

Result<void> Engine::on_record(const AuditEntry& entry, bool only_with_record, const std::function<Result<void>()>& act)
{
    const Nanoseconds begun = around_.clock.now();
    const auto record = around_.audit_log.begin(entry);
    if (!record && only_with_record) {
        return std::unexpected(std::visit([&](const auto& one) { return without_record(one, record.error()); }, entry));
    }
    const auto done = act();
    if (!record) {
        tell_unrecorded(record.error());
        return done;
    }
    AuditOutcome outcome{.result = done ? "done" : "failed",
                         .reason = done ? std::string() : done.error().message,
                         .took = around_.clock.now() - begun};
    if (std::holds_alternative<PolicyEntry>(entry)) {
        outcome.generation = enforcer_.generation();
    }
    if (const auto completed = around_.audit_log.complete(*record, outcome); !completed) {
        tell_unrecorded(completed.error());
    }
    return done;
}

HoldEntry Engine::hold_entry(const Conflict& conflict) const
{
    const Policy* policy = enforcer_.deciding(conflict.operation);
    return {.hold = conflict.operation.hold,
            .policy = policy == nullptr ? std::string() : policy->name,
            .generation = conflict.operation.generation,
            .operation = met_operation(conflict),
            .held = held_pins(conflict)};
}

void Engine::record_decision(const Conflict& conflict)
{
    const OperationEvent& operation = conflict.operation;
    if (operation.verdict == PW_VERDICT_HOLD && operation.hold != 0) {
        look_at_record(around_.audit_log.held(hold_entry(conflict)));
    }
    if (operation.verdict != PW_VERDICT_DENY) {
        return;
    }
    const Policy* policy = enforcer_.deciding(operation);
    look_at_record(around_.audit_log.denied({.policy = policy == nullptr ? std::string() : policy->name,
                                             .generation = operation.generation,
                                             .operation = met_operation(conflict),
                                             .held = held_pins(conflict),
                                             .error = operation.error,
                                             .unresolved = operation.unresolved}));
}

void Engine::tell_unattended(Conflict conflict, const std::string& policy)
{
    OperationEvent& event = conflict.operation;
    event.caller.names = owners_.of(event.caller);
    for (PinRecord& pin : conflict.pins) {
        pin.driver = drivers_.of(pin.stack);
    }
    count_conflict(to_string(event.operation), conflict.pins, event.verdict);
    if (event.verdict == PW_VERDICT_DENY) {
        look_at_record(around_.audit_log.denied({.policy = policy,
                                                 .generation = event.generation,
                                                 .operation = met_operation(conflict),
                                                 .held = held_pins(conflict),
                                                 .error = event.error,
                                                 .unresolved = event.unresolved}));
    }
    Policy named;
    named.name = policy;
    const Policy* const by = policy.empty() ? nullptr : &named;
    if (around_.conflicts != nullptr) {
        around_.conflicts->add(past_conflict(conflict, by));
    }
    if (around_.fanout.has_subscribers()) {
        const Nanoseconds time = event.time;
        announce(time, ConflictNotice{view_conflict(std::move(conflict), by)});
    }
}

void Engine::record_hold_end(const OperationEvent& operation, const HoldEndEvent& event, Nanoseconds lasted)
{
    HoldEntry hold = hold_entry(conflict_of(operation));
    hold.hold = event.hold;
    look_at_record(around_.audit_log.hold_ended(
        hold, {.result = std::string(to_string(event.outcome)), .reason = "", .took = lasted, .error = event.error}));
}

// These come in storms.
void Engine::look_at_record(const Result<void>& recorded)
{
    const Nanoseconds now = around_.clock.now();
    if (!recorded && now >= next_record_warning_) {
        next_record_warning_ = now + kWarnEvery;
        tell_unrecorded(recorded.error());
    }
}

void Engine::tell_unrecorded(const Error& error)
{
    around_.log_warning("done without a record of it: " + error.message);
    if (std::exchange(unrecorded_told_, true)) {
        return;
    }
    const Nanoseconds now = around_.clock.now() + around_.clock.boot_to_unix();
    add_notice("not all that was done is in the audit log, first at " + format_utc(now) + ": " + error.message);
}

}  // namespace pinwarden
