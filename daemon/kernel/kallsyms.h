// Kernel addresses to names, from /proc/kallsyms.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace pinwarden {

struct KernelSymbol {
    std::uint64_t address = 0;
    std::string name;
    std::string module;  // empty for built-in code
};

// Functions in a text like /proc/kallsyms, by address. Empty when the addresses are hidden (all zero).
std::vector<KernelSymbol> parse_kallsyms(std::string_view text);

class Kallsyms {
public:
    // The function that contains the address, or nullptr. Reads the table on first use, and again when a module has
    // come or gone since. The pointer is valid until the next call.
    const KernelSymbol* find(std::uint64_t address);
    // Whether there is any name to be had; false when the kernel hides its addresses from this process.
    bool available();

private:
    void refresh();

    std::vector<KernelSymbol> symbols_;
    std::string modules_;
    bool loaded_ = false;
};

}  // namespace pinwarden
