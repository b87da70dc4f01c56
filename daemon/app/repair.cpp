#include "app/repair.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <system_error>

#include "recording/checkpoint.h"

namespace pinwarden {
namespace {

namespace fs = std::filesystem;

// A daemon that has just started still looks at what the one before it left.
constexpr std::chrono::minutes kTakesOver{2};

std::optional<std::uint32_t> number_of(const std::string& name)
{
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    return error == std::errc() && end == name.data() + name.size() ? std::optional(number) : std::nullopt;
}

class Mending {
public:
    explicit Mending(const RepairPlaces& places) : places_(places)
    {
        std::error_code ignored;
        for (const auto& entry : fs::directory_iterator(places.proc, ignored)) {
            const auto pid = number_of(entry.path().filename());
            std::string comm;
            std::getline(std::ifstream(entry.path() / "comm") >> std::ws, comm);
            // This process is called so as well.
            if (pid && comm == "pinwardend" && *pid != static_cast<std::uint32_t>(getpid())) {
                daemons_.push_back(*pid);
            }
        }
    }

    void look_at_sets()
    {
        for (const fs::path& path : entries(fs::path(places_.kept) / "links")) {
            const auto pid = number_of(path.filename());
            if (!pid) {
                remove(path, "it is no set of a daemon's programs");
            } else if (std::ranges::find(daemons_, *pid) == daemons_.end()) {
                look_at_left_set(path);
            }
        }
        for (const fs::path& path : entries(places_.kept)) {
            if (path.filename() != "links" && path.filename() != "holds") {
                remove(path, "nothing of pinwarden is called so");
            }
        }
    }

    void look_at_state()
    {
        std::error_code error;
        const fs::path folder(places_.state);
        const auto status = fs::status(folder, error);
        if (fs::exists(status) && !fs::is_directory(status)) {
            put_aside(folder, "the state is kept in a folder of that name");
            return;
        }
        const fs::path pins = folder / "pins";
        if (const std::string why = damage_of(pins); !why.empty()) {
            put_aside(pins, why);
        }
        for (const fs::path& path : entries(folder)) {
            if (path.extension() == ".new" && daemons_.empty()) {
                remove(path, "it was not finished");
            }
        }
    }

    Result<Repairs> result() &&
    {
        if (failed_) {
            return std::unexpected(*failed_);
        }
        return std::move(repairs_);
    }

private:
    std::vector<fs::path> entries(const fs::path& folder)
    {
        std::vector<fs::path> found;
        std::error_code error;
        for (const auto& entry : fs::directory_iterator(folder, error)) {
            found.push_back(entry.path());
        }
        if (error && error != std::errc::no_such_file_or_directory && error != std::errc::not_a_directory && !failed_) {
            failed_ = Error{"cannot look into " + folder.string() + ": " + error.message(), error.value()};
        }
        std::ranges::sort(found);
        return found;
    }

    // Of a daemon that is gone.
    void look_at_left_set(const fs::path& path)
    {
        const std::string what = "what daemon " + path.filename().string() + ", which is gone, left in force";
        if (daemons_.empty()) {
            repairs_.left.push_back(what + " (" + path.string() +
                                    ") stays: start pinwardend, which takes it over without a gap, or end it with "
                                    "`pinwardend --release-kept`");
            return;
        }
        std::error_code error;
        const auto started = fs::last_write_time(fs::path(places_.proc) / std::to_string(daemons_.front()), error);
        if (error || started + kTakesOver > fs::file_time_type::clock::now()) {
            repairs_.left.push_back(what + " (" + path.string() + ") is for pinwardend, process " +
                                    std::to_string(daemons_.front()) +
                                    ", to end, which has just started; run this again in some minutes");
            return;
        }
        remove(path, "process " + std::to_string(daemons_.front()) + " has taken over");
    }

    // Empty: none.
    static std::string damage_of(const fs::path& pins)
    {
        std::ifstream file(pins, std::ios::binary);
        if (!file) {
            return {};
        }
        std::string text{std::istreambuf_iterator<char>(file), {}};
        const auto checkpoint = Checkpoint::parse(std::move(text));
        return checkpoint || checkpoint.error().code == EPROTONOSUPPORT ? std::string() : checkpoint.error().message;
    }

    void put_aside(const fs::path& path, const std::string& why)
    {
        std::error_code error;
        const fs::path aside = path.string() + ".damaged";
        fs::rename(path, aside, error);
        told(error, "put " + path.string() + " aside, as " + aside.string() + ": " + why);
    }

    void remove(const fs::path& path, const std::string& why)
    {
        std::error_code error;
        fs::remove_all(path, error);
        told(error, "removed " + path.string() + ": " + why);
    }

    void told(const std::error_code& error, std::string what)
    {
        if (!error) {
            repairs_.done.push_back(std::move(what));
        } else if (!failed_) {
            failed_ = Error{"could not be done: " + what + ": " + error.message(), error.value()};
        }
    }

    const RepairPlaces& places_;
    std::vector<std::uint32_t> daemons_;
    Repairs repairs_;
    std::optional<Error> failed_;
};

}  // namespace

Result<Repairs> repair(const RepairPlaces& places)
{
    Mending mending(places);
    mending.look_at_sets();
    mending.look_at_state();
    return std::move(mending).result();
}

}  // namespace pinwarden
