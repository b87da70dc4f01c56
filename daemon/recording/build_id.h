// Which build a kernel is, by its own mark.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace pinwarden {

// The GNU build id in a text of ELF notes, as hexadecimal digits; empty when there is none.
std::string build_id_of(std::span<const std::byte> notes);

// Of the running kernel, from /sys/kernel/notes; empty when it shows none.
std::string kernel_build_id();

}  // namespace pinwarden
