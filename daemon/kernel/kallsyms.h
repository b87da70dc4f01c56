// Kernel addresses to names, from /proc/kallsyms.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
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

// Where the code of a module ends at the latest, by its name, from a text like /proc/modules. From 6.4 on a module lies
// in several places, and what is said of its size is for all of them together.
std::unordered_map<std::string, std::uint64_t> parse_module_ends(std::string_view text);

class Kallsyms {
public:
    // The function that contains the address, or nullptr. Reads the table on first use, and again when a module has
    // come or gone since, which it looks for every ten milliseconds at most. The pointer is valid until the next call.
    const KernelSymbol* find(std::uint64_t address);
    // Reads the table now, so that whoever asks next does not wait for it. From any thread. To be called when it has
    // grown: programs and trampolines were attached, which lie among the modules.
    void reload();
    // Whether there is any name to be had; false when the kernel hides its addresses from this process.
    [[nodiscard]] static bool available();

private:
    struct Table {
        std::vector<KernelSymbol> symbols;
        std::unordered_map<std::string, std::uint64_t> module_ends;
        std::string modules;
    };

    static Table read(const std::string& modules);
    void refresh();

    std::optional<Table> table_;
    std::chrono::steady_clock::time_point checked_;
    std::mutex reloading_;
    std::optional<Table> reloaded_;  // guarded by reloading_
};

}  // namespace pinwarden
