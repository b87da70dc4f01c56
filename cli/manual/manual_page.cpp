#include "cli/manual/manual_page.h"

#include <algorithm>
#include <cctype>
#include <string_view>

namespace pinwarden::cli {
namespace {

// What troff would take for its own: backslashes, hyphens that people copy, dots and quotes at the start of a line.
std::string escaped(std::string_view text)
{
    std::string out;
    bool start = true;
    for (const char letter : text) {
        if (start && (letter == '.' || letter == '\'')) {
            out += "\\&";
        }
        switch (letter) {
            case '\\': out += "\\e"; break;
            case '-': out += "\\-"; break;
            default: out += letter;
        }
        start = letter == '\n';
    }
    return out;
}

std::string upper(std::string text)
{
    std::ranges::transform(text, text.begin(),
                           [](unsigned char letter) { return static_cast<char>(std::toupper(letter)); });
    return text;
}

std::string bold(std::string_view text)
{
    return "\\fB" + escaped(text) + "\\fR";
}

// Between several words a line may end.
std::string italic(std::string_view text)
{
    std::string out;
    for (const char letter : escaped(text)) {
        out += letter == '|' ? std::string("|\\:") : std::string(1, letter);
    }
    return "\\fI" + out + "\\fR";
}

std::string heading(const OptionWords& option)
{
    std::string text;
    for (const std::string& name : option.names) {
        text += (text.empty() ? "" : ", ") + bold(name);
    }
    if (!option.value.empty()) {
        text += (text.empty() ? "" : " ") + italic(option.value);
    }
    return text;
}

std::string paragraph(const OptionWords& option)
{
    std::string text = escaped(option.description);
    if (!option.standard.empty()) {
        text += " [" + escaped(option.standard) + "]";
    }
    return ".TP\n" + heading(option) + "\n" + text + "\n";
}

std::string synopsis(const CommandWords& command)
{
    std::string text;
    for (const OptionWords& argument : command.arguments) {
        const std::string name = italic(argument.value) + (argument.again ? "..." : "");
        text += " " + (argument.required ? name : "[" + name + "]");
    }
    return text;
}

// `before`: the words it comes after, without the program's.
std::string commands_text(const CommandWords& command, const std::string& before)
{
    std::string text;
    for (const CommandWords& one : command.commands) {
        const std::string words = before.empty() ? one.name : before + " " + one.name;
        text += ".SS " + bold(words) + synopsis(one) + "\n" + escaped(one.description) + ".\n";
        for (const OptionWords& argument : one.arguments) {
            text += paragraph(argument);
        }
        for (const OptionWords& option : one.options) {
            if (option.names.back() != "--help") {
                text += paragraph(option);
            }
        }
        text += commands_text(one, words);
    }
    return text;
}

std::string section_text(const ManualSection& section)
{
    std::string text = ".SH " + upper(section.title) + "\n";
    for (std::size_t from = 0; from < section.text.size();) {
        const std::size_t end = std::min(section.text.find("\n\n", from), section.text.size());
        text += ".PP\n" + escaped(section.text.substr(from, end - from)) + "\n";
        from = end + 2;
    }
    return text;
}

}  // namespace

std::string manual_page(const CommandWords& program, const ManualFacts& facts)
{
    const std::string section = std::to_string(facts.section);
    std::string text = ".TH " + upper(program.name) + " " + section + R"( "" "pinwarden )" + facts.version +
                       R"(" "pinwarden")" + "\n.nh\n.SH NAME\n" + escaped(program.name) + " \\- " +
                       escaped(facts.summary) + "\n.SH SYNOPSIS\n" + bold(program.name) + " [" + italic("OPTIONS") +
                       "]" + synopsis(program);
    if (!program.commands.empty()) {
        text += " " + italic("COMMAND");
    }
    text += "\n.SH DESCRIPTION\n" + escaped(program.description) + "\n.SH OPTIONS\n";
    for (const OptionWords& option : program.options) {
        text += paragraph(option);
    }
    if (!program.commands.empty()) {
        text += ".SH COMMANDS\n" + commands_text(program, "");
    }
    for (const ManualSection& more : facts.sections) {
        text += section_text(more);
    }
    if (!facts.see_also.empty()) {
        text += ".SH SEE ALSO\n";
        for (const std::string& page : facts.see_also) {
            const std::size_t bracket = page.find('(');
            text += ".BR " + page.substr(0, bracket) + " " + page.substr(bracket) +
                    (&page == &facts.see_also.back() ? "\n" : " ,\n");
        }
    }
    return text;
}

}  // namespace pinwarden::cli
