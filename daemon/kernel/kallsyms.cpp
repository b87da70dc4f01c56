#include "kernel/kallsyms.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>

namespace pinwarden {
namespace {

std::string read_file(const char* path)
{
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

// Names and sizes of the modules; their use counts, which change all the time, left out.
std::string loaded_modules()
{
    std::ifstream file("/proc/modules");
    std::string name;
    std::string size;
    std::string rest;
    std::string all;
    while (file >> name >> size && std::getline(file, rest)) {
        all += name + ' ' + size + '\n';
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

void Kallsyms::refresh()
{
    std::string modules = loaded_modules();
    if (loaded_ && modules == modules_) {
        return;
    }
    symbols_ = parse_kallsyms(read_file("/proc/kallsyms"));
    modules_ = std::move(modules);
    loaded_ = true;
}

bool Kallsyms::available()
{
    refresh();
    return !symbols_.empty();
}

const KernelSymbol* Kallsyms::find(std::uint64_t address)
{
    refresh();
    const auto after = std::ranges::upper_bound(symbols_, address, {}, &KernelSymbol::address);
    return after == symbols_.begin() ? nullptr : &*std::prev(after);
}

}  // namespace pinwarden
