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
    std::string_view name;
    std::string_view module;  // empty for built-in code
};

// Where the code of a module ends at the latest, by its name, from a text like /proc/modules. From 6.4 on a module lies
// in several places, and what is said of its size is for all of them together.
std::unordered_map<std::string, std::uint64_t> parse_module_ends(std::string_view text);

// Functions by address. A kernel has some hundred thousand: their names stand in one text.
class SymbolTable {
public:
    // One line of a text like /proc/kallsyms; what is no function is left out.
    void add_line(std::string_view line);
    // After the last line. Without any address, when they are hidden (all zero), nothing stays.
    void finish(const std::unordered_map<std::string, std::uint64_t>& module_ends);

    // The function that contains the address.
    [[nodiscard]] std::optional<KernelSymbol> find(std::uint64_t address) const;
    [[nodiscard]] bool empty() const { return entries_.empty(); }
    [[nodiscard]] bool any_address() const { return any_address_; }

private:
    struct Module {
        std::string name;
        std::uint64_t end = 0;  // 0: not known
    };
    struct Entry {
        std::uint64_t address = 0;
        std::uint32_t name = 0;  // where it begins in names_
        std::uint16_t length = 0;
        std::uint16_t module = 0;
    };

    std::uint16_t module_number(std::string_view name);

    std::string names_;
    std::vector<Module> modules_ = std::vector<Module>(1);  // the first: none
    std::vector<Entry> entries_;
    bool any_address_ = false;
};

class Kallsyms {
public:
    // The function that contains the address. Reads the table on first use, and again when a module has come or gone
    // since, which it looks for every ten milliseconds at most. What is returned is valid until the next call.
    std::optional<KernelSymbol> find(std::uint64_t address);
    // Which table that is taken from by now: another number after each time it was read.
    std::uint64_t edition();
    // Reads the table now, so that whoever asks next does not wait for it. From any thread. To be called when it has
    // grown: programs and trampolines were attached, which lie among the modules.
    void reload();
    // Whether there is any name to be had; false when the kernel hides its addresses from this process.
    [[nodiscard]] static bool available();

private:
    struct Table {
        SymbolTable symbols;
        std::string modules;
    };

    static Table read(const std::string& modules);
    void refresh();

    std::optional<Table> table_;
    std::uint64_t edition_ = 0;
    std::chrono::steady_clock::time_point checked_;
    std::mutex reloading_;
    std::optional<Table> reloaded_;  // guarded by reloading_
};

}  // namespace pinwarden
