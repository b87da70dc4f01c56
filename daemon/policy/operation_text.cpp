#include "policy/operation_text.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <string>
#include <vector>

#include "correlate/conflict.h"
#include "policy/suggest.h"
#include "policy/units.h"

namespace pinwarden {
namespace {

constexpr std::array kOperations{PW_OPERATION_TRUNCATE,       PW_OPERATION_PUNCH_HOLE,   PW_OPERATION_ZERO_RANGE,
                                 PW_OPERATION_COLLAPSE_RANGE, PW_OPERATION_INSERT_RANGE, PW_OPERATION_MADV_REMOVE,
                                 PW_OPERATION_UMOUNT};
constexpr std::array<std::string_view, 5> kCannotBeStopped{"munmap", "mmap_fixed", "mremap", "madv_dontneed",
                                                           "madv_guard"};
// A file's offsets are signed in the kernel.
constexpr auto kGreatest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

// How it is written.
std::string form_of(pw_operation_kind operation)
{
    std::string name(to_string(operation));
    switch (operation) {
        case PW_OPERATION_TRUNCATE: return name + ":SIZE, such as truncate:0";
        case PW_OPERATION_UMOUNT: return name;
        default: return name + ":OFFSET+LENGTH, such as " + name + ":64KiB+4096";
    }
}

std::unexpected<Error> unknown(std::string_view name)
{
    if (std::ranges::find(kCannotBeStopped, name) != kCannotBeStopped.end()) {
        return fail_at("operation",
                       "nothing can stop " + std::string(name) +
                           "; this tells only of operations that the kernel can be asked about",
                       EINVAL);
    }
    std::vector<std::string> names;
    names.reserve(kOperations.size());
    for (const pw_operation_kind operation : kOperations) {
        names.emplace_back(to_string(operation));
    }
    const std::string near = nearest(name, names);
    return fail_at(
        "operation",
        quoted(name) + " is none; " + (near.empty() ? "there are: " + join(names) : "did you mean \"" + near + "\"?"),
        EINVAL);
}

Result<std::uint64_t> parse_number(std::string_view text, pw_operation_kind operation)
{
    const auto number = parse_size(text);
    if (!number) {
        return fail_at("operation", number.error().message + "; write " + form_of(operation), EINVAL);
    }
    if (*number > kGreatest) {
        return fail_at("operation", quoted(text) + " is more than a file can have", EINVAL);
    }
    return *number;
}

Result<RequestedOperation> parse_range(std::string_view text, pw_operation_kind operation)
{
    const auto plus = text.find('+');
    if (plus == std::string_view::npos) {
        return fail_at("operation", quoted(text) + " has no length; write " + form_of(operation), EINVAL);
    }
    const auto offset = parse_number(text.substr(0, plus), operation);
    if (!offset) {
        return std::unexpected(offset.error());
    }
    const auto length = parse_number(text.substr(plus + 1), operation);
    if (!length) {
        return std::unexpected(length.error());
    }
    if (*length == 0 || *length > kGreatest - *offset) {
        return fail_at("operation", quoted(text) + " is no range of a file; write " + form_of(operation), EINVAL);
    }
    return RequestedOperation{operation, *offset, *length};
}

}  // namespace

Result<RequestedOperation> parse_operation(std::string_view text)
{
    const auto colon = text.find(':');
    const std::string_view name = text.substr(0, colon);
    const auto* const found =
        std::ranges::find(kOperations, name, [](pw_operation_kind operation) { return to_string(operation); });
    if (found == kOperations.end()) {
        return unknown(name);
    }
    const bool has_range = colon != std::string_view::npos;
    if (*found == PW_OPERATION_UMOUNT) {
        return has_range
                   ? fail_at("operation", "umount is about all of a file system; write it without a range", EINVAL)
                   : Result<RequestedOperation>({*found, 0, 0});
    }
    if (!has_range) {
        return fail_at("operation", quoted(text) + " does not say what is taken away; write " + form_of(*found),
                       EINVAL);
    }
    if (*found != PW_OPERATION_TRUNCATE) {
        return parse_range(text.substr(colon + 1), *found);
    }
    const auto size = parse_number(text.substr(colon + 1), *found);
    if (!size) {
        return std::unexpected(size.error());
    }
    return RequestedOperation{*found, *size, 0};
}

}  // namespace pinwarden
