#include "cli/fit.h"

#include <algorithm>
#include <span>
#include <vector>

#include "cli/text.h"

namespace pinwarden::cli {
namespace {

using Glyphs = std::span<const Glyph>;

// As many from the front as have room.
Glyphs front_of(Glyphs all, std::size_t columns)
{
    std::size_t count = 0;
    while (count < all.size() && all[count].columns <= columns) {
        columns -= all[count++].columns;
    }
    return all.first(count);
}

Glyphs back_of(Glyphs all, std::size_t columns)
{
    std::size_t count = 0;
    while (count < all.size() && all[all.size() - count - 1].columns <= columns) {
        columns -= all[all.size() - ++count].columns;
    }
    return all.last(count);
}

std::string text_of(Glyphs glyphs)
{
    std::string text;
    for (const Glyph& glyph : glyphs) {
        text += glyph.text;
    }
    return text;
}

bool is_blank(const Glyph& glyph)
{
    return glyph.text.ends_with(' ');
}

// From a slash on, unless that takes away more than half of it.
Glyphs from_slash(Glyphs path)
{
    const auto slash = std::ranges::find(path, "/", &Glyph::text);
    const auto before = static_cast<std::size_t>(slash - path.begin());
    return slash == path.end() || before > path.size() / 2 ? path : path.subspan(before);
}

// How many of them make the next line, which has `room`. Blanks in the first `head` columns are no place to break at:
// they stand between a label and what it is of.
std::size_t line_length(Glyphs rest, std::size_t room, std::size_t head)
{
    const std::size_t most = front_of(rest, room).size();
    if (most == rest.size() || is_blank(rest[most])) {
        return most;
    }
    std::size_t best = 0;
    std::size_t used = 0;
    for (std::size_t i = 0; i < most; ++i) {
        if (is_blank(rest[i]) && used > head) {
            best = i;
        }
        used += rest[i].columns;
    }
    return best > 0 ? best : std::max<std::size_t>(most, 1);
}

void wrap_line(std::string_view line, std::size_t columns, std::size_t hang, std::string& out)
{
    const std::vector<Glyph> all = glyphs(line);
    Glyphs rest(all);
    for (std::size_t indent = 0;;) {
        const std::size_t length = line_length(rest, columns - indent, indent == 0 ? hang : 0);
        Glyphs shown = rest.first(length);
        rest = rest.subspan(length);
        while (!rest.empty() && is_blank(rest.front())) {
            rest = rest.subspan(1);
        }
        while (!rest.empty() && !shown.empty() && is_blank(shown.back())) {
            shown = shown.first(shown.size() - 1);
        }
        out.append(indent, ' ');
        out += text_of(shown);
        if (rest.empty()) {
            return;
        }
        out += '\n';
        indent = hang;
    }
}

}  // namespace

std::string shortened(std::string_view text, std::size_t columns, Fit fit, std::string_view ellipsis)
{
    if (width(text) <= columns) {
        return std::string(text);
    }
    const std::size_t taken = width(ellipsis);
    if (columns <= taken) {
        const std::vector<Glyph> dots = glyphs(ellipsis);
        return text_of(front_of(dots, columns));
    }
    const std::vector<Glyph> all = glyphs(text);
    const std::size_t room = columns - taken;
    if (fit == Fit::kFront) {
        return std::string(ellipsis) + text_of(from_slash(back_of(all, room)));
    }
    if (fit == Fit::kMiddle) {
        return text_of(front_of(all, room - room / 2)) + std::string(ellipsis) + text_of(back_of(all, room / 2));
    }
    return text_of(front_of(all, room)) + std::string(ellipsis);
}

std::string wrapped(std::string_view text, std::size_t columns, std::size_t hang)
{
    if (columns == 0) {
        return std::string(text);
    }
    std::string out;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        const std::string_view line = text.substr(0, end);
        if (width(line) <= columns) {
            out += line;
        } else {
            const std::size_t indent = std::min(line.find_first_not_of(' '), line.size());
            wrap_line(line, columns, std::min(indent + hang, columns / 2), out);
        }
        if (end == std::string_view::npos) {
            break;
        }
        out += '\n';
        text.remove_prefix(end + 1);
    }
    return out;
}

}  // namespace pinwarden::cli
