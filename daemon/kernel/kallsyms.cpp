#include "kernel/kallsyms.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>

namespace pinwarden {
namespace {

// The kernel's own bound is half of it.
constexpr std::size_t kLongestName = 1024;

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

std::uint16_t SymbolTable::module_number(std::string_view name)
{
    // They come one module after the other.
    if (modules_.back().name == name) {
        return static_cast<std::uint16_t>(modules_.size() - 1);
    }
    const auto known = std::ranges::find(modules_, name, &Module::name);
    const auto number = static_cast<std::uint16_t>(known - modules_.begin());
    if (known == modules_.end()) {
        modules_.push_back({std::string(name)});
    }
    return number;
}

// "ffffffff81000000 T _stext" or "ffffffffc0000000 t func\t[module]"
void SymbolTable::add_line(std::string_view line)
{
    Entry entry;
    const auto parsed = std::from_chars(line.data(), line.data() + line.size(), entry.address, 16);
    const auto digits = static_cast<std::size_t>(parsed.ptr - line.data());
    if (parsed.ec != std::errc() || line.size() < digits + 4 || line[digits] != ' ') {
        return;
    }
    const char type = line[digits + 1];
    if (type != 't' && type != 'T' && type != 'w' && type != 'W') {
        return;
    }
    line.remove_prefix(digits + 3);
    const std::string_view name = line.substr(0, std::min(line.find_first_of(" \t"), kLongestName));
    if (name.empty()) {
        return;
    }
    if (const auto open = line.find('['); open != std::string_view::npos && line.back() == ']') {
        entry.module = module_number(line.substr(open + 1, line.size() - open - 2));
    }
    any_address_ = any_address_ || entry.address != 0;
    entry.name = static_cast<std::uint32_t>(names_.size());
    entry.length = static_cast<std::uint16_t>(name.size());
    names_ += name;
    entries_.push_back(entry);
}

void SymbolTable::finish(const std::unordered_map<std::string, std::uint64_t>& module_ends)
{
    if (!any_address_) {
        entries_.clear();
        names_.clear();
    }
    for (Module& module : modules_) {
        const auto end = module_ends.find(module.name);
        module.end = end == module_ends.end() ? 0 : end->second;
    }
    std::ranges::stable_sort(entries_, {}, &Entry::address);
    entries_.shrink_to_fit();
    names_.shrink_to_fit();
}

std::optional<KernelSymbol> SymbolTable::find(std::uint64_t address) const
{
    const auto after = std::ranges::upper_bound(entries_, address, {}, &Entry::address);
    if (after == entries_.begin()) {
        return std::nullopt;
    }
    const Entry& entry = *std::prev(after);
    const Module& module = modules_[entry.module];
    // Behind a module's end begins what has no name, not its last function.
    if (module.end != 0 && address >= module.end) {
        return std::nullopt;
    }
    return KernelSymbol{entry.address, std::string_view(names_).substr(entry.name, entry.length), module.name};
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
    Table table{.symbols = {}, .modules = loaded_modules(modules)};
    std::ifstream file("/proc/kallsyms");
    for (std::string line; std::getline(file, line);) {
        table.symbols.add_line(line);
    }
    table.symbols.finish(parse_module_ends(modules));
    return table;
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
            ++edition_;
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
        ++edition_;
    }
}

bool Kallsyms::available()
{
    SymbolTable symbols;
    std::ifstream file("/proc/kallsyms");
    for (std::string line; !symbols.any_address() && std::getline(file, line);) {
        symbols.add_line(line);
    }
    return symbols.any_address();
}

std::uint64_t Kallsyms::edition()
{
    refresh();
    return edition_;
}

std::optional<KernelSymbol> Kallsyms::find(std::uint64_t address)
{
    refresh();
    return table_->symbols.find(address);
}

}  // namespace pinwarden
