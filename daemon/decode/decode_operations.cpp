// What happens to files, addresses and processes that have pins.
#include "decode/record.h"

namespace pinwarden {
namespace {

// Empty when `first` is not before `end`, as the kernel sends what there is none of.
Result<AddressRange> address_range(std::string_view field, std::uint64_t first, std::uint64_t end)
{
    constexpr std::uint64_t kPageMask = (1ULL << PW_PAGE_SHIFT) - 1;
    if (end < first || ((first | end) & kPageMask) != 0) {
        return wrong("invalidation", "a range of addresses (" + std::string(field) + ") that is none");
    }
    return AddressRange{first, end - first};
}

}  // namespace

Result<Event> decode_operation(Record record)
{
    const auto raw = read<pw_operation>(record);
    if (auto checked = check_fixed("operation", record, raw.header.bytes, sizeof(raw)); !checked) {
        return std::unexpected(checked.error());
    }
    if (raw.operation == 0 || raw.operation >= PW_OPERATION_KINDS) {
        return out_of_range("operation", "operation", raw.operation);
    }
    if (raw.verdict >= PW_VERDICTS) {
        return out_of_range("operation", "verdict", raw.verdict);
    }
    if (raw.policy > PW_POLICIES) {
        return out_of_range("operation", "policy", raw.policy);
    }
    if (raw.before > raw.offset) {
        return out_of_range("operation", "before", raw.before);
    }
    // One that goes ahead may have been held before.
    const bool may_have_been_held = raw.verdict == PW_VERDICT_SIGNAL || raw.verdict == PW_VERDICT_NOTIFY;
    if (!may_have_been_held && (raw.verdict == PW_VERDICT_HOLD) != (raw.hold != 0)) {
        return out_of_range("operation", "hold", raw.hold);
    }
    if (!valid_error(raw.error)) {
        return wrong("operation", "error " + std::to_string(raw.error) + " is no negative errno");
    }
    OperationEvent event;
    event.time = raw.header.time;
    event.file = file_key(raw.file);
    event.operation = static_cast<pw_operation_kind>(raw.operation);
    event.file_size = raw.file_size;
    event.offset = raw.offset;
    event.length = raw.length;
    event.before = raw.before;
    event.sequence = raw.sequence;
    event.matched = raw.matched;
    event.caller = task(raw.caller);
    event.verdict = static_cast<pw_verdict>(raw.verdict);
    event.error = -raw.error;
    event.policy = static_cast<int>(raw.policy) - 1;
    event.generation = raw.generation;
    event.unresolved = raw.unresolved != 0;
    event.hold = raw.hold;
    return event;
}

Result<Event> decode_hold_end(Record record)
{
    const auto raw = read<pw_hold_end>(record);
    if (auto checked = check_fixed("hold end", record, raw.header.bytes, sizeof(raw)); !checked) {
        return std::unexpected(checked.error());
    }
    if (raw.outcome == 0 || raw.outcome >= PW_HOLD_OUTCOMES) {
        return out_of_range("hold end", "outcome", raw.outcome);
    }
    if (!valid_error(raw.error)) {
        return wrong("hold end", "error " + std::to_string(raw.error) + " is no negative errno");
    }
    return HoldEndEvent{.time = raw.header.time,
                        .hold = raw.hold,
                        .since = raw.since,
                        .asked = raw.asked,
                        .outcome = static_cast<pw_hold_outcome>(raw.outcome),
                        .error = -raw.error};
}

Result<Event> decode_exit(Record record)
{
    const auto raw = read<pw_exit>(record);
    if (auto checked = check_fixed("exit", record, raw.header.bytes, sizeof(raw)); !checked) {
        return std::unexpected(checked.error());
    }
    return ExitEvent{raw.header.time, {raw.pid, raw.start_time}};
}

Result<Event> decode_invalidation(Record record)
{
    const auto raw = read<pw_invalidation>(record);
    if (auto checked = check_fixed("invalidation", record, raw.header.bytes, sizeof(raw)); !checked) {
        return std::unexpected(checked.error());
    }
    if (raw.operation == 0 || raw.operation >= PW_INVALIDATION_KINDS) {
        return out_of_range("invalidation", "operation", raw.operation);
    }
    if (raw.space == 0) {
        return out_of_range("invalidation", "space", raw.space);
    }
    const auto range = address_range("address", raw.address, raw.end);
    const auto moved = address_range("moved_to", raw.moved_to, raw.moved_to + raw.moved_bytes);
    const auto replaced = address_range("replaced", raw.replaced, raw.replaced_end);
    for (const auto* one : {&range, &moved, &replaced}) {
        if (!*one) {
            return std::unexpected(one->error());
        }
    }
    if (moved->bytes > range->bytes) {
        return out_of_range("invalidation", "moved_bytes", moved->bytes);
    }
    InvalidationEvent event;
    event.time = raw.header.time;
    event.operation = static_cast<pw_invalidation_kind>(raw.operation);
    event.space = raw.space;
    event.range = *range;
    event.moved_to = *moved;
    event.replaced = *replaced;
    event.caller = task(raw.caller);
    return event;
}

Result<Event> decode_notifier(Record record)
{
    const auto raw = read<pw_notifier>(record);
    if (auto checked = check_fixed("notifier", record, raw.header.bytes, sizeof(raw)); !checked) {
        return std::unexpected(checked.error());
    }
    if (raw.gone > 1) {
        return out_of_range("notifier", "gone", raw.gone);
    }
    if (raw.gone == 0 && (raw.kind == 0 || raw.kind >= PW_NOTIFIER_KINDS)) {
        return out_of_range("notifier", "kind", raw.kind);
    }
    NotifierEvent event;
    event.time = raw.header.time;
    event.notifier = raw.notifier;
    event.gone = raw.gone != 0;
    event.callback = raw.callback;
    event.kind = raw.kind == PW_NOTIFIER_RANGE ? PW_NOTIFIER_RANGE : PW_NOTIFIER_SPACE;
    event.range = {raw.address, raw.length};
    event.owner = task(raw.owner);
    return event;
}

}  // namespace pinwarden
