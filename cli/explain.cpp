// From what was found to sentences.
#include "cli/explain.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <set>
#include <string>

#include "cli/render.h"
#include "cli/text.h"

namespace pinwarden::cli {
namespace {

constexpr int kMostPinsTold = 12;
constexpr int kMostRangesTold = 3;
constexpr int kMostConflictsTold = 5;
constexpr int kMostNamesTold = 4;

std::string ago(const google::protobuf::Duration& age)
{
    return human_age(age.seconds()) + " ago";
}

std::string duration_text(const google::protobuf::Duration& duration)
{
    return human_duration(duration.seconds(), duration.nanos());
}

std::string inode_name(const v1::File& file)
{
    return std::to_string(file.device_major()) + ":" + std::to_string(file.device_minor()) + ":" +
           std::to_string(file.inode());
}

std::string verb(std::uint64_t count, const std::string& one, const std::string& more)
{
    return count == 1 ? one : more;
}

std::string owner_text(const v1::Process& owner)
{
    if (owner.pid() == 0) {
        return "A process nobody saw";
    }
    std::string text = process_name(owner);
    text += owner.has_uid() ? ", uid " + std::to_string(owner.uid()) + "," : "";
    return owner.inferred() ? text + " (inferred: it alone maps the pages)" : text;
}

std::string kind_text(const std::string& kind)
{
    if (kind == "file" || kind == "directory") {
        return "a " + kind;
    }
    return "neither a file nor a directory";
}

std::string pages_text(const v1::FileRange& range)
{
    return range.pages() == 1 ? "page " + std::to_string(range.first_page())
                              : "pages " + std::to_string(range.first_page()) + "-" +
                                    std::to_string(range.first_page() + range.pages() - 1);
}

// "pages 4-7 of /mnt/x"; without the name where that is what is explained.
std::string ranges_text(const v1::Pin& pin, bool named)
{
    std::string text;
    for (int i = 0; i < std::min(pin.ranges_size(), kMostRangesTold); ++i) {
        text += (text.empty() ? "" : ", ") + pages_text(pin.ranges(i)) +
                (named ? " of " + file_name(pin.ranges(i).file()) : "");
    }
    if (pin.ranges_size() > kMostRangesTold) {
        text += " and " + counted(static_cast<std::uint64_t>(pin.ranges_size() - kMostRangesTold), "more range");
    }
    return text.empty() ? visible(pin.backing()) + " memory at " + hexadecimal(pin.address()) : text;
}

std::string term_text(const v1::Pin& pin)
{
    if (pin.function() == "adopted") {
        return "found pinned by a census or audit, so it may be older";
    }
    return pin.long_term() ? "long-term" : "without FOLL_LONGTERM, but held for long";
}

std::string holders_text(const v1::Pin& pin)
{
    std::string text;
    for (int i = 0; i < std::min(pin.may_be_held_by_size(), kMostNamesTold); ++i) {
        const v1::Holder& holder = pin.may_be_held_by(i);
        text += (text.empty() ? "" : ", ") + visible(holder.comm()) + "[" + std::to_string(holder.pid()) + "]";
    }
    return text.empty() ? "; no process is known that may still hold it" : "; it may still be held by " + text;
}

// "rdma-demo[812], uid 1000, pinned 16.0 KiB for writing through rdma_rxe 2m00s ago: pages 4-7; long-term."
std::string pin_text(const v1::Pin& pin, bool named)
{
    std::string text = owner_text(pin.owner()) + " pinned " + human_bytes(pin.bytes()) + " for " +
                       (pin.writable() ? "writing" : "reading") + " through " + visible(pin.driver()) + " " +
                       ago(pin.age()) + ": " + ranges_text(pin, named) + "; " + term_text(pin);
    if (pin.has_orphaned_since()) {
        text += std::string("; ") + (pin.leak() ? "a leak" : "an orphan") + ": its owner exited " +
                ago(pin.orphaned_for()) + holders_text(pin);
    }
    return text + ".";
}

class Writer {
public:
    Writer(v1::Explanation& explanation, std::int64_t now, Teller teller)
        : explanation_(explanation), now_(now), recorded_(teller == Teller::kRecording)
    {
    }

    void tell()
    {
        explanation_.clear_sentences();
        if (explanation_.has_file()) {
            tell_file();
        } else {
            tell_process();
        }
        tell_holds();
        tell_conflicts();
        tell_trust();
    }

private:
    void say(const std::string& sentence) { explanation_.add_sentences(sentence); }

    void tell_file()
    {
        const v1::ExplainedFile& file = explanation_.file();
        tell_where(file);
        tell_pins();
        tell_operations(file);
    }

    void tell_where_recorded(const v1::ExplainedFile& file)
    {
        const std::string name = visible(file.name());
        if (file.kind() == "file") {
            say(name + " is a file of the recorded machine (" + inode_name(file.identity()) +
                "). This is how it was at the end of the recording.");
        } else if (file.kind() == "directory") {
            say(name + " is a directory of the recorded machine. This is how it was at the end of the recording.");
        } else {
            say("The recording does not tell which file " + name + " is (" + visible(file.problem()) + ").");
        }
    }

    void tell_where(const v1::ExplainedFile& file)
    {
        if (recorded_ && file.kind() != "inode") {
            tell_where_recorded(file);
            return;
        }
        const std::string name = visible(file.name());
        if (file.kind() == "missing") {
            say(visible(file.path()) + " is not found here (" + visible(file.problem()) +
                "); what follows is about files" + " pinwardend knows by that name.");
            return;
        }
        if (file.kind() == "inode") {
            say("This is about inode " + std::to_string(file.identity().inode()) + " of device " +
                std::to_string(file.identity().device_major()) + ":" + std::to_string(file.identity().device_minor()) +
                ".");
            return;
        }
        std::string text = (file.name() == file.path() ? name : name + " is " + visible(file.path()) + ", which") +
                           " is " + kind_text(file.kind());
        if (!file.mountpoint().empty()) {
            text += " of the " + visible(file.identity().filesystem()) + " at " + visible(file.mountpoint());
        }
        say(text + " (" + inode_name(file.identity()) + ").");
        if (file.by_name()) {
            say("No pin is on this very file; those that follow are on files that had this name when they were pinned. "
                "It was replaced, or pinwardend sees another mount here, or this file system lies over the one that is "
                "pinned (overlayfs).");
        }
    }

    void tell_pins()
    {
        const auto count = static_cast<std::uint64_t>(explanation_.pins_size());
        const bool folder = explanation_.file().kind() == "directory";
        if (count == 0) {
            const std::string nothing = folder ? "Nothing below it is" : "Nothing of it is";
            say((explanation_.has_process() ? "It has nothing" : nothing) + " pinned, as far as pinwardend knows.");
            return;
        }
        std::set<std::pair<std::uint32_t, std::int64_t>> owners;
        std::uint64_t bytes = 0;
        std::uint64_t orphans = 0;
        for (const v1::Pin& pin : explanation_.pins()) {
            owners.emplace(pin.owner().pid(), pin.owner().start_time().seconds());
            bytes += pin.bytes();
            orphans += pin.has_orphaned_since() ? 1U : 0U;
        }
        const std::string there = (folder ? "Below it there " : "There ") + verb(count, "is ", "are ");
        std::string text = explanation_.has_process() ? "It has " : there;
        text += counted(count, "pin") + " of " + human_bytes(bytes);
        text += explanation_.has_process()
                    ? ""
                    : " by " + (owners.size() == 1 ? "one process" : std::to_string(owners.size()) + " processes");
        text += orphans == 0 ? "" : ", " + std::to_string(orphans) + " of them without a living owner";
        say(text + ".");
        const bool named = folder || explanation_.has_process();
        for (int i = 0; i < std::min(explanation_.pins_size(), kMostPinsTold); ++i) {
            say(pin_text(explanation_.pins(i), named));
        }
        if (explanation_.pins_size() > kMostPinsTold) {
            say("And " + counted(count - kMostPinsTold, "more pin") + "; --json has all.");
        }
    }

    void tell_operations(const v1::ExplainedFile& file)
    {
        if (recorded_) {
            say("What would become of an operation now can be asked of a daemon only.");
            return;
        }
        for (const v1::ForetoldOperation& foretold : explanation_.operations()) {
            say(operation_text(foretold, file));
        }
        if (!explanation_.operations_untold().empty()) {
            say("What would become of a truncate, a punched hole or an umount now is told to operators only: " +
                visible(explanation_.operations_untold()) + ".");
        } else if (explanation_.pins().empty() && file.kind() == "file") {
            say("A truncate or a punched hole would go ahead now: nothing is in its way.");
        }
        if (explanation_.operations_untold().empty() && !file.mountpoint().empty() &&
            std::ranges::none_of(explanation_.operations(),
                                 [](const v1::ForetoldOperation& one) { return one.operation() == "umount"; })) {
            say("An umount of " + visible(file.mountpoint()) + " would meet no pins now.");
        }
    }

    static std::string operation_text(const v1::ForetoldOperation& foretold, const v1::ExplainedFile& file)
    {
        const std::string& operation = foretold.operation();
        std::string text = "A hole punched where it is pinned first now";
        if (operation == "truncate:0") {
            text = "A truncate to nothing now";
        } else if (operation == "umount") {
            text = "An umount of " + visible(file.mountpoint()) + " now";
        }
        if (!foretold.problem().empty()) {
            return text + ": not known, " + visible(foretold.problem()) + ".";
        }
        const v1::TestPoliciesResponse& answer = foretold.answer();
        const v1::Conflict& conflict = answer.conflict();
        text += " would meet " + counted(static_cast<std::uint64_t>(conflict.pins_size()), "pin") + " and ";
        text += verdict_text(conflict);
        if (!conflict.reason().empty()) {
            text += ": " + visible(conflict.reason());
        } else if (conflict.policy().empty()) {
            text += ": no policy decides about it";
        }
        if (conflict.verdict() == "hold" && answer.has_hold()) {
            text += "; for up to " + duration_text(answer.hold().timeout());
        }
        return text + (answer.note().empty() ? "" : "; " + visible(answer.note())) + ".";
    }

    static std::string verdict_text(const v1::Conflict& conflict)
    {
        const std::string by = conflict.policy().empty() ? "" : " by policy " + visible(conflict.policy());
        const std::string& verdict = conflict.verdict();
        if (verdict == "deny") {
            return "be denied with " + visible(conflict.error()) + by;
        }
        if (verdict == "hold") {
            return "be held" + by;
        }
        if (verdict == "signal" || verdict == "notify") {
            return "go ahead, and " + std::string(verdict == "signal" ? "signals be sent" : "listeners be told") + by;
        }
        if (verdict.starts_with("would_")) {
            return "go ahead, as policy " + visible(conflict.policy()) + " only monitors; else it would " +
                   visible(verdict.substr(6)) + " it";
        }
        return "go ahead" + by + ", and take pages away that a device uses";
    }

    void tell_process()
    {
        const v1::ExplainedProcess& process = explanation_.process();
        if (recorded_) {
            tell_recorded(process);
        } else if (process.runs()) {
            say("Process " + std::to_string(process.pid()) + " is " + visible(process.comm()) + ".");
        } else {
            say("No process " + std::to_string(process.pid()) +
                " runs here; what follows is about one that had this "
                "number, or has it in pinwardend's pid namespace.");
        }
        tell_drivers();
        tell_pins();
        tell_notifiers();
        if (!explanation_.failures().empty()) {
            const v1::PinFailure& last = explanation_.failures(explanation_.failures_size() - 1);
            const auto count = static_cast<std::uint64_t>(explanation_.failures_size());
            say(counted(count, "call") + " of it could not pin, the last " + ago(last.age()) + " through " +
                visible(last.driver()) + " with " + visible(last.error()) + ".");
        }
        if (!process.spared().empty()) {
            say("pinwardend never signals it: " + visible(process.spared()) + ".");
        }
    }

    void tell_recorded(const v1::ExplainedProcess& process)
    {
        const std::string name = "rocess " + std::to_string(process.pid());
        if (process.comm().empty()) {
            say("The recording names no p" + name + ".");
        } else {
            say("P" + name + " of the recorded machine is " + visible(process.comm()) +
                (process.runs() ? "" : ", and has exited") + ". This is how it was at the end of the recording.");
        }
    }

    void tell_drivers()
    {
        std::set<std::string> drivers;
        std::set<std::string> files;
        for (const v1::Pin& pin : explanation_.pins()) {
            drivers.insert(visible(pin.driver()));
            for (const v1::FileRange& range : pin.ranges()) {
                files.insert(file_name(range.file()));
            }
        }
        if (!drivers.empty()) {
            say("It pins through " + listed(drivers) +
                (files.empty() ? ", and no file." : ", on " + listed(files) + "."));
        }
    }

    static std::string listed(const std::set<std::string>& names)
    {
        std::string text;
        int told = 0;
        for (const std::string& name : names) {
            if (told++ == kMostNamesTold) {
                return text + " and " + counted(names.size() - kMostNamesTold, "other");
            }
            text += (text.empty() ? "" : ", ") + name;
        }
        return text;
    }

    void tell_notifiers()
    {
        if (explanation_.notifiers().empty()) {
            return;
        }
        std::uint64_t ranges = 0;
        std::uint64_t bytes = 0;
        std::set<std::string> drivers;
        for (const v1::Notifier& notifier : explanation_.notifiers()) {
            ranges += notifier.on_demand() ? 1U : 0U;
            bytes += notifier.on_demand() ? notifier.length() : 0;
            drivers.insert(visible(notifier.driver()));
        }
        say("Through mmu notifiers " + listed(drivers) + verb(drivers.size(), " follows", " follow") +
            " its memory, with " + counted(ranges, "on-demand range") + " of " + human_bytes(bytes) +
            ": these pin nothing.");
    }

    void tell_holds()
    {
        for (const v1::HeldOperation& hold : explanation_.holds()) {
            const v1::Conflict& conflict = hold.conflict();
            say("Held now: " + visible(conflict.operation()) + " of " + file_name(conflict.file()) + " by " +
                process_name(conflict.caller()) + " for " + duration_text(hold.held()) + ", hold " +
                std::to_string(hold.id()) + ", policy " + visible(conflict.policy()) + ".");
        }
    }

    void tell_conflicts()
    {
        const auto count = static_cast<std::uint64_t>(explanation_.conflicts_size());
        const std::string forgotten = explanation_.conflicts_forgotten() == 0
                                          ? ""
                                          : "; " + std::to_string(explanation_.conflicts_forgotten()) +
                                                " older ones, of whatever kind, are remembered no longer";
        if (count == 0) {
            say("No conflict with it is remembered" + forgotten + ".");
            return;
        }
        say(counted(count, "conflict") + verb(count, " is", " are") + " remembered" + forgotten + ".");
        for (int i = 0; i < std::min(explanation_.conflicts_size(), kMostConflictsTold); ++i) {
            const v1::PastConflict& past = explanation_.conflicts(i);
            const v1::Conflict& conflict = past.conflict();
            std::string verdict = visible(conflict.verdict());
            std::ranges::replace(verdict, '_', ' ');
            std::string text = human_age(past.age().seconds()) + " ago: " + visible(conflict.operation()) +
                               (conflict.has_file() ? " of " + file_name(conflict.file()) : "") + " by " +
                               process_name(conflict.caller()) + " met " + counted(past.pin_count(), "pin") + ": " +
                               verdict;
            text += conflict.error().empty() ? "" : " " + visible(conflict.error());
            text += conflict.policy().empty() ? "" : ", policy " + visible(conflict.policy());
            text += past.hold_outcome().empty()
                        ? ""
                        : ", " + visible(past.hold_outcome()) + " after " + duration_text(past.held());
            say(text + ".");
        }
        if (explanation_.conflicts_size() > kMostConflictsTold) {
            say("And " + counted(count - kMostConflictsTold, "more conflict") + "; see `pinctl conflicts`.");
        }
    }

    void tell_trust()
    {
        if (!explanation_.ledger_certain()) {
            say("The ledger is uncertain since events were lost: pins may be missing here, or be gone already.");
        } else if (explanation_.pins().empty() && recorded_) {
            say("The ledger was certain.");
        } else if (explanation_.pins().empty()) {
            say("The ledger is certain. pinwardend has run for " +
                human_age(now_ - explanation_.daemon_start_time().seconds()) +
                "; what was pinned before is known as its census found it, `pinctl census` looks again. Pins without "
                "FOLL_LONGTERM are shown once they are held for long.");
        }
    }

    v1::Explanation& explanation_;
    const std::int64_t now_;
    const bool recorded_;
};

}  // namespace

void put_into_sentences(v1::Explanation& explanation, std::int64_t now, Teller teller)
{
    Writer(explanation, now, teller).tell();
}

}  // namespace pinwarden::cli
