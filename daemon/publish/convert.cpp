#include "publish/convert.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <tuple>
#include <utility>

#include "publish/convert_parts.h"

namespace pinwarden {
namespace {

// Length of the valid UTF-8 sequence `text` starts with (RFC 3629, table 3-7 of the Unicode standard), or 0.
std::size_t utf8_sequence(std::string_view text)
{
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    const auto within = [&](std::size_t at, unsigned low, unsigned high) {
        return at < text.size() && byte(at) >= low && byte(at) <= high;
    };
    const unsigned lead = byte(0);
    if (lead < 0x80) {
        return 1;
    }
    if (lead >= 0xc2 && lead <= 0xdf) {
        return within(1, 0x80, 0xbf) ? 2 : 0;
    }
    if (lead >= 0xe0 && lead <= 0xef) {
        const unsigned low = lead == 0xe0 ? 0xa0 : 0x80;
        const unsigned high = lead == 0xed ? 0x9f : 0xbf;
        return within(1, low, high) && within(2, 0x80, 0xbf) ? 3 : 0;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
        const unsigned low = lead == 0xf0 ? 0x90 : 0x80;
        const unsigned high = lead == 0xf4 ? 0x8f : 0xbf;
        return within(1, low, high) && within(2, 0x80, 0xbf) && within(3, 0x80, 0xbf) ? 4 : 0;
    }
    return 0;
}

std::string_view function_name(pw_function function)
{
    switch (function) {
        case PW_PIN_USER_PAGES: return "pin_user_pages";
        case PW_PIN_USER_PAGES_FAST: return "pin_user_pages_fast";
        case PW_PIN_USER_PAGES_FAST_ONLY: return "pin_user_pages_fast_only";
        case PW_PIN_USER_PAGES_REMOTE: return "pin_user_pages_remote";
        case PW_PIN_USER_PAGES_UNLOCKED: return "pin_user_pages_unlocked";
        case PW_MEMFD_PIN_FOLIOS: return "memfd_pin_folios";
        case PW_ADOPTED:
        case PW_ADOPTED_FOLIO: return "adopted";
        default: return "unknown";
    }
}

std::string_view object_name(pw_scope_kind kind)
{
    switch (kind) {
        case PW_SCOPE_IO_URING_BUFFER: return "io_uring_buffer";
        case PW_SCOPE_RDMA_REGION: return "rdma_region";
        case PW_SCOPE_VFIO_MAPPING: return "vfio_mapping";
        case PW_SCOPE_XDP_UMEM: return "xdp_umem";
        case PW_SCOPE_NONE:
        case PW_SCOPE_KINDS: break;
    }
    return "";
}

void set_orphan(const PinRecord& pin, const Times& times, v1::Pin& out)
{
    if (pin.owner_exited) {
        *out.mutable_orphaned_since() = times.timestamp(pin.orphaned);
        *out.mutable_orphaned_for() = times.age(pin.orphaned);
        out.set_leak(pin.leak);
    }
}

void add_range(const PinnedFileRange& range, const std::map<FileKey, FileName>& files, v1::Pin& out)
{
    v1::FileRange& added = *out.add_ranges();
    const auto name = files.find(range.file);
    set_file(range.file, name == files.end() ? FileName{} : name->second, *added.mutable_file());
    added.set_first_page(range.first_page);
    added.set_pages(range.pages);
}

}  // namespace

void add_user_stack(const PinRecord& pin, google::protobuf::RepeatedPtrField<v1::UserFrame>& out)
{
    if (pin.user_stack == nullptr) {
        return;
    }
    for (const UserFrame& frame : *pin.user_stack) {
        v1::UserFrame& added = *out.Add();
        if (frame.in_file) {
            added.set_build_id(fmt::format("{:02x}", fmt::join(frame.build_id, "")));
            added.set_offset(frame.place);
        } else {
            added.set_address(frame.place);
        }
    }
}

void set_pin(const PinView& view, const Times& times, v1::Pin& out)
{
    const PinRecord& pin = view.pin;
    out.set_id(pin.id);
    set_process(pin.owner, pin.owner_exited, times, *out.mutable_owner());
    out.mutable_owner()->set_inferred(pin.inferred);
    out.set_driver(valid_utf8(pin.driver));
    out.set_function(std::string(function_name(pin.function)));
    out.set_backing(std::string(to_string(pin.backing)));
    out.set_bytes(pin.bytes);
    out.set_address(pin.address);
    for (const PinnedFileRange& range : pin.ranges) {
        add_range(range, view.files, out);
    }
    *out.mutable_acquire_time() = times.timestamp(pin.acquired);
    *out.mutable_age() = times.age(pin.acquired);
    out.set_long_term(pin.long_term);
    out.set_long_lived(pin.long_lived);
    out.set_writable(pin.writable);
    for (const std::string& frame : view.stack) {
        out.add_stack(valid_utf8(frame));
    }
    add_user_stack(pin, *out.mutable_user_stack());
    out.set_calls(1);
    set_orphan(pin, times, out);
    out.set_object(std::string(object_name(object_kind(pin))));
    out.set_driver_frame(valid_utf8(view.driver_frame));
}

void set_pin(const JoinedPin& pin, const Times& times, v1::Pin& out)
{
    set_pin(pin.view, times, out);
    out.set_calls(static_cast<std::uint32_t>(pin.parts.size()));
}

void set_failure(const FailedPin& failure, const Times& times, v1::PinFailure& out)
{
    *out.mutable_time() = times.timestamp(failure.time);
    *out.mutable_age() = times.age(failure.time);
    set_process(failure.owner, false, times, *out.mutable_owner());
    out.set_driver(valid_utf8(failure.driver));
    out.set_function(std::string(function_name(failure.function)));
    out.set_error(errno_name(failure.error));
    out.set_bytes(failure.pages * page_bytes());
    out.set_address(failure.address);
    out.set_writable(failure.writable);
    for (const std::string& frame : failure.stack) {
        out.add_stack(valid_utf8(frame));
    }
}

void set_invalidation(const InvalidationView& view, const Times& times, v1::Conflict& out)
{
    out.set_operation(view.operation);
    out.set_address(view.range.first);
    out.set_length(view.range.bytes);
    out.set_pinned_bytes(view.bytes);
    set_process(view.caller, false, times, *out.mutable_caller());
    for (const JoinedPin& pin : join_pins(view.pins)) {
        v1::Pin& added = *out.add_pins();
        set_pin(pin, times, added);
        added.clear_stack();
    }
    out.set_verdict(std::string(to_string(view.verdict)));
    out.set_policy(valid_utf8(view.policy));
    out.set_reason(valid_utf8(view.reason));
}

void set_conflict(const ConflictView& view, const Times& times, v1::Conflict& out)
{
    const Conflict& conflict = view.conflict;
    const OperationEvent& operation = conflict.operation;
    const FileName name{conflict.path, conflict.filesystem, conflict.deleted};
    out.set_operation(std::string(to_string(operation.operation)));
    set_file(operation.file, name, *out.mutable_file());
    if (operation.operation == PW_OPERATION_TRUNCATE) {
        out.set_old_size(operation.file_size);
        out.set_new_size(operation.offset);
    } else {
        out.set_offset(operation.offset);
        out.set_length(operation.length);
    }
    set_process(operation.caller, false, times, *out.mutable_caller());

    std::vector<PinView> pins;
    pins.reserve(conflict.pins.size());
    for (std::size_t i = 0; i < conflict.pins.size(); ++i) {
        PinView pin{.pin = conflict.pins[i], .files = {{operation.file, name}}, .stack = {}, .driver_frame = {}};
        if (i < conflict.pin_files.size()) {
            const PinnedFile& file = conflict.pin_files[i];
            pin.files = {{file.key, {file.path, file.filesystem, file.deleted}}};
        }
        pins.push_back(std::move(pin));
    }
    for (const JoinedPin& pin : join_pins(std::move(pins))) {
        set_pin(pin, times, *out.add_pins());
    }

    out.set_verdict(std::string(to_string(operation.verdict)));
    out.set_policy(valid_utf8(view.policy));
    // Not what it may yet fail with.
    const bool fails = operation.verdict == PW_VERDICT_DENY || operation.verdict == PW_VERDICT_WOULD_DENY;
    if (fails && operation.error != 0) {
        out.set_error(errno_name(operation.error));
    }
    out.set_reason(valid_utf8(view.reason));
    out.set_unresolved(operation.unresolved);
    out.set_hold(view.hold);
}

pw_scope_kind object_kind(const PinRecord& pin)
{
    if (pin.scope.kind != PW_SCOPE_NONE) {
        return pin.scope.kind;
    }
    if (pin.driver == "io_uring") {
        return PW_SCOPE_IO_URING_BUFFER;
    }
    if (pin.driver == "vfio" || pin.driver == "iommufd") {
        return PW_SCOPE_VFIO_MAPPING;
    }
    return pin.driver == "xdp" ? PW_SCOPE_XDP_UMEM : PW_SCOPE_NONE;
}

std::string valid_utf8(std::string_view bytes)
{
    std::string valid;
    valid.reserve(bytes.size());
    while (!bytes.empty()) {
        const std::size_t length = utf8_sequence(bytes);
        valid += length == 0 ? std::string_view("\xef\xbf\xbd") : bytes.substr(0, length);
        bytes.remove_prefix(std::max<std::size_t>(length, 1));
    }
    return valid;
}

namespace {

v1::HookState hook_state(const HookState& hook)
{
    if (hook.attached) {
        return v1::HOOK_STATE_ATTACHED;
    }
    if (!hook.needed) {
        return v1::HOOK_STATE_NOT_NEEDED;
    }
    return hook.available ? v1::HOOK_STATE_FAILED : v1::HOOK_STATE_UNAVAILABLE;
}

}  // namespace

v1::GetStatusResponse status_to_proto(const Snapshot& snapshot)
{
    const Times times{snapshot.taken, snapshot.boot_to_unix};
    v1::GetStatusResponse out;
    out.set_version(valid_utf8(snapshot.version));
    out.set_kernel_release(valid_utf8(snapshot.kernel_release));
    out.set_pid(snapshot.daemon_pid);
    *out.mutable_start_time() = times.timestamp(snapshot.started);
    for (const HookState& hook : snapshot.hooks) {
        v1::Hook& added = *out.add_hooks();
        added.set_name(valid_utf8(hook.name));
        added.set_purpose(valid_utf8(hook.purpose));
        added.set_attached(hook.attached);
        added.set_reason(valid_utf8(hook.reason));
        added.set_missed(hook.missed);
        added.set_state(hook_state(hook));
    }
    for (const LossState& loss : snapshot.losses) {
        v1::Loss& added = *out.add_losses();
        added.set_cause(valid_utf8(loss.cause));
        added.set_count(loss.count);
        added.set_affects_ledger(loss.affects_ledger);
    }
    out.set_ledger_certain(snapshot.ledger_certain);
    out.set_pins(snapshot.pin_count);
    out.set_pinned_bytes(snapshot.pinned_bytes);
    out.set_notifiers(snapshot.notifiers);
    out.set_on_demand_ranges(snapshot.on_demand_ranges);
    out.set_on_demand_bytes(snapshot.on_demand_bytes);
    out.set_holds(snapshot.holds);
    out.set_policy_generation(snapshot.policy_generation);
    for (const std::string& notice : snapshot.notices) {
        out.add_notices(valid_utf8(notice));
    }
    return out;
}

v1::ListFailuresResponse failures_to_proto(const FailureList& list, const v1::ListFailuresRequest& request)
{
    const Times times{list.taken, list.boot_to_unix};
    v1::ListFailuresResponse out;
    out.set_total(list.total);
    for (const FailedPin& failure : list.failures) {
        v1::PinFailure& added = *out.add_failures();
        set_failure(failure, times, added);
        if (!request.include_stack()) {
            added.clear_stack();
        }
    }
    return out;
}

v1::ListNotifiersResponse notifiers_to_proto(const NotifiersView& view)
{
    const Times times{view.taken, view.boot_to_unix};
    v1::ListNotifiersResponse out;
    for (const NotifierRecord& notifier : view.notifiers) {
        v1::Notifier& added = *out.add_notifiers();
        set_process(notifier.owner, notifier.owner_exited, times, *added.mutable_owner());
        added.set_driver(valid_utf8(notifier.driver));
        added.set_on_demand(notifier.on_demand);
        added.set_address(notifier.range.first);
        added.set_length(notifier.range.bytes);
        *added.mutable_register_time() = times.timestamp(notifier.since);
        *added.mutable_age() = times.age(notifier.since);
    }
    return out;
}

}  // namespace pinwarden
