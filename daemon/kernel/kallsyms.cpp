#include "kernel/kallsyms.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>

namespace pinwarden {
namespace {

std::string read_file(const char* path)
{
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

// Names and sizes of the modules; their use counts, which change all the time, left out.
std::string loaded_modules(const std::string& text)
{
    std::istringstream lines(text);
    std::string name;
    std::string size;
    std::string rest;
    std::string all;
    while (lines >> name >> size && std::getline(lines, rest)) {
        all.append(name).append(" ").append(size).append("\n");
    }
    return all;
}

}  // namespace

std::vector<KernelSymbol> parse_kallsyms(std::string_view text)
{
    std::vector<KernelSymbol> symbols;
    bool any_address = false;
    while (!text.empty()) {
        const auto end = text.find('\n');
        std::string_view line = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);

        KernelSymbol symbol;
        const auto parsed = std::from_chars(line.data(), line.data() + line.size(), symbol.address, 16);
        const auto digits = static_cast<std::size_t>(parsed.ptr - line.data());
        // "ffffffff81000000 T _stext" or "ffffffffc0000000 t func\t[module]"
        if (parsed.ec != std::errc() || line.size() < digits + 4 || line[digits] != ' ') {
            continue;
        }
        const char type = line[digits + 1];
        if (type != 't' && type != 'T' && type != 'w' && type != 'W') {
            continue;
        }
        line.remove_prefix(digits + 3);
        const auto name_end = line.find_first_of(" \t");
        symbol.name = line.substr(0, name_end);
        if (const auto open = line.find('['); open != std::string_view::npos && line.back() == ']') {
            symbol.module = line.substr(open + 1, line.size() - open - 2);
        }
        any_address = any_address || symbol.address != 0;
        symbols.push_back(std::move(symbol));
    }
    if (!any_address) {
        return {};
    }
    std::ranges::stable_sort(symbols, {}, &KernelSymbol::address);
    return symbols;
}

std::unordered_map<std::string, std::uint64_t> parse_module_ends(std::string_view text)
{
    // "rdma_rxe 135168 0 - Live 0xffffffffc04db000", then perhaps taints in brackets
    std::unordered_map<std::string, std::uint64_t> ends;
    std::istringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string name;
        std::string skipped;
        std::uint64_t size = 0;
        std::uint64_t start = 0;
        if (words >> name >> size >> skipped >> skipped >> skipped >> std::hex >> start && start != 0) {
            ends[name] = start + size;
        }
    }
    return ends;
}

Kallsyms::Table Kallsyms::read(const std::string& modules)
{
    return {.symbols = parse_kallsyms(read_file("/proc/kallsyms")),
            .module_ends = parse_module_ends(modules),
            .modules = loaded_modules(modules)};
}

void Kallsyms::reload()
{
    Table table = read(read_file("/proc/modules"));
    const std::scoped_lock lock(reloading_);
    reloaded_ = std::move(table);
}

void Kallsyms::refresh()
{
    {
        const std::scoped_lock lock(reloading_);
        if (reloaded_) {
            table_ = std::exchange(reloaded_, std::nullopt);
        }
    }
    // Reading the list for every frame of every stack would cost more than all the rest.
    constexpr std::chrono::milliseconds kCheckAgain{10};
    const auto now = std::chrono::steady_clock::now();
    if (table_ && now - checked_ < kCheckAgain) {
        return;
    }
    checked_ = now;
    const std::string modules = read_file("/proc/modules");
    if (!table_ || loaded_modules(modules) != table_->modules) {
        table_ = read(modules);
    }
}

bool Kallsyms::available()
{
    return !parse_kallsyms(read_file("/proc/kallsyms")).empty();
}

const KernelSymbol* Kallsyms::find(std::uint64_t address)
{
    refresh();
    const auto after = std::ranges::upper_bound(table_->symbols, address, {}, &KernelSymbol::address);
    if (after == table_->symbols.begin()) {
        return nullptr;
    }
    const KernelSymbol& symbol = *std::prev(after);
    // Behind a module's end begins what has no name, not its last function.
    const auto end = table_->module_ends.find(symbol.module);
    return end == table_->module_ends.end() || address < end->second ? &symbol : nullptr;
}

}  // namespace pinwarden
