// Names return addresses in programs, by build ids: from the programs and libraries of this machine.
//
// pinctl does it, and not the daemon, because it means reading files that anybody may have written. What a process runs
// now is looked at first, then the folders where programs and libraries lie: the process may be gone.
#pragma once

#include <pinwarden/v1/pinwarden.pb.h>

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace pinwarden::cli {

// Of one ELF file.
class ProgramSymbols {
public:
    // Nothing when it is no ELF file, or cannot be read.
    static std::optional<ProgramSymbols> read(const std::string& path);
    // In lower-case hexadecimal; empty when the file has none. Cheaper than to read all of it.
    static std::string build_id_of(const std::string& path);

    struct Place {
        std::string function;  // demangled
        std::uint64_t offset = 0;
    };
    // `offset`: in the file. `returned_to`: the instruction before it is what counts. Nothing when no function is
    // there.
    [[nodiscard]] std::optional<Place> find(std::uint64_t offset, bool returned_to) const;
    [[nodiscard]] const std::string& name() const { return name_; }

private:
    struct Segment {
        std::uint64_t offset = 0;
        std::uint64_t bytes = 0;
        std::uint64_t address = 0;
    };
    struct Function {
        std::uint64_t address = 0;
        std::uint64_t bytes = 0;
        std::string symbol;
    };

    std::string name_;  // without folders
    std::vector<Segment> segments_;
    std::vector<Function> functions_;  // in order of address
};

class UserSymbols {
public:
    UserSymbols() = default;
    // Looks there and nowhere else: each is a file or a folder, whose files count but not the folders in it.
    explicit UserSymbols(const std::vector<std::string>& places)
        : looked_around_(true), places_(places.begin(), places.end())
    {
    }

    // Fills in the names.
    void name(google::protobuf::RepeatedPtrField<v1::UserFrame>& stack);
    void name(v1::GroupPinsResponse& groups);
    void name(v1::ListPinsResponse& pins);

private:
    const ProgramSymbols* symbols_of(const std::string& build_id);
    bool find_file(const std::string& build_id);

    bool looked_around_ = false;
    std::deque<std::string> places_;                             // not looked at yet
    std::map<std::string, std::string> files_;                   // by build id
    std::map<std::string, std::optional<ProgramSymbols>> read_;  // by build id
};

// As it is shown: by its name, or by what else is known of it.
std::string user_frame_text(const v1::UserFrame& frame);

}  // namespace pinwarden::cli
