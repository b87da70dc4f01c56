#include "recording/scrubber.h"

#include <pinwarden/abi.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

namespace pinwarden {
namespace {

// One field of a record, changed in place. The record may be shorter than its struct: what is not there stays away.
template <typename Change>
void change(std::span<std::byte> record, std::size_t offset, Change new_value)
{
    std::uint64_t value = 0;
    if (offset + sizeof(value) > record.size()) {
        return;
    }
    std::memcpy(&value, record.data() + offset, sizeof(value));
    value = new_value(value);
    std::memcpy(record.data() + offset, &value, sizeof(value));
}

std::uint32_t number_at(std::span<const std::byte> record, std::size_t offset)
{
    std::uint32_t value = 0;
    if (offset + sizeof(value) <= record.size()) {
        std::memcpy(&value, record.data() + offset, sizeof(value));
    }
    return value;
}

// How many entries of a list there are: no more than fit the record, whatever it says.
std::size_t entries(std::span<const std::byte> record, std::uint32_t claimed, std::size_t list)
{
    const std::size_t room = record.size() > list ? (record.size() - list) / sizeof(std::uint64_t) : 0;
    return std::min<std::size_t>(claimed, room);
}

// Where the kind of record has its lists, and what is behind the last entry.
std::size_t used_bytes(std::span<const std::byte> record, std::uint32_t kind)
{
    switch (kind) {
        case PW_KIND_PAGES: {
            const std::size_t list = offsetof(pw_pages, page);
            return list + 8 * entries(record, number_at(record, offsetof(pw_pages, count)), list);
        }
        case PW_KIND_RELEASE_PAGES: {
            const std::size_t list = offsetof(pw_release_pages, page);
            return list + 8 * entries(record, number_at(record, offsetof(pw_release_pages, count)), list);
        }
        case PW_KIND_FILE:
            return offsetof(pw_file, path) +
                   std::min<std::size_t>(number_at(record, offsetof(pw_file, path_bytes)), PW_PATH_BYTES);
        case PW_KIND_OWNER:
            return offsetof(pw_owner, path) +
                   std::min<std::size_t>(number_at(record, offsetof(pw_owner, path_bytes)), PW_PATH_BYTES);
        default: return record.size();
    }
}

}  // namespace

std::uint64_t RecordScrubber::page(std::uint64_t address) const
{
    return address - geometry_.vmemmap_base;
}

std::uint64_t RecordScrubber::space(std::uint64_t address)
{
    return address == 0 ? 0 : spaces_.try_emplace(address, spaces_.size() + 1).first->second;
}

std::uint64_t RecordScrubber::code(std::uint64_t address)
{
    if (address == 0) {
        return 0;
    }
    const auto [known, added] = code_.try_emplace(address, code_.size() + 1);
    if (added) {
        new_code_(known->second, address);
    }
    return known->second;
}

void RecordScrubber::cgroup(std::uint64_t id)
{
    if (id != 0 && cgroups_.try_emplace(id, true).second) {
        new_cgroup_(id);
    }
}

Result<void> RecordScrubber::append(std::span<const std::byte> record, std::vector<std::byte>& out)
{
    if (record.size() < sizeof(pw_header)) {
        return fail("a record of " + std::to_string(record.size()) + " bytes is too short to have a head", EINVAL);
    }
    const std::uint32_t kind = number_at(record, offsetof(pw_header, kind));
    const std::size_t begin = out.size();
    const std::size_t used = std::clamp(used_bytes(record, kind), sizeof(pw_header), record.size());
    out.insert(out.end(), record.begin(), record.begin() + static_cast<std::ptrdiff_t>(used));
    // What follows in the buffer is found by this.
    const auto bytes = static_cast<std::uint32_t>(used);
    std::memcpy(out.data() + begin + offsetof(pw_header, bytes), &bytes, sizeof(bytes));

    const std::span<std::byte> copy(out.data() + begin, used);
    const auto of_page = [this](std::uint64_t address) { return page(address); };
    const auto of_space = [this](std::uint64_t address) { return space(address); };
    const auto of_code = [this](std::uint64_t address) { return code(address); };
    const auto of_task = [&](std::size_t task) {
        change(copy, task + offsetof(pw_task, cgroup), [this](std::uint64_t id) {
            cgroup(id);
            return id;
        });
    };
    const auto list = [&](std::size_t offset, std::uint32_t count, const auto& meaning) {
        for (std::size_t i = 0; i < entries(copy, count, offset); ++i) {
            change(copy, offset + i * sizeof(std::uint64_t), meaning);
        }
    };
    switch (kind) {
        case PW_KIND_PIN: {
            change(copy, offsetof(pw_pin, mm), of_space);
            const std::uint32_t depth = number_at(copy, offsetof(pw_pin, stack_depth));
            list(offsetof(pw_pin, stack), depth, of_code);
            // Entries beyond the depth are whatever was there before.
            for (std::size_t i = depth; i < PW_STACK_FRAMES; ++i) {
                change(copy, offsetof(pw_pin, stack) + i * sizeof(std::uint64_t),
                       [](std::uint64_t) { return std::uint64_t{0}; });
            }
            of_task(offsetof(pw_pin, owner));
            break;
        }
        case PW_KIND_PAGES: list(offsetof(pw_pages, page), number_at(copy, offsetof(pw_pages, count)), of_page); break;
        case PW_KIND_RELEASE:
            change(copy, offsetof(pw_release, mm), of_space);
            change(copy, offsetof(pw_release, page), of_page);
            break;
        case PW_KIND_RELEASE_PAGES:
            change(copy, offsetof(pw_release_pages, mm), of_space);
            list(offsetof(pw_release_pages, page), number_at(copy, offsetof(pw_release_pages, count)), of_page);
            break;
        case PW_KIND_RELEASE_OBJECT: change(copy, offsetof(pw_release_object, mm), of_space); break;
        case PW_KIND_OPERATION: of_task(offsetof(pw_operation, caller)); break;
        case PW_KIND_INVALIDATION: of_task(offsetof(pw_invalidation, caller)); break;
        case PW_KIND_NOTIFIER:
            change(copy, offsetof(pw_notifier, notifier), of_space);
            change(copy, offsetof(pw_notifier, callback), of_code);
            change(copy, offsetof(pw_notifier, mm), of_space);
            of_task(offsetof(pw_notifier, owner));
            break;
        case PW_KIND_RANGE:
        case PW_KIND_FILE:
        case PW_KIND_EXIT:
        case PW_KIND_OWNER:
        case PW_KIND_RENAME:
        case PW_KIND_USER_STACK:
        case PW_KIND_HOLD_END: break;
        default:
            out.resize(begin);
            return fail("a record of kind " + std::to_string(kind) + ", which is not known, cannot be recorded",
                        EINVAL);
    }
    return {};
}

}  // namespace pinwarden
