#include "cli/pin_options.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/files.h"
#include "cli/inode.h"

namespace pinwarden::cli {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

std::string check_size(const std::string& text)
{
    return parse_size(text) ? "" : "\"" + text + "\" is not a size; write bytes, or 64KiB, 1MiB, 2GiB";
}

// Seconds without a unit, as vmstat and its like take them.
std::optional<std::uint64_t> parse_interval(const std::string& text)
{
    constexpr std::uint64_t kShortest = 100'000'000;
    auto interval = parse_duration(text);
    if (!interval) {
        interval = parse_duration(text + "s");
    }
    return interval && *interval >= kShortest ? interval : std::nullopt;
}

std::string check_interval(const std::string& text)
{
    return parse_interval(text) ? ""
                                : "\"" + text + "\" is not an interval; write seconds, or 500ms, 5m; 100ms at least";
}

using Take = std::function<void(const std::string&)>;

CLI::Option& add_each(CLI::App& command, const std::string& name, const std::string& type, const std::string& help,
                      const Take& take)
{
    return *command
                .add_option_function<std::vector<std::string>>(
                    name, [take](const std::vector<std::string>& texts) { std::ranges::for_each(texts, take); }, help)
                ->type_name(type)
                ->delimiter(',')
                ->allow_extra_args(false);
}

CLI::Option& add_numbers(CLI::App& command, const std::string& name, const std::string& type, const std::string& help,
                         google::protobuf::RepeatedField<std::uint32_t>& into, std::uint32_t least)
{
    return *command
                .add_option_function<std::vector<std::uint32_t>>(
                    name,
                    [&into](const std::vector<std::uint32_t>& numbers) { into.Add(numbers.begin(), numbers.end()); },
                    help)
                ->type_name(type)
                ->delimiter(',')
                ->allow_extra_args(false)
                ->check(CLI::Range(least, std::numeric_limits<std::uint32_t>::max()));
}

// One of several words. `chosen` gets what it stands for.
template <typename Value>
CLI::Option& add_choice(CLI::App& command, const std::string& name, const std::string& help,
                        const std::map<std::string, Value>& words, const std::function<void(Value)>& chosen)
{
    std::string list;
    std::string type;
    for (const auto& [word, value] : words) {
        list += (list.empty() ? "" : ", ") + word;
        type += (type.empty() ? "" : "|") + word;
    }
    const auto check = [words, list](const std::string& text) {
        return words.contains(text) ? std::string() : "\"" + text + "\" is none of these: " + list;
    };
    return *command
                .add_option_function<std::string>(
                    name, [words, chosen](const std::string& text) { chosen(words.at(text)); }, help)
                ->type_name(type)
                ->check(check);
}

std::map<std::string, v1::PinGrouping> groupings()
{
    return {{"pid", v1::PIN_GROUPING_OWNER},     {"comm", v1::PIN_GROUPING_COMM},
            {"driver", v1::PIN_GROUPING_DRIVER}, {"file", v1::PIN_GROUPING_FILE},
            {"stack", v1::PIN_GROUPING_STACK},   {"cgroup", v1::PIN_GROUPING_CGROUP},
            {"uid", v1::PIN_GROUPING_UID},       {"container", v1::PIN_GROUPING_CONTAINER}};
}

void set_age(v1::PinFilter& filter, const std::string& text)
{
    const std::uint64_t age = parse_duration(text).value_or(0);
    filter.mutable_min_age()->set_seconds(static_cast<std::int64_t>(age / kSecond));
    filter.mutable_min_age()->set_nanos(static_cast<std::int32_t>(age % kSecond));
}

void add_pins(CLI::App& app, std::optional<Command>& command)
{
    const auto made = std::make_shared<PinsCommand>();
    CLI::App& pins = *app.add_subcommand("pins", "Show what is pinned now, by whom, since when, on which file");
    add_pin_filter(pins, made->filter);
    CLI::Option& by = add_choice<v1::PinGrouping>(pins, "--by", "Add them up by what they have in common", groupings(),
                                                  [made](v1::PinGrouping grouping) { made->by = grouping; });
    add_choice<v1::PinOrder>(pins, "--order", "Which come first",
                             {{"oldest", v1::PIN_ORDER_OLDEST},
                              {"newest", v1::PIN_ORDER_NEWEST},
                              {"largest", v1::PIN_ORDER_LARGEST},
                              {"orphaned", v1::PIN_ORDER_ORPHANED}},
                             [made](v1::PinOrder order) { made->order = order; })
        .excludes(&by);
    pins.add_option("--limit", made->limit, "Only the first so many")
        ->check(CLI::Range(std::uint64_t{1}, std::numeric_limits<std::uint64_t>::max()));
    pins.add_option("--id", made->id, "Only this one, whose number events and --json tell, with its call stack")
        ->check(CLI::Range(std::uint64_t{1}, std::numeric_limits<std::uint64_t>::max()))
        ->excludes(&by);
    pins.add_flag("--stack", made->stack, "Show the kernel call stack that pinned");
    pins.add_option_function<std::string>(
            "--watch", [made](const std::string& text) { made->again = parse_interval(text); },
            "Show them again and again, every so many seconds")
        ->type_name("INTERVAL")
        ->check(check_interval);
    pins.callback([made, &command] { command = *made; });
}

void add_leaks(CLI::App& app, std::optional<Command>& command)
{
    const auto made = std::make_shared<LeaksCommand>();
    CLI::App& leaks = *app.add_subcommand(
        "leaks", "Show what is outstanding by the call stack that pinned it: how much, in how many calls, how old");
    add_grouping(leaks, *made);
    leaks
        .add_option_function<std::string>(
            "INTERVAL", [made](const std::string& text) { made->again = parse_interval(text); },
            "Show it again after so many seconds, with what has changed")
        ->check(check_interval);
    leaks.add_option("COUNT", made->count, "End after so many times")
        ->check(CLI::Range(std::uint64_t{1}, std::numeric_limits<std::uint64_t>::max()));
    leaks.callback([made, &command] { command = *made; });
}

void add_top(CLI::App& app, std::optional<Command>& command)
{
    const auto made = std::make_shared<TopCommand>();
    CLI::App& top = *app.add_subcommand(
        "top", "Show who holds most, on the whole screen, and how that changes; keys choose what is sorted by");
    add_pin_filter(top, made->filter);
    top.add_option_function<std::string>(
           "--interval", [made](const std::string& text) { made->every = parse_interval(text).value_or(made->every); },
           "How many seconds until it is looked at again")
        ->type_name("INTERVAL")
        ->default_str("2")
        ->check(check_interval);
    top.add_flag("--once", made->once, "Print it as text once and end; needs no terminal");
    top.callback([made, &command] { command = *made; });
}

}  // namespace

void add_pin_filter(CLI::App& command, v1::PinFilter& filter)
{
    add_numbers(command, "-p,--pid", "PID", "Only pins of these processes", *filter.mutable_pids(), 1);
    add_numbers(command, "--uid", "UID", "Only pins of these users", *filter.mutable_uids(), 0);
    const auto into = [](google::protobuf::RepeatedPtrField<std::string>& texts) {
        return [&texts](const std::string& text) { texts.Add(std::string(text)); };
    };
    add_each(command, "--comm", "NAME", "Only pins of processes of these names", into(*filter.mutable_comms()));
    add_each(command, "--driver", "NAME", "Only pins by these drivers: io_uring, rdma_rxe, vfio, ...",
             into(*filter.mutable_drivers()));
    add_each(command, "--cgroup", "PATH", "Only pins made in these cgroups or below: /system.slice/x.service",
             into(*filter.mutable_cgroups()));
    add_each(command, "--container", "ID", "Only pins made in these containers", into(*filter.mutable_containers()));
    add_each(command, "--file", "PATH", "Only pins of these files, or of files below",
             [&filter](const std::string& path) { filter.add_path_prefixes(absolute_name(path)); });
    add_each(command, "--inode", "DEVICE:INODE", "Only pins of these files, whatever they are called: 8:1:4711",
             [&filter](const std::string& text) {
                 const auto [major, minor, inode] = parse_inode(text);
                 filter.add_inodes(std::to_string(major) + ":" + std::to_string(minor) + "/" + std::to_string(inode));
             })
        .check(check_inode);
    add_each(command, "--backing", "KIND", "Only pins of such memory: anonymous, file, shmem, hugetlb, mixed",
             into(*filter.mutable_backings()));
    command
        .add_option_function<std::string>(
            "--symbol", [&filter](const std::string& text) { filter.set_symbol(text); },
            "Only pins with this kernel function in their call stack")
        ->type_name("FUNCTION");
    command
        .add_option_function<std::string>(
            "--min", [&filter](const std::string& text) { filter.set_min_bytes(parse_size(text).value_or(0)); },
            "Only pins at least this large: 4096, 64KiB, 1MiB")
        ->type_name("SIZE")
        ->check(check_size);
    command
        .add_option_function<std::string>(
            "-o,--older", [&filter](const std::string& text) { set_age(filter, text); },
            "Only pins at least this old: 500ms, 30s, 5m, 2h, 7d")
        ->type_name("AGE")
        ->check(check_duration);
    command.add_flag_callback("--orphans", [&filter] { filter.set_orphans(true); }, "Only pins whose owner has exited");
    command.add_flag_callback(
        "--leaked", [&filter] { filter.set_leaks(true); },
        "Only pins whose owner has been gone for longer than pinwardend's --leak-after");
}

void add_grouping(CLI::App& command, LeaksCommand& chosen)
{
    constexpr std::uint32_t kTop = 10;
    chosen.top = kTop;
    add_pin_filter(command, chosen.filter);
    command.add_option("-T,--top", chosen.top, "Only the first so many groups")
        ->type_name("N")
        ->capture_default_str()
        ->check(CLI::Range(std::uint32_t{1}, std::uint32_t{1000}));
    CLI::Option& by = add_choice<v1::PinGrouping>(command, "--by", "Group by another thing than the stack", groupings(),
                                                  [&chosen](v1::PinGrouping grouping) { chosen.by = grouping; });
    add_choice<v1::PinGroupOrder>(
        command, "--sort", "Which come first; pages if not given",
        {{"pages", v1::PIN_GROUP_ORDER_BYTES}, {"count", v1::PIN_GROUP_ORDER_PINS}, {"age", v1::PIN_GROUP_ORDER_AGE}},
        [&chosen](v1::PinGroupOrder order) { chosen.order = order; });
    command
        .add_flag("--user-stack", chosen.user_stack,
                  "Show what of the program asked for the pins, too; it is recorded with `pinwardend --user-stacks`")
        ->excludes(&by);
    command
        .add_flag("--folded", chosen.folded,
                  "One line for each stack, outermost function first, with its pages: for flame graphs")
        ->excludes(&by);
}

void add_pin_commands(CLI::App& app, std::optional<Command>& command)
{
    add_pins(app, command);
    add_leaks(app, command);
    add_top(app, command);
}

}  // namespace pinwarden::cli
