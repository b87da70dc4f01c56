#include "app/config_watch.h"

#include <utility>

#include "app/configuration.h"
#include "policy/text_file.h"

namespace pinwarden {
namespace {

void add_file(const std::string& path, std::map<std::string, std::string>& texts)
{
    auto text = read_text_file(path, "configuration");
    texts[path] = text ? std::move(*text) : text.error().message;
}

}  // namespace

ConfigWatch::ConfigWatch(CommandLine line) : line_(std::move(line)), seen_(read()) {}

bool ConfigWatch::changed()
{
    auto now = read();
    if (now == seen_) {
        return false;
    }
    seen_ = std::move(now);
    return true;
}

std::map<std::string, std::string> ConfigWatch::read() const
{
    const LoadedConfiguration loaded = load_configuration(line_);
    std::map<std::string, std::string> texts;
    for (const std::string& file : loaded.configuration.files) {
        add_file(file, texts);
    }
    for (const std::string& path : loaded.configuration.policy_paths) {
        const auto files = list_files_at(path, "policy");
        if (!files) {
            texts[path] = files.error().message;
            continue;
        }
        for (const std::string& file : *files) {
            add_file(file, texts);
        }
    }
    return texts;
}

}  // namespace pinwarden
