#include "cli/render.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <functional>
#include <sstream>
#include <utility>
#include <vector>

#include "cli/cells.h"
#include "cli/fit.h"
#include "cli/table.h"
#include "cli/user_symbols.h"

namespace pinwarden::cli {
namespace {

// A pin over very many pieces of files would fill the screen; --json has all.
constexpr int kMaxRangesShown = 8;
constexpr std::string_view kStackIndent = "    ";
// Of what is said of the daemon, beside what it is about.
constexpr std::size_t kLabel = 10;

std::string inode_name(const v1::File& file)
{
    return std::to_string(file.device_major()) + ":" + std::to_string(file.device_minor()) + ":" +
           std::to_string(file.inode());
}

std::string page_range(const v1::FileRange& range)
{
    return std::to_string(range.first_page()) + "-" + std::to_string(range.first_page() + range.pages() - 1);
}

std::vector<Cell> range_cells(const v1::Pin& pin, int range)
{
    if (range >= pin.ranges_size()) {
        return {{"-"}, {"-"}, {"-"}};
    }
    const v1::FileRange& shown = pin.ranges(range);
    return {{inode_name(shown.file())}, {page_range(shown)}, file_cell(shown.file())};
}

// A runtime's id is 64 digits, of which people use the first twelve.
std::string short_container(const std::string& id)
{
    constexpr std::size_t kWhole = 64;
    constexpr std::size_t kShort = 12;
    return id.size() == kWhole ? id.substr(0, kShort) : id;
}

void append(std::vector<Cell>& cells, std::vector<Cell> more)
{
    cells.insert(cells.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

void add_pin(const v1::Pin& pin, bool containers, Table& table)
{
    const v1::Process& owner = pin.owner();
    std::vector<Cell> cells{{std::to_string(owner.pid())}, owner_cell(owner),
                            {std::to_string(owner.uid())}, {visible(pin.driver())},
                            {human_bytes(pin.bytes())},    {human_age(pin.age().seconds())},
                            {visible(pin.backing())},      {pin.writable() ? "write" : "read"}};
    if (containers) {
        cells.emplace_back(owner.container_id().empty() ? "-" : visible(short_container(owner.container_id())));
    }
    const std::size_t before_ranges = cells.size();
    append(cells, range_cells(pin, 0));
    table.add_row(std::move(cells));
    for (int i = 1; i < std::min(pin.ranges_size(), kMaxRangesShown); ++i) {
        std::vector<Cell> more(before_ranges, Cell{""});
        append(more, range_cells(pin, i));
        table.add_row(std::move(more));
    }
    if (pin.ranges_size() > kMaxRangesShown) {
        table.add_line(std::string(kStackIndent) + "and " +
                       counted(static_cast<std::uint64_t>(pin.ranges_size() - kMaxRangesShown), "more range") +
                       ", see --json");
    }
    for (const std::string& frame : pin.stack()) {
        table.add_line(std::string(kStackIndent) + visible(frame));
    }
    for (const v1::UserFrame& frame : pin.user_stack()) {
        table.add_line(std::string(kStackIndent) + visible(user_frame_text(frame)));
    }
}

std::string hooks_text(const v1::GetStatusResponse& status, const Style& style)
{
    Table table({{"HOOK"}, {"PURPOSE"}, {"STATE"}, number_column("MISSED"), prose_column("REASON", 16)});
    for (const v1::Hook& hook : status.hooks()) {
        table.add_row({{visible(hook.name())},
                       {visible(hook.purpose())},
                       hook.attached() ? Cell{"attached"} : Cell{"not attached", Colour::kYellow},
                       {std::to_string(hook.missed()), hook.missed() > 0 ? Colour::kYellow : Colour::kNone},
                       {visible(hook.reason())}});
    }
    return table.text(style);
}

std::string notifiers_text(const v1::GetStatusResponse& status)
{
    if (status.on_demand_ranges() == 0) {
        return std::to_string(status.notifiers());
    }
    return std::to_string(status.notifiers()) + ", of these " + counted(status.on_demand_ranges(), "on-demand range") +
           " with " + human_bytes(status.on_demand_bytes());
}

std::string held_text(const v1::GetStatusResponse& status, const Style& style)
{
    if (status.holds() == 0) {
        return "nothing";
    }
    return style.paint(counted(status.holds(), "operation") + ", see `pinctl holds`", Colour::kYellow);
}

std::string losses_text(const v1::GetStatusResponse& status, const Style& style)
{
    std::string text;
    for (const v1::Loss& loss : status.losses()) {
        if (loss.count() > 0) {
            const std::string line = visible(loss.cause()) + " " + std::to_string(loss.count()) +
                                     (loss.affects_ledger() ? " (the ledger is incomplete)" : "");
            text += text.empty() ? "" : ", ";
            text += style.paint(line, loss.affects_ledger() ? Colour::kRed : Colour::kYellow);
        }
    }
    return text.empty() ? "none" : text;
}

std::string list(const std::string& name, int size, const std::function<std::string(int)>& item)
{
    std::string text;
    for (int i = 0; i < size; ++i) {
        text += (i == 0 ? name + "=" : ",") + visible(item(i));
    }
    return text;
}

using Texts = google::protobuf::RepeatedPtrField<std::string>;

std::string list(const std::string& name, const Texts& texts)
{
    return list(name, texts.size(), [&](int i) { return texts.at(i); });
}

void add_process(const std::string& who, const v1::ProcessSelector& process, std::vector<std::string>& parts)
{
    parts.push_back(list(who + "uid", process.uids_size(), [&](int i) { return std::to_string(process.uids(i)); }));
    parts.push_back(list(who + "comm", process.comms()));
    parts.push_back(list(who + "cgroup", process.cgroups()));
    parts.push_back(list(who + "binary", process.binaries()));
    parts.push_back(list(who + "container", process.containers()));
}

std::string match_text(const v1::Match& match)
{
    const v1::PinSelector& pin = match.pin();
    std::vector<std::string> parts{
        list("path", match.file().path_prefixes()),
        list("mount", match.file().mounts()),
        list("inode", match.file().inodes()),
        list("fs", match.file().filesystems()),
        list("driver", pin.drivers()),
        pin.min_bytes() > 0 ? "min_bytes=" + std::to_string(pin.min_bytes()) : "",
        pin.has_min_age() ? "min_age=" + human_age(pin.min_age().seconds()) : "",
        pin.has_long_term() ? std::string("long_term=") + (pin.long_term() ? "true" : "false") : ""};
    add_process("", match.owner(), parts);
    add_process("caller.", match.caller(), parts);
    std::string text = list("", match.operations_size(), [&](int i) {
        // OPERATION_TRUNCATE reads truncate, as in policy files.
        std::string name = v1::Operation_Name(match.operations(i)).substr(std::string_view("OPERATION_").size());
        std::ranges::transform(name, name.begin(),
                               [](char letter) { return letter == '_' ? '_' : char(letter | 0x20); });
        return name;
    });
    text.erase(0, text.starts_with('=') ? 1 : 0);
    for (const std::string& part : parts) {
        text += part.empty() ? "" : " " + part;
    }
    return text;
}

// " SIGUSR1 5s SIGTERM 5s SIGKILL": what is sent, and how long is waited.
std::string revoke_text(const v1::Revoke& revoke)
{
    std::string text = revoke.notify().empty() ? "" : " " + visible(revoke.notify());
    text += " " + human_duration(revoke.grace().seconds(), revoke.grace().nanos());
    for (const std::string& entry : revoke.then()) {
        text += " " + visible(entry);
    }
    return text;
}

std::string action_text(const v1::Action& action)
{
    if (action.kind_case() == v1::Action::KIND_NOT_SET) {
        return "-";
    }
    if (action.has_notify()) {
        return "notify";
    }
    if (action.has_signal()) {
        const v1::SignalAction& signal = action.signal();
        std::string text = signal.target() == v1::SIGNAL_TARGET_CALLER ? "signal caller" : "signal owners";
        for (const std::string& entry : signal.signals()) {
            text += " " + visible(entry);
        }
        return text;
    }
    if (!action.has_hold()) {
        return "deny " + visible(action.deny().error());
    }
    const v1::Hold& hold = action.hold();
    return "hold " + human_duration(hold.timeout().seconds(), hold.timeout().nanos()) +
           (hold.has_revoke() ? ", revoke" + revoke_text(hold.revoke()) : "") + ", then " +
           (hold.on_timeout() == v1::OUTCOME_ALLOW ? "allow" : "deny " + visible(hold.error()));
}

// "11 denied, 2 held"; "-" for none.
std::string counts_text(const std::vector<std::pair<std::string_view, std::uint64_t>>& counts)
{
    std::string text;
    for (const auto& [what, count] : counts) {
        if (count != 0) {
            text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + std::string(what);
        }
    }
    return text.empty() ? "-" : text;
}

Cell policy_state_cell(const std::string& state)
{
    if (state == "active") {
        return {state, Colour::kGreen};
    }
    if (state == "degraded" || state == "refused") {
        return {state, Colour::kRed};
    }
    return {visible(state), state == "pending" ? Colour::kYellow : Colour::kNone};
}

}  // namespace

std::string certainty_text(const v1::Trust& trust, const Style& style)
{
    if (trust.ledger_certain()) {
        return "";
    }
    return style.paint("Not certain: events were lost, so pins may be missing or already gone. See `pinctl status`.",
                       Colour::kYellow) +
           "\n";
}

std::string counted(std::uint64_t count, const std::string& noun)
{
    return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

std::string hexadecimal(std::uint64_t number)
{
    std::ostringstream text;
    text << "0x" << std::hex << number;
    return text.str();
}

std::string process_name(const v1::Process& process)
{
    return visible(process.comm()) + "[" + std::to_string(process.pid()) + "]";
}

std::string file_name(const v1::File& file)
{
    const std::string name = file.path().empty() ? "?" : visible(file.path());
    return file.deleted() ? name + " (deleted)" : name;
}

std::string render_status(const v1::GetStatusResponse& status, std::int64_t now, const Style& style)
{
    std::string text = style.paint("pinwardend " + visible(status.version()), Colour::kBold) + ", pid " +
                       std::to_string(status.pid()) + ", up " + human_age(now - status.start_time().seconds()) +
                       ", on Linux " + visible(status.kernel_release()) + "\n";
    text += "Pinned    " + human_bytes(status.pinned_bytes()) + " in " + counted(status.pins(), "pin") + "\n";
    text += "Ledger    " +
            (status.ledger_certain() ? std::string("certain")
                                     : style.paint("uncertain: pins may be missing or already gone", Colour::kYellow)) +
            "\n";
    text += "Notifiers " + notifiers_text(status) + "\n";
    text += "Held      " + held_text(status, style) + "\n";
    text += "Lost      " + losses_text(status, style) + "\n";
    text += "Policies  generation " + std::to_string(status.policy_generation()) + "\n";
    for (const std::string& notice : status.notices()) {
        text += style.paint("Note      " + visible(notice), Colour::kYellow) + "\n";
    }
    return wrapped(text, style.columns, kLabel) + "\n" + hooks_text(status, style);
}

std::string render_pins(const v1::ListPinsResponse& pins, const Style& style)
{
    std::string text;
    if (pins.pins().empty()) {
        text = "No pins.\n";
    } else {
        // A column only where there is something to say.
        const bool containers =
            std::ranges::any_of(pins.pins(), [](const v1::Pin& pin) { return !pin.owner().container_id().empty(); });
        std::vector<Column> columns{
            number_column("PID"),   name_column("COMM"),  number_column("UID"), name_column("DRIVER"),
            number_column("BYTES"), number_column("AGE"), {"BACKING"},          {"ACCESS"}};
        if (containers) {
            columns.push_back({"CONTAINER"});
        }
        columns.insert(columns.end(), {{"DEV:INODE"}, {"PAGES"}, path_column("FILE")});
        Table table(std::move(columns));
        for (const v1::Pin& pin : pins.pins()) {
            add_pin(pin, containers, table);
        }
        text = table.text(style);
    }
    return text + certainty_text(pins.trust(), style);
}

std::string render_failures(const v1::ListFailuresResponse& failures, const Style& style)
{
    if (failures.failures().empty()) {
        return "No failures.\n";
    }
    Table table({number_column("AGE"),
                 {"ERROR"},
                 number_column("PID"),
                 name_column("COMM"),
                 number_column("UID"),
                 name_column("DRIVER"),
                 number_column("BYTES"),
                 {"ACCESS"},
                 function_column("FUNCTION")});
    for (const v1::PinFailure& failure : failures.failures()) {
        table.add_row({{human_age(failure.age().seconds())},
                       {visible(failure.error()), Colour::kYellow},
                       {std::to_string(failure.owner().pid())},
                       {visible(failure.owner().comm())},
                       {std::to_string(failure.owner().uid())},
                       {visible(failure.driver())},
                       {human_bytes(failure.bytes())},
                       {failure.writable() ? "write" : "read"},
                       {visible(failure.function())}});
        for (const std::string& frame : failure.stack()) {
            table.add_line(std::string(kStackIndent) + visible(frame));
        }
    }
    const auto shown = static_cast<std::uint64_t>(failures.failures_size());
    if (failures.total() > shown) {
        table.add_line("the last " + std::to_string(shown) + " of " + std::to_string(failures.total()));
    }
    return table.text(style);
}

std::string render_notifiers(const v1::ListNotifiersResponse& notifiers, const Style& style)
{
    if (notifiers.notifiers().empty()) {
        return "No notifiers.\n";
    }
    Table table({number_column("PID"),
                 name_column("COMM"),
                 number_column("UID"),
                 name_column("DRIVER"),
                 {"MEMORY"},
                 number_column("BYTES"),
                 {"ADDRESS"},
                 number_column("AGE")});
    for (const v1::Notifier& notifier : notifiers.notifiers()) {
        const bool range = notifier.on_demand();
        table.add_row({{std::to_string(notifier.owner().pid())},
                       owner_cell(notifier.owner()),
                       {std::to_string(notifier.owner().uid())},
                       {visible(notifier.driver())},
                       {range ? "on demand" : "whole process"},
                       {range ? human_bytes(notifier.length()) : "-"},
                       {range ? hexadecimal(notifier.address()) : "-"},
                       {human_age(notifier.age().seconds())}});
    }
    return table.text(style);
}

std::string render_policies(const v1::ListPoliciesResponse& policies, const Style& style)
{
    if (policies.policies().empty()) {
        return "No policies.\n";
    }
    Table table({name_column("NAME"),
                 {"STATE"},
                 number_column("MATCHED"),
                 prose_column("DID", 9),
                 prose_column("WOULD HAVE"),
                 prose_column("ACTION"),
                 prose_column("MATCH"),
                 path_column("SOURCE", 8)});
    for (const v1::PolicyStatus& status : policies.policies()) {
        const v1::Policy& policy = status.policy();
        table.add_row({{visible(policy.name())},
                       policy_state_cell(status.state()),
                       {std::to_string(status.matched())},
                       {counts_text({{"denied", status.denied()},
                                     {"held", status.held()},
                                     {"signalled", status.signalled()},
                                     {"notified", status.notified()}})},
                       {counts_text({{"denied", status.would_have_denied()},
                                     {"held", status.would_have_held()},
                                     {"signalled", status.would_have_signalled()},
                                     {"notified", status.would_have_notified()}})},
                       {action_text(policy.action())},
                       {match_text(policy.match())},
                       {visible(status.source())}});
        if (!status.reason().empty()) {
            table.add_line("    " + style.paint(visible(status.reason()), Colour::kYellow));
        }
    }
    return table.text(style);
}

std::string to_json(const google::protobuf::Message& message, bool pretty)
{
    google::protobuf::util::JsonPrintOptions options;
    options.add_whitespace = pretty;
    options.preserve_proto_field_names = true;
    options.always_print_primitive_fields = true;
    std::string json;
    // Fails only for messages with fields of type Any, which the API does not have.
    if (!google::protobuf::util::MessageToJsonString(message, &json, options).ok()) {
        return "{}";
    }
    return json;
}

}  // namespace pinwarden::cli
