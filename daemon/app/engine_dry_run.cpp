// What the engine answers when it is asked what would happen.
#include <pinwarden/overlap.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <string>
#include <utility>

#include "act/in_the_way.h"
#include "app/engine.h"
#include "policy/suggest.h"

namespace pinwarden {
namespace {

// XFS takes the block in front of what it moves as well.
std::uint64_t bytes_before(const RequestedOperation& operation, const FoundFile& file)
{
    const bool moves =
        operation.operation == PW_OPERATION_COLLAPSE_RANGE || operation.operation == PW_OPERATION_INSERT_RANGE;
    return moves && file.filesystem == "xfs" ? std::min<std::uint64_t>(operation.offset, file.block_bytes) : 0;
}

// A file's generation is known only of those that were pinned; of several with the same inode the pinned one is there.
FileKey key_of(const Ledger& ledger, std::uint64_t inode, std::uint32_t device)
{
    FileKey best{.inode = inode, .device = device, .generation = 0};
    bool known = false;
    for (const FileKey& key : ledger.files()) {
        if (key.inode != inode || key.device != device) {
            continue;
        }
        const FileRecord* record = ledger.find_file(key);
        if (!known || (record != nullptr && !record->pins.empty())) {
            best = key;
            known = true;
        }
    }
    return best;
}

Result<void> check_kind(const RequestedOperation& operation, const FoundFile& file)
{
    if (operation.operation == PW_OPERATION_UMOUNT) {
        return file.path == file.mountpoint
                   ? Result<void>()
                   : std::unexpected(Error{"file: nothing is mounted at " + file.path +
                                               "; it is on what is mounted at " + file.mountpoint + ", give that",
                                           EINVAL, "path"});
    }
    return file.regular
               ? Result<void>()
               : std::unexpected(Error{"file: " + file.path + " is no regular file, so " +
                                           std::string(to_string(operation.operation)) + " takes no pages from it",
                                       EINVAL, "path"});
}

Result<void> describe_by_path(const DryRunQuestion& question, const Ledger& ledger, DryRunCase& what)
{
    const FoundFile& file = *question.found;
    if (auto right = check_kind(question.operation, file); !right) {
        return right;
    }
    what.path = file.path;
    what.filesystem = file.filesystem;
    what.directories = file.directories;
    what.operation.file = question.operation.operation == PW_OPERATION_UMOUNT
                              ? FileKey{.inode = 0, .device = file.device, .generation = 0}
                              : key_of(ledger, file.inode, file.device);
    what.operation.file_size = file.size;
    what.operation.before = bytes_before(question.operation, file);
    return {};
}

// Its size is not known: at least what is pinned is there.
Result<void> describe_by_inode(const DryRunQuestion& question, const Ledger& ledger, DryRunCase& what)
{
    const FileKey key = key_of(ledger, question.inode, question.device);
    const FileRecord* record = ledger.find_file(key);
    if (record == nullptr) {
        return fail("inode: no pins are known on inode " + std::to_string(question.inode) + " of device " +
                        std::to_string(key.device_major()) + ":" + std::to_string(key.device_minor()) +
                        "; `pinctl pins` shows which files have some",
                    ENOENT);
    }
    what.path = record->path;
    what.filesystem = record->filesystem;
    what.operation.file = key;
    what.operation.file_size = ledger.file_state(key).end_page << PW_PAGE_SHIFT;
    return {};
}

}  // namespace

Result<PolicySet> Engine::policies_to_test(const DryRunQuestion& question) const
{
    PolicySet policies = enforcer_.policies();
    if (auto applied = policies.apply(question.policies); !applied) {
        return std::unexpected(applied.error());
    }
    return policies;
}

// Nobody is known who would call.
void Engine::preview_signals(const Conflict& conflict, const Policy& policy, DryRunView& view)
{
    if (policy.signal->target == SignalTarget::kCaller) {
        view.run.note += std::string(view.run.note.empty() ? "" : "; ") + "the caller would be sent " +
                         join(format_signal_steps(policy.signal->signals));
        return;
    }
    const OperationEvent& operation = conflict.operation;
    auto order = signal_order(policy, operation.generation,
                              {.operation = std::string(to_string(operation.operation)),
                               .file = conflict.path,
                               .first_page = conflict.first_page,
                               .end_page = conflict.end_page,
                               .caller = operation.caller},
                              pins_in_the_way(policy, ledger_, operation, view.taken));
    view.signals = preview(std::move(order), std::numeric_limits<Nanoseconds>::max(),
                           [this](const Act& act) { return revoker_.look_at(act); });
}

Result<DryRunView> Engine::test(const DryRunQuestion& question)
{
    // So that it is the kernel's state as well.
    flush();
    DryRunCase what;
    if (auto described =
            question.found ? describe_by_path(question, ledger_, what) : describe_by_inode(question, ledger_, what);
        !described) {
        return std::unexpected(described.error());
    }
    const Nanoseconds now = around_.clock.now();
    OperationEvent& operation = what.operation;
    operation.time = now;
    operation.operation = question.operation.operation;
    operation.offset = question.operation.offset;
    operation.length = question.operation.length;
    operation.generation = enforcer_.generation();
    operation.caller.uid = question.caller_uid.value_or(0);
    operation.caller.comm = question.caller_comm;
    const auto policies = policies_to_test(question);
    if (!policies) {
        return std::unexpected(policies.error());
    }
    const auto compiled = policies->compile(around_.paths);
    if (!compiled) {
        return std::unexpected(compiled.error());
    }
    DryRunView view{.run = dry_run(*policies, *compiled, ledger_, what, now),
                    .tested = {},
                    .ledger_certain = ledger_.certain(),
                    .taken = now,
                    .boot_to_unix = around_.clock.boot_to_unix()};
    for (const Policy& policy : question.policies) {
        view.tested.push_back(policy.name);
    }
    Conflict& conflict = view.run.conflict;
    for (PinRecord& pin : conflict.pins) {
        pin.stack.clear();
        pin.mm = 0;
    }
    if (conflict.operation.policy < 0) {
        return view;
    }
    view.deciding = policies->policies().at(static_cast<std::size_t>(conflict.operation.policy));
    if (view.deciding->signal && !conflict.operation.unresolved) {
        preview_signals(conflict, *view.deciding, view);
    } else if (!conflict.operation.unresolved) {
        auto order = revocation_order(conflict.operation, *view.deciding, ledger_, [&] { return conflict.path; }, now);
        if (order) {
            view.signals = preview(std::move(*order), view.deciding->hold->timeout,
                                   [this](const Act& act) { return revoker_.look_at(act); });
        }
    }
    return view;
}

}  // namespace pinwarden
