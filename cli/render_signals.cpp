#include "cli/render_signals.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include "cli/render.h"

namespace pinwarden::cli {
namespace {

// One that is not carried out for having too many owners names all of them; --json has them.
constexpr int kMaxVictimsShown = 8;

std::string victim_name(const v1::Process& process)
{
    if (process.pid() == 0) {
        return "an owner nobody knows";
    }
    const std::string name = process.comm().empty() ? "pid " + std::to_string(process.pid()) : process_name(process);
    return process.has_uid() ? name + " uid " + std::to_string(process.uid()) : name;
}

// "for truncate of /mnt/data/x, policy keep"
template <typename Message>
std::string cause(const Message& message)
{
    return "for " + visible(message.operation()) + " of " + file_name(message.file()) + ", policy " +
           visible(message.policy());
}

std::string with_blanks(std::string text)
{
    std::ranges::replace(text, '_', ' ');
    return text;
}

std::string let_go_text(const v1::RevocationVictim& victim)
{
    if (victim.signals().empty()) {
        return " by itself";
    }
    const v1::SentSignal& last = *victim.signals().rbegin();
    const google::protobuf::Duration& took = last.until_release();
    return " " + human_duration(took.seconds(), took.nanos()) + " after " + visible(last.signal());
}

std::string spared_text(const std::string& spared)
{
    constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kTexts{
        {{"gone", "has ended, its pins are still there"},
         {"protected", "is protected"},
         {"failed", "could not be signalled"},
         {"unknown_owner", "could not be signalled"},
         {"inferred_owner", "may be the wrong one and was not signalled"}}};
    const auto* const found = std::ranges::find(kTexts, spared, [](const auto& entry) { return entry.first; });
    return found == kTexts.end() ? visible(spared) : std::string(found->second);
}

// What it said, which need not be what it did.
std::string intent_text(v1::RevocationIntent intent)
{
    switch (intent) {
        case v1::REVOCATION_INTENT_LETTING_GO: return " (said that it is letting go)";
        case v1::REVOCATION_INTENT_CANNOT: return " (said that it cannot)";
        default: return "";
    }
}

std::string victim_text(const v1::RevocationVictim& victim)
{
    const std::string name = victim_name(victim.process()) + intent_text(victim.intent());
    if (victim.released()) {
        return name + let_go_text(victim);
    }
    std::string sent;
    for (const v1::SentSignal& signal : victim.signals()) {
        sent += (sent.empty() ? "" : ", ") + visible(signal.signal());
    }
    if (!victim.spared().empty()) {
        return name + " " + spared_text(victim.spared()) + (sent.empty() ? "" : ", after " + sent);
    }
    return name + (sent.empty() ? " was not signalled" : " still pins after " + sent);
}

// Why some did not let go; nothing when all did.
std::string end_text(const std::string& end)
{
    constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kTexts{
        {{"answered", ""},
         {"released", ""},
         {"exhausted", ", all signals were sent"},
         {"spared", ", the rest must not or cannot be signalled"},
         {"too_many_owners", ", they are too many and none was signalled"},
         {"limited", ", too many signals were sent lately and the policy only monitors now"}}};
    const auto* const found = std::ranges::find(kTexts, end, [](const auto& entry) { return entry.first; });
    return found == kTexts.end() ? ", " + visible(end) : std::string(found->second);
}

}  // namespace

std::string signal_text(const v1::Signal& signal)
{
    const bool sent = signal.outcome() == "sent";
    std::string text = visible(signal.signal()) + (sent ? " sent to " : " not sent to ") +
                       victim_name(signal.victim()) + " " + cause(signal) + ": " + visible(signal.rule());
    text += sent ? "" : ": " + visible(with_blanks(signal.outcome()));
    return signal.reason().empty() ? text : text + ": " + visible(signal.reason());
}

std::string revocation_text(const v1::Revocation& revocation)
{
    const int owners = revocation.victims_size();
    if (owners == 0) {
        return "no owner is known " + cause(revocation) + ", so none was signalled";
    }
    if (revocation.end() == "begun") {
        return counted(static_cast<std::uint64_t>(owners), "owner") + " asked to let go " + cause(revocation);
    }
    const auto released =
        static_cast<int>(std::ranges::count_if(revocation.victims(), &v1::RevocationVictim::released));
    const std::string all = counted(static_cast<std::uint64_t>(owners), "owner");
    std::string text = (released == owners ? all : std::to_string(released) + " of " + all) + " let go " +
                       cause(revocation) + end_text(revocation.end());
    for (int i = 0; i < std::min(owners, kMaxVictimsShown); ++i) {
        text += (i == 0 ? ": " : ", ") + victim_text(revocation.victims(i));
    }
    if (owners > kMaxVictimsShown) {
        text += " and " + std::to_string(owners - kMaxVictimsShown) + " more";
    }
    return text;
}

}  // namespace pinwarden::cli
