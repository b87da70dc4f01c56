#include "app/configuration.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <iterator>
#include <system_error>
#include <utility>

#include "app/api_sockets.h"
#include "app/config_file.h"
#include "policy/text_file.h"

namespace pinwarden {
namespace {

namespace fs = std::filesystem;

bool exists(const std::string& path)
{
    std::error_code error;
    // What cannot be looked at is there as far as anybody knows: reading it tells more.
    return fs::exists(path, error) || error;
}

// "--leak-after" or "/etc/pinwarden/pinwarden.yaml:3:1: leak_after".
std::string place_of(const OptionSpec& option, const OptionOrigin& origin)
{
    if (origin.from == OptionOrigin::From::kFile) {
        return to_string(origin.file, {origin.line, origin.column}) + ": " + key_of(option);
    }
    return "--" + std::string(option.name);
}

// One source of settings after the other.
class Layers {
public:
    void add_file(const std::string& path)
    {
        ReadSettings read = read_settings(path);
        files_.push_back(path);
        std::ranges::move(read.errors, std::back_inserter(errors_));
        add(read.settings);
    }

    void add(const std::vector<Setting>& settings)
    {
        for (const Setting& setting : settings) {
            if (is_on(setting)) {
                exclude(setting, settings);
            }
            in_force_[setting.option] = setting;
        }
    }

    void refuse(Error error) { errors_.push_back(std::move(error)); }

    [[nodiscard]] LoadedConfiguration take()
    {
        LoadedConfiguration loaded{.configuration = {.files = std::move(files_)}, .errors = std::move(errors_)};
        for (const auto& [option, setting] : in_force_) {
            option->set(loaded.configuration.options, setting.values);
            loaded.configuration.origins[option] = setting.origin;
        }
        return loaded;
    }

private:
    static bool is_on(const Setting& setting)
    {
        return setting.option->kind != OptionKind::kSwitch || setting.values.front() == "true";
    }

    // What makes no sense beside it is a mistake in the same source, and void in those before.
    void exclude(const Setting& setting, const std::vector<Setting>& beside)
    {
        for (const std::string_view name : setting.option->excludes) {
            const OptionSpec& other = *find_option(name);
            const auto same = std::ranges::find(beside, &other, &Setting::option);
            if (same == beside.end()) {
                in_force_.erase(&other);
            } else if (is_on(*same) && setting.option < &other) {
                refuse({place_of(other, same->origin) + ": makes no sense beside " + key_of(*setting.option) +
                            "; remove one",
                        EINVAL});
            }
        }
    }

    std::map<const OptionSpec*, Setting> in_force_;
    std::vector<std::string> files_;
    std::vector<Error> errors_;
};

void refuse_same_socket(LoadedConfiguration& loaded)
{
    const ApiSockets sockets = api_sockets(loaded.configuration.options);
    if (!sockets.readers || sockets.readers->path != sockets.operators.path) {
        return;
    }
    const OptionSpec& reader = *find_option("reader-socket");
    const OptionSpec& by = loaded.configuration.origins.contains(&reader) ? reader : *find_option("socket");
    loaded.errors.push_back({place_of(by, loaded.configuration.origin(by)) + ": " + sockets.readers->path +
                                 " is the socket for operators and for readers; choose another for one, or "
                                 "no_reader_socket (--no-reader-socket)",
                             EINVAL});
}

// Of what belongs together, what is missing or contradicts itself.
void refuse_part_of_tls(LoadedConfiguration& loaded)
{
    const TlsOptions& tls = loaded.configuration.options.tls;
    const auto refuse = [&](const char* name, const std::string& what) {
        const OptionSpec& option = *find_option(name);
        loaded.errors.push_back({place_of(option, loaded.configuration.origin(option)) + ": " + what, EINVAL});
    };
    const std::array files{std::pair{"tls-address", &tls.address}, std::pair{"tls-certificate", &tls.certificate},
                           std::pair{"tls-key", &tls.key}, std::pair{"tls-client-ca", &tls.client_ca}};
    const bool nobody = tls.readers.empty() && tls.operators.empty();
    if (nobody && std::ranges::all_of(files, [](const auto& file) { return file.second->empty(); })) {
        return;
    }
    for (const auto& [name, value] : files) {
        if (value->empty()) {
            refuse(name,
                   "is missing: TCP is served with --tls-address, --tls-certificate, --tls-key and "
                   "--tls-client-ca together, or not at all");
        }
    }
    if (nobody) {
        refuse("tls-address",
               "nobody could call: give --tls-reader or --tls-operator with a name that is in a "
               "client's certificate");
    }
    for (const std::string& name : tls.readers) {
        if (std::ranges::find(tls.operators, name) != tls.operators.end()) {
            refuse("tls-reader", name + " is given to --tls-operator as well; choose one");
        }
    }
}

void add_drop_ins(const std::string& folder, Layers& layers)
{
    if (!exists(folder)) {
        return;
    }
    const auto files = list_yaml_files(folder, "configuration");
    if (!files) {
        layers.refuse(files.error());
        return;
    }
    for (const std::string& file : *files) {
        layers.add_file(file);
    }
}

}  // namespace

OptionOrigin Configuration::origin(const OptionSpec& option) const
{
    const auto found = origins.find(&option);
    return found == origins.end() ? OptionOrigin() : found->second;
}

std::vector<std::string> messages_of(const std::vector<Error>& errors)
{
    std::vector<std::string> messages;
    messages.reserve(errors.size());
    std::ranges::transform(errors, std::back_inserter(messages), &Error::message);
    return messages;
}

LoadedConfiguration load_configuration(const CommandLine& line)
{
    Layers layers;
    const fs::path file(line.config);
    if (line.config_given || exists(line.config)) {
        layers.add_file(line.config);
    }
    add_drop_ins(fs::path(file).replace_extension(".d").string(), layers);
    layers.add(line.flags);

    LoadedConfiguration loaded = layers.take();
    if (loaded.errors.empty()) {
        refuse_same_socket(loaded);
        refuse_part_of_tls(loaded);
    }
    auto& paths = loaded.configuration.policy_paths;
    if (const std::string folder = fs::path(file).replace_filename("policies.d").string(); exists(folder)) {
        paths.push_back(folder);
    }
    std::ranges::copy(loaded.configuration.options.policies, std::back_inserter(paths));
    return loaded;
}

LoadedPolicies load_policies(const Configuration& configuration)
{
    const OptionSpec& policy = *find_option("policy");
    const OptionOrigin origin = configuration.origin(policy);
    std::vector<std::string> paths = configuration.policy_paths;
    std::vector<Error> missing;
    if (origin.from == OptionOrigin::From::kFile) {
        std::erase_if(paths, [&](const std::string& path) {
            if (exists(path)) {
                return false;
            }
            missing.push_back({place_of(policy, origin) + ": there is no file or folder " + path, ENOENT});
            return true;
        });
    }
    LoadedPolicies loaded = load_policies(paths);
    loaded.errors.insert(loaded.errors.begin(), missing.begin(), missing.end());
    return loaded;
}

ConfigView view_of(const Configuration& configuration)
{
    ConfigView view{.options = {}, .files = configuration.files, .policy_paths = configuration.policy_paths};
    for (const OptionSpec& option : option_table()) {
        view.options.push_back({.name = key_of(option),
                                .in_force = {option.get(configuration.options), configuration.origin(option)},
                                .at_run_time = option.at_run_time});
    }
    return view;
}

}  // namespace pinwarden
