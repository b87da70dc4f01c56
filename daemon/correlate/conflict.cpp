#include "correlate/conflict.h"

#include <pinwarden/overlap.h>

#include <map>
#include <utility>

namespace pinwarden {

std::string_view to_string(pw_operation_kind operation)
{
    switch (operation) {
        case PW_OPERATION_TRUNCATE: return "truncate";
        case PW_OPERATION_PUNCH_HOLE: return "punch_hole";
        case PW_OPERATION_COLLAPSE_RANGE: return "collapse_range";
        case PW_OPERATION_ZERO_RANGE: return "zero_range";
        case PW_OPERATION_INSERT_RANGE: return "insert_range";
        case PW_OPERATION_MADV_REMOVE: return "madv_remove";
        case PW_OPERATION_UMOUNT: return "umount";
        case PW_OPERATION_KINDS: break;
    }
    return "unknown";
}

std::string_view to_string(pw_verdict verdict)
{
    switch (verdict) {
        case PW_VERDICT_ALLOW: return "allow";
        case PW_VERDICT_DENY: return "deny";
        case PW_VERDICT_WOULD_DENY: return "would_deny";
        case PW_VERDICT_HOLD: return "hold";
        case PW_VERDICT_WOULD_HOLD: return "would_hold";
        case PW_VERDICT_SIGNAL: return "signal";
        case PW_VERDICT_WOULD_SIGNAL: return "would_signal";
        case PW_VERDICT_NOTIFY: return "notify";
        case PW_VERDICT_WOULD_NOTIFY: return "would_notify";
        case PW_VERDICTS: break;
    }
    return "unknown";
}

std::string_view to_string(pw_hold_outcome outcome)
{
    switch (outcome) {
        case PW_HOLD_PINS_GONE: return "pins_gone";
        case PW_HOLD_ALLOWED: return "allowed";
        case PW_HOLD_DENIED: return "denied";
        case PW_HOLD_TIMED_OUT_ALLOW: return "timed_out_allow";
        case PW_HOLD_TIMED_OUT_DENY: return "timed_out_deny";
        case PW_HOLD_DECIDED: return "decided";
        case PW_HOLD_ABANDONED: return "abandoned";
        case PW_HOLD_LET_GO_ALLOW: return "let_go_allow";
        case PW_HOLD_LET_GO_DENY: return "let_go_deny";
        case PW_HOLD_OUTCOMES: break;
    }
    return "unknown";
}

namespace {

// Every pin of every file of the file system.
void add_all_on_device(const Ledger& ledger, Conflict& conflict)
{
    std::map<std::pair<Nanoseconds, PinId>, const FileRecord*> oldest_first;
    for (const FileRecord* file : ledger.pinned_files_on(conflict.operation.file.device)) {
        for (const PinId id : file->pins) {
            oldest_first.try_emplace({ledger.find(id)->acquired, id}, file);
        }
    }
    for (const auto& [order, file] : oldest_first) {
        if (conflict.filesystem.empty()) {
            conflict.filesystem = file->filesystem;
        }
        conflict.pins.push_back(*ledger.find(order.second));
        conflict.pin_files.push_back({file->key, file->path, file->filesystem, file->deleted});
    }
}

}  // namespace

Conflict correlate(const Ledger& ledger, const OperationEvent& operation)
{
    Conflict conflict;
    conflict.operation = operation;
    if (operation.operation == PW_OPERATION_UMOUNT) {
        add_all_on_device(ledger, conflict);
        return conflict;
    }
    const pw_page_range pages =
        pw_operation_pages(operation.operation, operation.file_size, operation.offset - operation.before,
                           operation.length + operation.before);
    conflict.first_page = pages.first;
    conflict.end_page = pages.end;
    if (const FileRecord* file = ledger.find_file(operation.file)) {
        conflict.path = file->path;
        conflict.filesystem = file->filesystem;
        conflict.deleted = file->deleted;
    }
    for (const PinRecord* pin : ledger.pins_on(operation.file, pages.first, pages.end)) {
        conflict.pins.push_back(*pin);
    }
    return conflict;
}

}  // namespace pinwarden
