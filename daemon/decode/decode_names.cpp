// What files and programs are called.
#include <optional>
#include <utility>

#include "decode/paths.h"
#include "decode/record.h"

namespace pinwarden {
namespace {

constexpr std::uint32_t kFileFlags = PW_FILE_PATH_CUT | PW_FILE_UNLINKED;
constexpr std::uint32_t kRenameFlags =
    PW_RENAME_DIRECTORY | PW_RENAME_EXCHANGE | PW_RENAME_LOST | PW_RENAME_UNLINKED | PW_RENAME_CUT;

// Whether a record with a path holds together; `head` is where the path begins in it.
template <typename T>
Result<void> check_path(std::string_view kind, Record record, const T& raw, std::size_t head)
{
    if (raw.path_bytes > PW_PATH_BYTES) {
        return out_of_range(kind, "path_bytes", raw.path_bytes);
    }
    if (auto checked = check_variable(kind, record, raw.header.bytes, head + raw.path_bytes); !checked) {
        return checked;
    }
    if ((raw.flags & ~kFileFlags) != 0) {
        return out_of_range(kind, "flags", raw.flags);
    }
    if (raw.path_bytes > 0 && raw.path[raw.path_bytes - 1] != '\0') {
        return wrong(kind, "a path whose last component is not closed");
    }
    return {};
}

}  // namespace

Result<Event> decode_file(Record record)
{
    const auto raw = read<pw_file>(record);
    if (auto checked = check_path("file", record, raw, offsetof(pw_file, path)); !checked) {
        return std::unexpected(checked.error());
    }
    const std::span components(raw.path, raw.path_bytes);
    FileEvent event;
    event.time = raw.header.time;
    event.file = file_key(raw.file);
    event.filesystem = text(raw.filesystem, sizeof(raw.filesystem));
    event.filesystem_magic = raw.filesystem_magic;
    if (auto name = memory_file_name(components, raw.filesystem_magic)) {
        event.path = std::move(*name);
        return event;
    }
    event.cut = (raw.flags & PW_FILE_PATH_CUT) != 0;
    event.deleted = (raw.flags & PW_FILE_UNLINKED) != 0;
    event.parts = split_parts(components);
    event.path = path_of(event.parts, event.cut);
    return event;
}

Result<Event> decode_rename(Record record)
{
    const auto raw = read<pw_rename>(record);
    if (auto checked = check_fixed("rename", record, raw.header.bytes, sizeof(raw)); !checked) {
        return std::unexpected(checked.error());
    }
    if ((raw.flags & ~kRenameFlags) != 0) {
        return out_of_range("rename", "flags", raw.flags);
    }
    for (const auto& [bytes, path] : {std::pair{raw.path_bytes, raw.path}, {raw.new_path_bytes, raw.new_path}}) {
        if (bytes > PW_PATH_BYTES) {
            return out_of_range("rename", "path_bytes", bytes);
        }
        if (bytes > 0 && path[bytes - 1] != '\0') {
            return wrong("rename", "a path whose last component is not closed");
        }
    }
    RenameEvent event;
    event.time = raw.header.time;
    event.file = file_key(raw.file);
    event.device = raw.device;
    event.directory = (raw.flags & PW_RENAME_DIRECTORY) != 0;
    event.exchange = (raw.flags & PW_RENAME_EXCHANGE) != 0;
    event.unlinked = (raw.flags & PW_RENAME_UNLINKED) != 0;
    event.path = path_from_components({raw.path, raw.path_bytes}, (raw.flags & PW_RENAME_CUT) != 0, 0);
    if ((raw.flags & PW_RENAME_LOST) == 0) {
        event.new_path = path_from_components({raw.new_path, raw.new_path_bytes}, (raw.flags & PW_RENAME_CUT) != 0, 0);
    }
    return event;
}

Result<Event> decode_owner(Record record)
{
    const auto raw = read<pw_owner>(record);
    if (auto checked = check_path("owner", record, raw, offsetof(pw_owner, path)); !checked) {
        return std::unexpected(checked.error());
    }
    const std::span components(raw.path, raw.path_bytes);
    const bool memory = memory_file_name(components, raw.filesystem_magic).has_value();
    return OwnerEvent{raw.header.time,
                      {raw.pid, raw.start_time},
                      path_from_components(components, (raw.flags & PW_FILE_PATH_CUT) != 0, raw.filesystem_magic),
                      (raw.flags & PW_FILE_UNLINKED) != 0 && !memory};
}

}  // namespace pinwarden
