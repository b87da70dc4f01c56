#include "cli/user_symbols.h"

#include <cxxabi.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gelf.h>
#include <libelf.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <span>
#include <sstream>

#include "base/fd.h"

namespace pinwarden::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kShownOfBuildId = 12;
// Where programs and libraries lie.
constexpr std::array kFolders = {"/usr/lib/x86_64-linux-gnu",
                                 "/usr/lib/aarch64-linux-gnu",
                                 "/usr/lib64",
                                 "/usr/lib",
                                 "/usr/local/lib",
                                 "/usr/bin",
                                 "/usr/sbin",
                                 "/usr/local/bin",
                                 "/usr/local/sbin"};

// An ELF file that is open. Not mapped: it could be cut off while it is read.
class OpenElf {
public:
    explicit OpenElf(const std::string& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY))
    {
        if (fd_.valid() && elf_version(EV_CURRENT) != EV_NONE) {
            elf_ = elf_begin(fd_.get(), ELF_C_READ, nullptr);
        }
    }
    OpenElf(const OpenElf&) = delete;
    OpenElf& operator=(const OpenElf&) = delete;
    ~OpenElf() { elf_end(elf_); }

    // nullptr: it is none.
    [[nodiscard]] Elf* get() const { return elf_ != nullptr && elf_kind(elf_) == ELF_K_ELF ? elf_ : nullptr; }

private:
    OwnedFd fd_;
    Elf* elf_ = nullptr;
};

std::vector<GElf_Phdr> program_headers(Elf* elf)
{
    std::size_t count = 0;
    std::vector<GElf_Phdr> headers;
    if (elf_getphdrnum(elf, &count) != 0) {
        return headers;
    }
    for (std::size_t i = 0; i < count; ++i) {
        GElf_Phdr header{};
        if (gelf_getphdr(elf, static_cast<int>(i), &header) != nullptr) {
            headers.push_back(header);
        }
    }
    return headers;
}

std::string hexadecimal_bytes(std::span<const unsigned char> bytes)
{
    return fmt::format("{:02x}", fmt::join(bytes, ""));
}

std::string build_id(Elf* elf)
{
    for (const GElf_Phdr& header : program_headers(elf)) {
        if (header.p_type != PT_NOTE) {
            continue;
        }
        Elf_Data* data = elf_getdata_rawchunk(elf, static_cast<std::int64_t>(header.p_offset), header.p_filesz,
                                              header.p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
        std::size_t at = 0;
        GElf_Nhdr note{};
        std::size_t name = 0;
        std::size_t description = 0;
        while (data != nullptr && (at = gelf_getnote(data, at, &note, &name, &description)) > 0) {
            const auto* bytes = static_cast<const unsigned char*>(data->d_buf);
            if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof("GNU") &&
                std::equal(bytes + name, bytes + name + sizeof("GNU"), "GNU")) {
                return hexadecimal_bytes(std::span(bytes + description, note.n_descsz));
            }
        }
    }
    return {};
}

std::string demangled(const std::string& symbol)
{
    const std::unique_ptr<char, decltype(&std::free)> name(
        abi::__cxa_demangle(symbol.c_str(), nullptr, nullptr, nullptr), &std::free);
    return name == nullptr ? symbol : name.get();
}

// Of each program and library that runs now, a way to its file.
void add_what_runs(std::deque<std::string>& places)
{
    std::set<std::pair<std::string, std::string>> seen;  // device and inode
    std::error_code error;
    for (const auto& process : fs::directory_iterator("/proc", error)) {
        const std::string pid = process.path().filename();
        if (!std::ranges::all_of(pid, [](char c) { return c >= '0' && c <= '9'; })) {
            continue;
        }
        std::ifstream maps(process.path() / "maps");
        for (std::string line; std::getline(maps, line);) {
            std::istringstream fields(line);
            std::string range;
            std::string rights;
            std::string offset;
            std::string device;
            std::string inode;
            std::string path;
            fields >> range >> rights >> offset >> device >> inode >> std::ws;
            std::getline(fields, path);
            if (rights.find('x') != std::string::npos && path.starts_with('/') && seen.emplace(device, inode).second) {
                // As the process sees it: it may be in a container.
                places.push_back((process.path() / "root").string() + path);
            }
        }
    }
}

}  // namespace

std::optional<ProgramSymbols> ProgramSymbols::read(const std::string& path)
{
    const OpenElf file(path);
    Elf* elf = file.get();
    if (elf == nullptr) {
        return std::nullopt;
    }
    ProgramSymbols symbols;
    symbols.name_ = fs::path(path).filename();
    for (const GElf_Phdr& header : program_headers(elf)) {
        if (header.p_type == PT_LOAD && (header.p_flags & PF_X) != 0) {
            symbols.segments_.push_back({header.p_offset, header.p_filesz, header.p_vaddr});
        }
    }
    for (Elf_Scn* section = elf_nextscn(elf, nullptr); section != nullptr; section = elf_nextscn(elf, section)) {
        GElf_Shdr header{};
        if (gelf_getshdr(section, &header) == nullptr || header.sh_entsize == 0 ||
            (header.sh_type != SHT_SYMTAB && header.sh_type != SHT_DYNSYM)) {
            continue;
        }
        Elf_Data* data = elf_getdata(section, nullptr);
        GElf_Sym symbol{};
        for (int i = 0; data != nullptr && gelf_getsym(data, i, &symbol) != nullptr; ++i) {
            const char* text = elf_strptr(elf, header.sh_link, symbol.st_name);
            if (GELF_ST_TYPE(symbol.st_info) == STT_FUNC && symbol.st_shndx != SHN_UNDEF && text != nullptr) {
                symbols.functions_.push_back({symbol.st_value, symbol.st_size, text});
            }
        }
    }
    std::ranges::stable_sort(symbols.functions_, {}, &Function::address);
    return symbols;
}

std::string ProgramSymbols::build_id_of(const std::string& path)
{
    const OpenElf file(path);
    return file.get() == nullptr ? std::string() : build_id(file.get());
}

std::optional<ProgramSymbols::Place> ProgramSymbols::find(std::uint64_t offset, bool returned_to) const
{
    // A call that does not return may be the last instruction of its function.
    const std::uint64_t inside = offset - (returned_to && offset > 0 ? 1 : 0);
    for (const Segment& segment : segments_) {
        if (inside < segment.offset || inside - segment.offset >= segment.bytes) {
            continue;
        }
        const std::uint64_t address = segment.address + (inside - segment.offset);
        auto after = std::ranges::upper_bound(functions_, address, {}, &Function::address);
        while (after != functions_.begin()) {
            --after;
            // One without a size is as long as the next lets it be.
            if (after->bytes == 0 || address - after->address < after->bytes) {
                return Place{demangled(after->symbol), address - after->address + (offset - inside)};
            }
            if (address - after->address > (1U << 20U)) {
                break;
            }
        }
        return std::nullopt;
    }
    return std::nullopt;
}

bool UserSymbols::find_file(const std::string& build_id)
{
    const auto look_at = [this](const std::string& path) {
        if (std::string id = ProgramSymbols::build_id_of(path); !id.empty()) {
            files_.try_emplace(std::move(id), path);
        }
    };
    if (!looked_around_) {
        looked_around_ = true;
        add_what_runs(places_);
        places_.insert(places_.end(), kFolders.begin(), kFolders.end());
    }
    while (!files_.contains(build_id) && !places_.empty()) {
        const std::string place = std::move(places_.front());
        places_.pop_front();
        std::error_code error;
        if (!fs::is_directory(place, error)) {
            look_at(place);
            continue;
        }
        for (const auto& entry : fs::directory_iterator(place, fs::directory_options::skip_permission_denied, error)) {
            // A device or a pipe could have something to say about being opened.
            if (entry.is_regular_file(error)) {
                look_at(entry.path());
            }
        }
    }
    return files_.contains(build_id);
}

const ProgramSymbols* UserSymbols::symbols_of(const std::string& build_id)
{
    const auto [found, added] = read_.try_emplace(build_id);
    if (added && find_file(build_id)) {
        found->second = ProgramSymbols::read(files_.at(build_id));
    }
    return found->second ? &*found->second : nullptr;
}

void UserSymbols::name(google::protobuf::RepeatedPtrField<v1::UserFrame>& stack)
{
    bool innermost = true;
    for (v1::UserFrame& frame : stack) {
        const ProgramSymbols* symbols = frame.build_id().empty() ? nullptr : symbols_of(frame.build_id());
        if (symbols != nullptr) {
            const auto place = symbols->find(frame.offset(), !innermost);
            frame.set_name(place ? fmt::format("{}+{:#x} [{}]", place->function, place->offset, symbols->name())
                                 : fmt::format("{:#x} [{}]", frame.offset(), symbols->name()));
        }
        innermost = false;
    }
}

void UserSymbols::name(v1::GroupPinsResponse& groups)
{
    for (v1::PinGroup& group : *groups.mutable_groups()) {
        name(*group.mutable_user_stack());
    }
}

void UserSymbols::name(v1::ListPinsResponse& pins)
{
    for (v1::Pin& pin : *pins.mutable_pins()) {
        name(*pin.mutable_user_stack());
    }
}

std::string user_frame_text(const v1::UserFrame& frame)
{
    if (!frame.name().empty()) {
        return frame.name();
    }
    return frame.build_id().empty()
               ? fmt::format("{:#x}", frame.address())
               : fmt::format("{:#x} [build id {}]", frame.offset(), frame.build_id().substr(0, kShownOfBuildId));
}

}  // namespace pinwarden::cli
