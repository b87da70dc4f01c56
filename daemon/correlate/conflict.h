// Ledger × file operation → conflict.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "decode/event.h"
#include "ledger/ledger.h"

namespace pinwarden {

// "truncate", "punch_hole" …
std::string_view to_string(pw_operation_kind operation);
// "allow", "deny", "would_deny" …
std::string_view to_string(pw_verdict verdict);
std::string_view to_string(pw_hold_outcome outcome);

struct PinnedFile {
    FileKey key;
    std::string path;
    std::string filesystem;
    bool deleted = false;
};

// A file operation that met live pins. Plain data: pins are copied as they were.
struct Conflict {
    OperationEvent operation;
    // Of the file, as the ledger knows it; empty when it does not. Of umount: where the file system is mounted.
    std::string path;
    std::string filesystem;
    bool deleted = false;
    std::uint64_t first_page = 0;  // pages the operation takes away
    std::uint64_t end_page = 0;
    std::vector<PinRecord> pins;  // those hit, oldest first; empty when the kernel saw pins the ledger does not have
    // Of umount: a file of that file system that each of these pins is on.
    std::vector<PinnedFile> pin_files;
};

// The conflict the kernel reported, with the pins that are in its way. A report whose range meets no pin of a certain,
// complete ledger still is a conflict: the kernel looked at the pages themselves; its pins are then empty.
Conflict correlate(const Ledger& ledger, const OperationEvent& operation);

}  // namespace pinwarden
