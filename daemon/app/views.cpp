#include "app/views.h"

#include "policy/decide.h"

namespace pinwarden {

std::vector<Frame> name_stack(std::span<const std::uint64_t> stack, StackNamer& names)
{
    std::vector<Frame> frames;
    frames.reserve(stack.size());
    for (const std::uint64_t address : stack) {
        frames.push_back(names.name(address));
    }
    return frames;
}

namespace {

std::vector<std::string> stack_text(std::span<const Frame> frames)
{
    std::vector<std::string> text;
    bool ours = true;
    const Frame* called = nullptr;  // through a trampoline
    const Frame* last = nullptr;
    for (const Frame& frame : frames) {
        // A stack taken by a program begins with the program: that is how it was seen, not how it happened.
        ours = ours && (frame.module == "bpf" || frame.symbol.starts_with("bpf_"));
        if (ours) {
            continue;
        }
        // A function that is listened to calls a trampoline, which has another number each time and calls the function.
        // In an old stack that memory may be a program's by now.
        if (frame.symbol.starts_with("bpf_trampoline_") || frame.module == "bpf") {
            called = last;
            continue;
        }
        const bool again = called != nullptr && called->symbol == frame.symbol && called->module == frame.module;
        called = nullptr;
        last = &frame;
        if (!again) {
            text.push_back(to_string(frame));
        }
    }
    return text;
}

}  // namespace

PinView view_pin(PinRecord pin, const Ledger& ledger, StackNamer& names)
{
    PinView view;
    const std::vector<Frame> frames = name_stack(pin.stack, names);
    view.stack = stack_text(frames);
    if (const auto frame = driver_frame(frames)) {
        view.driver_frame = to_string(frames[*frame]);
    }
    for (const PinnedFileRange& range : pin.ranges) {
        if (const FileRecord* file = ledger.find_file(range.file); file != nullptr) {
            view.files[range.file] = {file->path, file->filesystem, file->deleted};
        }
    }
    pin.stack.clear();
    pin.mm = 0;
    view.pin = std::move(pin);
    return view;
}

FailedPin view_failure(const PinEvent& event, StackNamer& names)
{
    const std::vector<Frame> frames = name_stack(event.stack, names);
    return {.time = event.time,
            .owner = event.owner,
            .driver = classify_driver(frames),
            .function = event.function,
            .address = event.address,
            .pages = event.requested_pages,
            .writable = event.writable,
            .error = event.error,
            .stack = stack_text(frames)};
}

ConflictView view_conflict(Conflict conflict, const Policy* policy)
{
    ConflictView view;
    view.policy = policy == nullptr ? std::string() : policy->name;
    view.reason = explain(conflict.operation, policy, conflict.pins.size());
    for (PinRecord& pin : conflict.pins) {
        pin.stack.clear();
        pin.mm = 0;
    }
    view.hold = conflict.operation.hold;
    view.conflict = std::move(conflict);
    return view;
}

InvalidationView view_invalidation(const InvalidationConflict& conflict, const Policy* policy, pw_verdict verdict,
                                   const Ledger& ledger, StackNamer& names)
{
    InvalidationView view;
    view.operation = to_string(conflict.event.operation);
    view.caller = conflict.event.caller;
    view.range = conflict.range;
    view.bytes = conflict.bytes;
    view.verdict = verdict;
    view.policy = policy == nullptr ? std::string() : policy->name;
    view.reason = policy == nullptr ? explain(conflict) : explain(conflict, *policy, verdict);
    for (const PinRecord& pin : conflict.pins) {
        view.pins.push_back(view_pin(pin, ledger, names));
    }
    return view;
}

PastConflict past_conflict(const Conflict& conflict, const Policy* policy)
{
    PastConflict past{.time = conflict.operation.time};
    remember_owners(conflict.pins, past);
    past.what = ConflictView{.conflict = {.operation = conflict.operation,
                                          .path = conflict.path,
                                          .filesystem = conflict.filesystem,
                                          .deleted = conflict.deleted,
                                          .first_page = conflict.first_page,
                                          .end_page = conflict.end_page,
                                          .pins = {},
                                          .pin_files = {}},
                             .policy = policy == nullptr ? std::string() : policy->name,
                             .reason = explain(conflict.operation, policy, conflict.pins.size()),
                             .hold = conflict.operation.hold};
    return past;
}

PastConflict past_invalidation(const InvalidationConflict& conflict, const Policy* policy, pw_verdict verdict)
{
    PastConflict past{.time = conflict.event.time};
    remember_owners(conflict.pins, past);
    past.bytes = conflict.bytes;
    past.what = InvalidationView{.operation = std::string(to_string(conflict.event.operation)),
                                 .caller = conflict.event.caller,
                                 .range = conflict.range,
                                 .bytes = conflict.bytes,
                                 .pins = {},
                                 .verdict = verdict,
                                 .policy = policy == nullptr ? std::string() : policy->name,
                                 .reason = policy == nullptr ? explain(conflict) : explain(conflict, *policy, verdict)};
    return past;
}

}  // namespace pinwarden
