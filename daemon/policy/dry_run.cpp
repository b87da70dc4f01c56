#include "policy/dry_run.h"

#include <pinwarden/overlap.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "policy/suggest.h"
#include "policy/units.h"

namespace pinwarden {
namespace {

std::string none_of(std::string_view value, const std::vector<std::string>& accepted)
{
    const std::string shown = value.empty() ? "nothing known" : shorten(value);
    return shown + (accepted.size() == 1 ? " is not " : " is none of ") + shorten(join(accepted));
}

std::vector<std::string> texts(const std::vector<std::uint32_t>& numbers)
{
    std::vector<std::string> all;
    all.reserve(numbers.size());
    for (const std::uint32_t number : numbers) {
        all.push_back(std::to_string(number));
    }
    return all;
}

const TaskNames& names_of(const Task& task)
{
    static const TaskNames none;
    return task.names ? *task.names : none;
}

// One part of a match. Whether it holds is asked of concerns(), with a policy that has only this part.
struct Part {
    std::string_view field;
    void (*take)(const Policy& from, Policy& only);
    std::string (*why_not)(const Policy& policy, const PinRecord& pin, Nanoseconds now);
};

constexpr std::array kParts{
    Part{"match.pin.drivers", [](const Policy& from, Policy& only) { only.pin.drivers = from.pin.drivers; },
         [](const Policy& policy, const PinRecord& pin, Nanoseconds) {
             return none_of(pin.driver, policy.pin.drivers);
         }},
    Part{"match.pin.min_bytes", [](const Policy& from, Policy& only) { only.pin.min_bytes = from.pin.min_bytes; },
         [](const Policy& policy, const PinRecord& pin, Nanoseconds) {
             return "the pin has " + format_size(pin.bytes) + ", less than " + format_size(policy.pin.min_bytes);
         }},
    Part{"match.pin.long_term", [](const Policy& from, Policy& only) { only.pin.long_term = from.pin.long_term; },
         [](const Policy&, const PinRecord& pin, Nanoseconds) {
             return std::string(pin.long_term ? "the pin is a long-term one" : "the pin is no long-term one");
         }},
    Part{"match.owner.uids", [](const Policy& from, Policy& only) { only.owner.uids = from.owner.uids; },
         [](const Policy& policy, const PinRecord& pin, Nanoseconds) {
             return none_of(std::to_string(pin.owner.uid), texts(policy.owner.uids));
         }},
    Part{"match.owner.comms", [](const Policy& from, Policy& only) { only.owner.comms = from.owner.comms; },
         [](const Policy& policy, const PinRecord& pin, Nanoseconds) {
             return none_of(pin.owner.comm, policy.owner.comms);
         }},
    Part{"match.owner.cgroups", [](const Policy& from, Policy& only) { only.owner.cgroups = from.owner.cgroups; },
         [](const Policy& policy, const PinRecord& pin, Nanoseconds) {
             return none_of(names_of(pin.owner).cgroup, policy.owner.cgroups);
         }},
    Part{"match.owner.binaries", [](const Policy& from, Policy& only) { only.owner.binaries = from.owner.binaries; },
         [](const Policy& policy, const PinRecord& pin, Nanoseconds) {
             return none_of(names_of(pin.owner).executable, policy.owner.binaries);
         }},
    Part{"match.owner.containers",
         [](const Policy& from, Policy& only) { only.owner.containers = from.owner.containers; },
         [](const Policy& policy, const PinRecord& pin, Nanoseconds) {
             return none_of(names_of(pin.owner).container, policy.owner.containers);
         }},
    Part{"match.pin.min_age", [](const Policy& from, Policy& only) { only.pin.min_age = from.pin.min_age; },
         [](const Policy& policy, const PinRecord& pin, Nanoseconds now) {
             // In whole milliseconds: nobody wants to read nanoseconds.
             constexpr Nanoseconds kMillisecond = 1'000'000;
             const Nanoseconds age = (now - std::min(now, pin.acquired)) / kMillisecond * kMillisecond;
             return "the pin is " + format_duration(age) + " old, younger than " + format_duration(policy.pin.min_age);
         }},
};

// How far down the table the pin gets: the part that fails, or its end.
std::size_t first_failing(const Policy& policy, const PinRecord& pin, Nanoseconds now)
{
    std::size_t part = 0;
    for (; part < kParts.size(); ++part) {
        Policy only;
        kParts[part].take(policy, only);
        if (!concerns(only, pin, now)) {
            break;
        }
    }
    return part;
}

// Everything that is asked about one policy and one file.
struct Question {
    const Policy& policy;
    const pw_policy& compiled;
    std::size_t slot;
    const DryRunCase& what;
    std::uint64_t covering;  // policies that cover the path of the operation, or of the file when it was pinned
    const Ledger& ledger;
    FileKey file;
    pw_page_range pages;
    Nanoseconds now;
};

// The first part of the selector that does not hold for the caller, as far as it is known; nothing when all do.
std::optional<std::string> why_not_called(const ProcessSelector& caller, const Task& task)
{
    struct CallerPart {
        std::string_view field;
        ProcessSelector only;
        std::string value;
        std::vector<std::string> accepted;
    };
    const TaskNames& names = names_of(task);
    const std::array<CallerPart, 5> parts{
        CallerPart{"uids", {.uids = caller.uids}, std::to_string(task.uid), texts(caller.uids)},
        CallerPart{"comms", {.comms = caller.comms}, task.comm, caller.comms},
        CallerPart{"cgroups", {.cgroups = caller.cgroups}, names.cgroup, caller.cgroups},
        CallerPart{"binaries", {.binaries = caller.binaries}, names.executable, caller.binaries},
        CallerPart{"containers", {.containers = caller.containers}, names.container, caller.containers}};
    for (const CallerPart& part : parts) {
        if (!suits(part.only, task)) {
            return "match.caller." + std::string(part.field) + ": " + none_of(part.value, part.accepted);
        }
    }
    return std::nullopt;
}

// Everything that says of a place where a file is.
std::string places_of(const FileSelector& file)
{
    std::vector<std::string> places = file.path_prefixes;
    places.insert(places.end(), file.mounts.begin(), file.mounts.end());
    for (const InodeId& inode : file.inodes) {
        places.push_back("inode " + to_string(inode));
    }
    return join(places);
}

enum class Meets { kNone, kKnown, kByDoubt };

struct Answer {
    Meets meets = Meets::kNone;
    std::string reason;
    std::optional<Nanoseconds> from;
};

Answer no(std::string reason)
{
    return {.meets = Meets::kNone, .reason = std::move(reason), .from = {}};
}

// Whether the daemon has told the kernel all there is to be known of the file's pins.
bool resolved(const Ledger& ledger, const FileKey& file)
{
    return ledger.certain() && (ledger.find_file(file) == nullptr || ledger.file_state(file).complete);
}

// The pin in the way that comes nearest to a match says why there is none.
Answer why_no_pin(const Question& question, const ConcernedRange& concerned)
{
    const PinRecord* nearest_pin = nullptr;
    std::size_t furthest = 0;
    const auto pins = question.ledger.pins_on(question.file, question.pages.first, question.pages.end);
    for (const PinRecord* pin : pins) {
        const std::size_t part = first_failing(question.policy, *pin, question.now);
        if (nearest_pin == nullptr || part > furthest) {
            nearest_pin = pin;
            furthest = part;
        }
    }
    if (nearest_pin == nullptr) {
        return no("no pin is in the way");
    }
    Answer answer = no(why_not_concerned(question.policy, *nearest_pin, question.now)
                           .value_or("its match does not hold for any pin in the way"));
    if (furthest + 1 == kParts.size()) {
        answer.from = concerned.next_change;
    }
    return answer;
}

Answer meets_pin(const Question& question)
{
    const bool known = resolved(question.ledger, question.file);
    ConcernedRange concerned;
    if (!question.policy.selects_pins()) {
        if (known) {
            return {.meets = Meets::kKnown, .reason = "", .from = {}};
        }
    } else {
        concerned = concerned_range(question.policy, question.ledger, question.file, question.now);
        if (question.ledger.certain() && concerned.pages &&
            pw_overlaps(concerned.pages->first, concerned.pages->second, question.pages.first, question.pages.end) !=
                0) {
            return {.meets = Meets::kKnown, .reason = "", .from = {}};
        }
    }
    if (!known && question.policy.unresolved != Unresolved::kAllow) {
        return {.meets = Meets::kByDoubt, .reason = "", .from = {}};
    }
    return known ? why_no_pin(question, concerned)
                 : no("unresolved: allow, and not all pins of the file are known just now");
}

// In the order in which the kernel asks.
Answer ask(const Question& question)
{
    const Policy& policy = question.policy;
    const std::string operation(to_string(question.what.operation.operation));
    if ((question.compiled.flags & PW_POLICY_IN_USE) == 0) {
        return no("its mode is off");
    }
    if ((question.compiled.operations >> static_cast<unsigned>(question.what.operation.operation) & 1U) == 0) {
        return no("match.operations: it is not about " + operation);
    }
    const bool any_path = (question.compiled.flags & PW_POLICY_ANY_PATH) != 0;
    if (!any_path && (question.covering >> question.slot & 1U) == 0) {
        const std::string path = question.what.path.empty() ? "the file" : shorten(question.what.path);
        return no("match.file: " + path + " is not at or below " + shorten(places_of(policy.file)));
    }
    if (auto why = why_not_called(policy.caller, question.what.operation.caller)) {
        return no(std::move(*why));
    }
    if (!policy.file.filesystems.empty() &&
        std::ranges::find(policy.file.filesystems, question.what.filesystem) == policy.file.filesystems.end()) {
        return no("match.file.filesystems: " + none_of(question.what.filesystem, policy.file.filesystems));
    }
    return meets_pin(question);
}

std::uint64_t covering_directories(const CompiledPolicies& compiled, const std::vector<DirectoryId>& directories)
{
    std::uint64_t slots = 0;
    for (const DirectoryId& directory : directories) {
        const auto found = compiled.prefixes.find(directory);
        slots |= found == compiled.prefixes.end() ? 0 : found->second;
    }
    return slots;
}

// The files an operation is about: of an umount, each that is pinned.
std::vector<FileKey> files_of(const Ledger& ledger, const OperationEvent& operation)
{
    if (operation.operation != PW_OPERATION_UMOUNT) {
        return {operation.file};
    }
    std::vector<FileKey> files;
    for (const FileRecord* file : ledger.pinned_files_on(operation.file.device)) {
        files.push_back(file->key);
    }
    return files;
}

// One policy, over all files: it matches when it does for one of them.
Answer ask_all(const Policy& policy, std::size_t slot, const CompiledPolicies& compiled, const Ledger& ledger,
               const DryRunCase& what, const Conflict& conflict, Nanoseconds now)
{
    const std::uint64_t on_path = covering_directories(compiled, what.directories);
    Answer best = no("no pin is in the way");
    bool first = true;
    for (const FileKey& file : files_of(ledger, what.operation)) {
        const FileRecord* record = ledger.find_file(file);
        const bool umount = what.operation.operation == PW_OPERATION_UMOUNT;
        const Answer answer =
            ask({.policy = policy,
                 .compiled = compiled.table.policy[slot],
                 .slot = slot,
                 .what = what,
                 .covering = on_path | (record == nullptr ? 0 : policies_covering(compiled, file, record->pinned_path)),
                 .ledger = ledger,
                 .file = file,
                 .pages = umount ? pw_page_range{0, ~std::uint64_t{0}}
                                 : pw_page_range{conflict.first_page, conflict.end_page},
                 .now = now});
        if (first || (best.meets == Meets::kNone && answer.meets != Meets::kNone) || answer.meets == Meets::kKnown) {
            best = answer;
        }
        first = false;
    }
    return best;
}

// As the kernel carries it out.
void decide(const Policy& policy, bool by_doubt, OperationEvent& operation)
{
    const bool holds = policy.hold || (by_doubt && policy.unresolved == Unresolved::kHold);
    const bool enforces = policy.mode == Mode::kEnforce;
    operation.unresolved = by_doubt;
    operation.error = policy.deny_errno;
    if (policy.goes_ahead() && !(enforces && holds)) {
        operation.verdict = ahead(policy);
    } else if (holds) {
        operation.verdict = enforces ? PW_VERDICT_HOLD : PW_VERDICT_WOULD_HOLD;
    } else {
        operation.verdict = enforces ? PW_VERDICT_DENY : PW_VERDICT_WOULD_DENY;
    }
}

// Why there is no conflict; nothing when there may be one.
std::optional<std::string> why_no_conflict(const Ledger& ledger, const DryRunCase& what, const Conflict& conflict)
{
    const bool umount = what.operation.operation == PW_OPERATION_UMOUNT;
    if (!umount && conflict.first_page >= conflict.end_page) {
        return what.operation.operation == PW_OPERATION_TRUNCATE
                   ? "the file does not get shorter, so no policy is asked"
                   : "no page is taken away, so no policy is asked";
    }
    // Pins that are there and not known are met as well.
    const bool known = umount
                           ? ledger.certain()
                           : ledger.find_file(what.operation.file) == nullptr || resolved(ledger, what.operation.file);
    if (conflict.pins.empty() && (known || ledger.find_file(what.operation.file) == nullptr)) {
        return "no pin is in the way, so no policy is asked";
    }
    return std::nullopt;
}

std::string note_for(const Ledger& ledger, const DryRun& run)
{
    if (!ledger.certain()) {
        return "events were lost, and the list of pins may be wrong until it is mended: pages that are pinned and not "
               "known to be count as each policy's `unresolved` says";
    }
    if (run.conflict.operation.unresolved) {
        return "not all pins of the file are known just now";
    }
    return "";
}

}  // namespace

std::optional<std::string> why_not_concerned(const Policy& policy, const PinRecord& pin, Nanoseconds now)
{
    if (concerns(policy, pin, now)) {
        return std::nullopt;
    }
    const std::size_t part = first_failing(policy, pin, now);
    if (part == kParts.size()) {
        return "its match does not hold for the pin";
    }
    return std::string(kParts[part].field) + ": " + kParts[part].why_not(policy, pin, now);
}

DryRun dry_run(const PolicySet& policies, const CompiledPolicies& compiled, const Ledger& ledger,
               const DryRunCase& what, Nanoseconds now)
{
    DryRun run;
    run.conflict = correlate(ledger, what.operation);
    run.conflict.path = what.path.empty() ? run.conflict.path : what.path;
    run.conflict.filesystem = what.filesystem;
    OperationEvent& operation = run.conflict.operation;
    operation.policy = -1;
    operation.verdict = PW_VERDICT_ALLOW;
    const auto no_conflict = why_no_conflict(ledger, what, run.conflict);
    const std::vector<Policy>& all = policies.policies();
    for (std::size_t slot = 0; slot < all.size(); ++slot) {
        const Policy& policy = all[slot];
        Answer answer = ask_all(policy, slot, compiled, ledger, what, run.conflict, now);
        if (no_conflict && answer.meets != Meets::kNone) {
            answer = no("no pin is in the way");
        }
        PolicyFinding finding{.name = policy.name,
                              .mode = policy.mode,
                              .matched = answer.meets != Meets::kNone,
                              .decides = false,
                              .reason = std::move(answer.reason),
                              .matches_from = answer.from};
        if (finding.matched) {
            operation.matched |= std::uint64_t{1} << slot;
            finding.decides = operation.policy < 0;
        }
        if (finding.decides) {
            operation.policy = static_cast<int>(slot);
            decide(policy, answer.meets == Meets::kByDoubt, operation);
        }
        run.findings.push_back(std::move(finding));
    }
    const Policy* deciding = operation.policy < 0 ? nullptr : &all[static_cast<std::size_t>(operation.policy)];
    run.reason = no_conflict.value_or(explain(operation, deciding, run.conflict.pins.size()));
    run.note = note_for(ledger, run);
    return run;
}

}  // namespace pinwarden
