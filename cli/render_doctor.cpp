#include <cstdint>
#include <string>
#include <string_view>

#include "cli/doctor.h"
#include "cli/fit.h"

namespace pinwarden::cli {
namespace {

constexpr std::size_t kSubjectWidth = 14;
constexpr std::size_t kIndent = 6;  // what stands before it

struct Counts {
    std::uint64_t ok = 0;
    std::uint64_t warn = 0;
    std::uint64_t bad = 0;
    std::uint64_t attached = 0;  // hooks, of those that are ok
};

std::string padded(const std::string& text, std::size_t columns)
{
    const std::size_t used = width(text);
    return used < columns ? text + std::string(columns - used, ' ') : text;
}

std::string word(v1::Severity severity, const Style& style)
{
    switch (severity) {
        case v1::SEVERITY_OK: return style.paint("ok", Colour::kGreen) + "    ";
        case v1::SEVERITY_WARN: return style.paint("warn", Colour::kYellow) + "  ";
        default: return style.paint("bad", Colour::kRed) + "   ";
    }
}

std::string line(v1::Severity severity, const std::string& subject, const std::string& state, const Style& style)
{
    return wrapped(word(severity, style) + padded(visible(subject), kSubjectWidth) + "  " + visible(state) + "\n",
                   style.columns, kIndent + kSubjectWidth + 2);
}

void count(const v1::Finding& finding, Counts& counts)
{
    switch (finding.severity()) {
        case v1::SEVERITY_OK: ++counts.ok; break;
        case v1::SEVERITY_WARN: ++counts.warn; break;
        default: ++counts.bad;
    }
}

}  // namespace

// The hooks that are attached are one line: there are dozens.
std::string render_diagnosis(const v1::Diagnosis& diagnosis, const Style& style)
{
    const std::string indent(kIndent, ' ');
    // Below what is so, or is to be done.
    const auto advice = [&](const std::string& text) {
        return wrapped(indent + text + "\n", style.columns, std::string_view("so: ").size());
    };
    std::string text;
    std::string rest;
    Counts counts;
    bool hooks_seen = false;
    for (const v1::Finding& finding : diagnosis.findings()) {
        count(finding, counts);
        const bool hook = finding.subject().starts_with("hook ");
        hooks_seen = hooks_seen || hook;
        if (hook && finding.severity() == v1::SEVERITY_OK && finding.state().starts_with("attached")) {
            ++counts.attached;
            continue;
        }
        std::string& part = hooks_seen ? rest : text;
        part += line(finding.severity(), finding.subject(), finding.state(), style);
        if (!finding.consequence().empty()) {
            part += advice("so: " + visible(finding.consequence()));
        }
        if (!finding.advice().empty()) {
            part += advice("do: " + visible(finding.advice()));
        }
    }
    if (hooks_seen) {
        text += line(counts.attached > 0 ? v1::SEVERITY_OK : v1::SEVERITY_BAD, "hooks",
                     std::to_string(counts.attached) + " attached", style);
    }
    return text + rest + std::to_string(counts.ok) + " ok, " + std::to_string(counts.warn) + " to look at, " +
           std::to_string(counts.bad) + " bad\n";
}

}  // namespace pinwarden::cli
