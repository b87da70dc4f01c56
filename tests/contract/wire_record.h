// What clients of the API hang on, one line each: what is in the proto files, beside what was recorded of them.
#pragma once

#include <string>
#include <vector>

#include "contract/proto_tree.h"

namespace pinwarden::contract {

// Where the record is, below the folder of the proto files.
inline constexpr const char* kRecord = "pinwarden/v1/wire.txt";

// One line for each element, as in
//     pinwarden.v1.Pin field 7 bytes uint64
// that is: the message, its number, its name, its type, and what else a client would notice: repeated, optional, its
// oneof, a name in JSON that is not the usual one. Enum values, methods with their types and role, and reserved numbers
// and names have lines as well. Sorted by what they belong to, then by number.
std::vector<std::string> wire_lines(const ProtoTree& tree);

struct WireDifference {
    // What a client that was built from the record would trip over, a sentence each.
    std::vector<std::string> broken;
    // Lines that the record does not have, and that break nothing.
    std::vector<std::string> added;
};
WireDifference compare(const std::vector<std::string>& recorded, const std::vector<std::string>& found);

// The lines of a record: without comments, and without empty ones.
std::vector<std::string> parse_record(const std::string& text);
// The whole file.
std::string record_text(const std::vector<std::string>& lines);

}  // namespace pinwarden::contract
