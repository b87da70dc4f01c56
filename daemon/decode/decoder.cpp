#include "decode/decoder.h"

#include "decode/record.h"

namespace pinwarden {

Result<Event> Decoder::decode(std::span<const std::byte> record) const
{
    if (record.size() < sizeof(pw_header)) {
        return wrong("short", std::to_string(record.size()) + " bytes hold no header");
    }
    const auto header = read<pw_header>(record);
    switch (header.kind) {
        case PW_KIND_PIN: return decode_pin(record);
        case PW_KIND_USER_STACK: return decode_user_stack(record);
        case PW_KIND_RANGE: return decode_range(record);
        case PW_KIND_PAGES: return decode_pages(geometry_, record);
        case PW_KIND_RELEASE: return decode_release(geometry_, record);
        case PW_KIND_RELEASE_PAGES: return decode_release_pages(geometry_, record);
        case PW_KIND_RELEASE_OBJECT: return decode_release_object(record);
        case PW_KIND_FILE: return decode_file(record);
        case PW_KIND_OPERATION: return decode_operation(record);
        case PW_KIND_EXIT: return decode_exit(record);
        case PW_KIND_OWNER: return decode_owner(record);
        case PW_KIND_RENAME: return decode_rename(record);
        case PW_KIND_INVALIDATION: return decode_invalidation(record);
        case PW_KIND_NOTIFIER: return decode_notifier(record);
        case PW_KIND_HOLD_END: return decode_hold_end(record);
        default: return out_of_range("unknown", "kind", header.kind);
    }
}

}  // namespace pinwarden
