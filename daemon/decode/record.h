// What the decoding of every kind of record is made of. Errors say which kind, what of it, and how it was wrong.
#pragma once

#include <pinwarden/abi.h>
#include <pinwarden/overlap.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <expected>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "decode/decoder.h"
#include "decode/event.h"

namespace pinwarden {

using Record = std::span<const std::byte>;

// A struct of the contract whose tail may be absent from the record: what is there is copied, the rest is zero.
template <typename T>
T read(Record record)
{
    T value{};
    std::memcpy(&value, record.data(), std::min(sizeof(T), record.size()));
    return value;
}

std::string text(const char* begin, std::size_t capacity);
std::unexpected<Error> wrong(std::string_view kind, const std::string& what);
std::unexpected<Error> out_of_range(std::string_view kind, std::string_view field, std::uint64_t value);
Result<void> check_fixed(std::string_view kind, Record record, std::uint32_t claimed, std::size_t expected);
// Records with an array are reserved in a few sizes: they may be longer than what is filled, never shorter.
Result<void> check_variable(std::string_view kind, Record record, std::uint32_t claimed, std::size_t expected);
Task task(const pw_task& raw);
FileKey file_key(const pw_file_key& raw);
bool valid_error(std::int32_t error);

Result<Event> decode_pin(Record record);
Result<Event> decode_user_stack(Record record);
Result<Event> decode_range(Record record);
Result<Event> decode_pages(const PageGeometry& geometry, Record record);
Result<Event> decode_release(const PageGeometry& geometry, Record record);
Result<Event> decode_release_pages(const PageGeometry& geometry, Record record);
Result<Event> decode_release_object(Record record);
Result<Event> decode_operation(Record record);
Result<Event> decode_hold_end(Record record);
Result<Event> decode_exit(Record record);
Result<Event> decode_invalidation(Record record);
Result<Event> decode_notifier(Record record);
Result<Event> decode_file(Record record);
Result<Event> decode_rename(Record record);
Result<Event> decode_owner(Record record);

}  // namespace pinwarden
