#include "recording/build_id.h"

#include <elf.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string_view>
#include <vector>

namespace pinwarden {
namespace {

// Names and descriptions in notes are padded to that.
constexpr std::size_t padded(std::size_t bytes)
{
    return (bytes + 3) / 4 * 4;
}

}  // namespace

std::string build_id_of(std::span<const std::byte> notes)
{
    constexpr std::string_view kGnu("GNU\0", 4);
    while (notes.size() >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr head{};
        std::memcpy(&head, notes.data(), sizeof(head));
        notes = notes.subspan(sizeof(head));
        const std::size_t name = padded(head.n_namesz);
        if (name > notes.size() || head.n_descsz > notes.size() - name) {
            return {};
        }
        if (head.n_type == NT_GNU_BUILD_ID && head.n_namesz == kGnu.size() &&
            std::memcmp(notes.data(), kGnu.data(), kGnu.size()) == 0) {
            constexpr std::string_view kDigits = "0123456789abcdef";
            std::string digits;
            for (const std::byte byte : notes.subspan(name, head.n_descsz)) {
                digits += kDigits[std::to_integer<std::size_t>(byte) / 16];
                digits += kDigits[std::to_integer<std::size_t>(byte) % 16];
            }
            return digits;
        }
        const std::size_t whole = name + padded(head.n_descsz);
        notes = notes.subspan(whole < notes.size() ? whole : notes.size());
    }
    return {};
}

std::string kernel_build_id()
{
    std::ifstream file("/sys/kernel/notes", std::ios::binary);
    const std::vector<char> notes{std::istreambuf_iterator<char>(file), {}};
    return build_id_of(std::as_bytes(std::span(notes)));
}

}  // namespace pinwarden
