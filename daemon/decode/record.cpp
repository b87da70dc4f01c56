#include "decode/record.h"

namespace pinwarden {
namespace {

constexpr int kErrnoLimit = 4095;  // MAX_ERRNO of the kernel

}  // namespace

std::string text(const char* begin, std::size_t capacity)
{
    return {begin, strnlen(begin, capacity)};
}

std::unexpected<Error> wrong(std::string_view kind, const std::string& what)
{
    return fail(std::string(kind) + " record: " + what);
}

std::unexpected<Error> out_of_range(std::string_view kind, std::string_view field, std::uint64_t value)
{
    return wrong(kind, std::string(field) + " " + std::to_string(value) + " is out of range");
}

Result<void> check_fixed(std::string_view kind, Record record, std::uint32_t claimed, std::size_t expected)
{
    if (claimed != expected || record.size() != expected) {
        return wrong(kind, std::to_string(record.size()) + " bytes that claim to be " + std::to_string(claimed) +
                               ", expected " + std::to_string(expected));
    }
    return {};
}

Result<void> check_variable(std::string_view kind, Record record, std::uint32_t claimed, std::size_t expected)
{
    if (claimed != expected || record.size() < expected) {
        return check_fixed(kind, record, claimed, expected);
    }
    return {};
}

Task task(const pw_task& raw)
{
    return {{raw.pid, raw.start_time}, raw.tid, raw.uid, raw.gid, raw.cgroup, text(raw.comm, sizeof(raw.comm))};
}

FileKey file_key(const pw_file_key& raw)
{
    return {raw.inode, raw.device, raw.generation};
}

bool valid_error(std::int32_t error)
{
    return error <= 0 && error >= -kErrnoLimit;
}

}  // namespace pinwarden
