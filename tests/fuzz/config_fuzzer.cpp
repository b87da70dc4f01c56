// Any texts as pinwarden.yaml and one drop-in, which begins behind a byte of 0: refused with places and reasons, as
// `pinwardend --check-config` does, or understood, and then what `pinctl config show` shows is understood as the same.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "app/config_check.h"
#include "app/configuration.h"
#include "fuzz/named_places.h"
#include "fuzz/require.h"

namespace pinwarden::fuzz {
namespace {

namespace fs = std::filesystem;

// In memory where that can be had: each input is written.
class Folder {
public:
    Folder()
    {
        std::string name = std::string(fs::exists("/dev/shm") ? "/dev/shm" : "/tmp") + "/pinwarden-fuzz-XXXXXX";
        require(mkdtemp(name.data()) != nullptr, "a folder can be made");
        path_ = name;
        fs::create_directory(path_ / "pinwarden.d");
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder()
    {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }

    [[nodiscard]] std::string config() const { return path_ / "pinwarden.yaml"; }
    [[nodiscard]] std::string drop_in() const { return path_ / "pinwarden.d" / "one.yaml"; }

private:
    fs::path path_;
};

const Folder& folder()
{
    static const Folder made;
    return made;
}

void write(const std::string& path, std::string_view text)
{
    std::ofstream(path, std::ios::binary) << text;
}

CommandLine command_line()
{
    return {.config = folder().config(), .config_given = true};
}

std::string quoted(const std::string& text)
{
    std::string yaml = "\"";
    for (const char one : text) {
        const auto code = static_cast<unsigned char>(one);
        if (one == '"' || one == '\\') {
            yaml += '\\';
        }
        if (code < ' ' || code == 0x7f) {
            char escape[8];
            static_cast<void>(std::snprintf(escape, sizeof(escape), "\\x%02x", code));
            yaml += escape;
        } else {
            yaml += one;
        }
    }
    return yaml + "\"";
}

std::string yaml_of(const OptionSpec& option, const std::vector<std::string>& values)
{
    std::string all;
    for (const std::string& value : values) {
        all += (all.empty() ? "" : ", ") + (option.kind == OptionKind::kSwitch ? value : quoted(value));
    }
    return key_of(option) + ": " + (option.kind == OptionKind::kList ? "[" + all + "]" : all) + "\n";
}

// What was set, as it is shown.
std::string shown(const Configuration& configuration)
{
    std::string text;
    for (const OptionSpec& option : option_table()) {
        const auto values = option.get(configuration.options);
        // What an option that is set may still not show is what another has made void.
        if (configuration.origins.contains(&option) && (option.kind == OptionKind::kList || !values.empty())) {
            text += yaml_of(option, values);
        }
    }
    return text;
}

void check_same(const Configuration& one, const Configuration& other)
{
    for (const OptionSpec& option : option_table()) {
        require(option.get(one.options) == option.get(other.options), "what is shown is understood as the same");
    }
}

bool tells_where(const Error& error)
{
    return error.message.starts_with(folder().config()) || error.message.starts_with(folder().drop_in()) ||
           error.message.starts_with("--");
}

void try_files()
{
    const LoadedConfiguration loaded = load_configuration(command_line());
    NamedPlaces places;
    const ConfigCheck check = check_config(command_line(), places);
    require(check.errors.empty() != check.text.empty(), "it is said what is in force, or what is wrong");
    require(loaded.errors.empty() || !check.errors.empty(), "a check refuses what a start does");
    for (const Error& error : loaded.errors) {
        require(tells_where(error), "a refusal says where and why");
    }
    if (!loaded.errors.empty()) {
        return;
    }
    write(folder().config(), shown(loaded.configuration));
    write(folder().drop_in(), "");
    const LoadedConfiguration again = load_configuration(command_line());
    for (const Error& error : again.errors) {
        static_cast<void>(std::fprintf(stderr, "%s\n", error.message.c_str()));
    }
    require(again.errors.empty(), "what is shown is understood");
    check_same(loaded.configuration, again.configuration);
}

}  // namespace
}  // namespace pinwarden::fuzz

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace pinwarden::fuzz;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::size_t end = text.find('\0');
    write(folder().config(), text.substr(0, end));
    write(folder().drop_in(), end == std::string_view::npos ? "" : text.substr(end + 1));
    try_files();
    return 0;
}
