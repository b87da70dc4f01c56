#include "app/config_book.h"

#include <utility>

#include "policy/suggest.h"

namespace pinwarden {
namespace {

std::string shown(const std::vector<std::string>& values)
{
    return values.empty() ? "nothing" : join(values);
}

}  // namespace

std::vector<std::string> ConfigBook::applied(Configuration read, Nanoseconds time)
{
    const std::scoped_lock lock(mutex_);
    read_ = std::move(read);
    std::vector<std::string> waiting = find_waiting();
    last_reload_ = {.time = time, .applied = true, .messages = waiting};
    return waiting;
}

void ConfigBook::refused(Nanoseconds time, std::vector<std::string> why)
{
    const std::scoped_lock lock(mutex_);
    last_reload_ = {.time = time, .applied = false, .messages = std::move(why)};
}

std::vector<std::string> ConfigBook::waiting() const
{
    const std::scoped_lock lock(mutex_);
    return find_waiting();
}

std::vector<std::string> ConfigBook::find_waiting() const
{
    std::vector<std::string> waiting;
    for (const OptionSpec& option : option_table()) {
        const auto before = option.get(started_.options);
        const auto after = option.get(read_.options);
        if (!option.at_run_time && before != after) {
            waiting.push_back(key_of(option) + " stays " + shown(before) +
                              " until pinwardend is restarted, and is then " + shown(after) + " (" +
                              to_string(read_.origin(option)) + ")");
        }
    }
    return waiting;
}

ConfigView ConfigBook::config() const
{
    const std::scoped_lock lock(mutex_);
    ConfigView view = view_of(read_);
    const ConfigView at_start = view_of(started_);
    for (std::size_t i = 0; i < view.options.size(); ++i) {
        OptionView& option = view.options[i];
        const OptionValue& started = at_start.options[i].in_force;
        if (!option.at_run_time && option.in_force.values != started.values) {
            option.after_restart = std::exchange(option.in_force, started);
        }
    }
    view.last_reload = last_reload_;
    return view;
}

}  // namespace pinwarden
