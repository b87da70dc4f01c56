#include "cli/table.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string_view>

namespace pinwarden::cli {
namespace {

constexpr std::string_view kGap = "  ";
// Of what stands below a row.
constexpr std::size_t kIndent = 4;
// Of a text before its tail, so that it can be told what it was.
constexpr std::size_t kBeforeTail = 4;
// A file's name that is longer may be shortened, too.
constexpr std::size_t kLongestName = 32;

std::size_t width(const Cell& cell)
{
    return cli::width(cell.text) + cli::width(cell.tail);
}

// Of a path: the file's own name, after an ellipsis and a slash.
std::size_t name_width(const std::string& path)
{
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? 0 : std::min(cli::width(path.substr(slash)) + 1, kLongestName);
}

std::size_t least_width(const Cell& cell, const Column& column)
{
    const std::size_t tail = cli::width(cell.tail);
    const std::size_t text = cli::width(cell.text);
    const std::size_t told = column.fit == Fit::kFront ? name_width(cell.text) : kBeforeTail;
    return std::min(text + tail, std::max(column.least, tail + std::min(text, told)));
}

std::size_t with_gaps(const std::vector<std::size_t>& widths)
{
    return std::accumulate(widths.begin(), widths.end(), std::size_t{0}) +
           (widths.empty() ? 0 : (widths.size() - 1) * kGap.size());
}

// The widest first, so that all that are shortened become about as wide.
void shrink(std::vector<std::size_t>& widths, const std::vector<std::size_t>& least, std::size_t room)
{
    for (std::size_t total = with_gaps(widths); total > room; --total) {
        std::size_t widest = widths.size();
        for (std::size_t i = 0; i < widths.size(); ++i) {
            if (widths[i] > least[i] && (widest == widths.size() || widths[i] > widths[widest])) {
                widest = i;
            }
        }
        if (widest == widths.size()) {
            return;
        }
        --widths[widest];
    }
}

// As many lines as it takes.
std::vector<std::string> fitted(const Cell& cell, const Column& column, std::size_t columns, const Style& style)
{
    if (width(cell) <= columns || column.fit == Fit::kWhole) {
        return {cell.text + cell.tail};
    }
    if (column.fit == Fit::kWrap) {
        return split_lines(wrapped(cell.text + cell.tail, columns, 0));
    }
    const std::size_t tail = cli::width(cell.tail);
    return {shortened(cell.text, columns - std::min(columns, tail), column.fit, style.ellipsis) + cell.tail};
}

}  // namespace

std::vector<std::size_t> Table::widths() const
{
    std::vector<std::size_t> widths;
    widths.reserve(columns_.size());
    for (const Column& column : columns_) {
        widths.push_back(cli::width(column.title));
    }
    for (const Row& row : rows_) {
        for (std::size_t i = 0; i < row.cells.size(); ++i) {
            widths[i] = std::max(widths[i], width(row.cells[i]));
        }
    }
    return widths;
}

std::vector<std::size_t> Table::least_widths() const
{
    std::vector<std::size_t> least = widths();
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        if (columns_[i].fit == Fit::kWhole) {
            continue;
        }
        least[i] = cli::width(columns_[i].title);
        for (const Row& row : rows_) {
            if (i < row.cells.size()) {
                least[i] = std::max(least[i], cli::least_width(row.cells[i], columns_[i]));
            }
        }
    }
    return least;
}

std::size_t Table::width_in_full() const
{
    return with_gaps(widths());
}

std::size_t Table::least_width() const
{
    return with_gaps(least_widths());
}

std::vector<Table::Part> Table::parts(std::size_t room) const
{
    const std::vector<std::size_t> full = widths();
    if (room == 0 || with_gaps(full) <= room) {
        return {{.first = 0, .end = columns_.size(), .widths = full}};
    }
    std::vector<std::size_t> least = least_widths();
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        if (columns_[i].fit != Fit::kWhole) {
            least[i] = std::min(least[i], std::max(room, 2 * kIndent) - kIndent);
        }
    }
    std::vector<Part> parts(1);
    std::size_t used = 0;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        const std::size_t needed = used + (used > 0 ? kGap.size() : 0) + least[i];
        const std::size_t indent = parts.size() > 1 ? kIndent : 0;
        const bool full_up = used > 0 && needed + indent > room;
        if (full_up) {
            parts.push_back({.first = i, .end = i});
        }
        used = full_up ? least[i] : needed;
        parts.back().end = i + 1;
        parts.back().widths.push_back(full[i]);
    }
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const std::vector<std::size_t> part_least(least.begin() + static_cast<std::ptrdiff_t>(parts[i].first),
                                                  least.begin() + static_cast<std::ptrdiff_t>(parts[i].end));
        shrink(parts[i].widths, part_least, room - std::min(room, i > 0 ? kIndent : 0));
    }
    return parts;
}

void Table::add_lines(const std::vector<Cell>& cells, const Part& part, std::size_t indent, const Style& style,
                      std::string& text) const
{
    std::vector<std::vector<std::string>> columns;
    std::size_t height = 0;
    for (std::size_t i = part.first; i < std::min(part.end, cells.size()); ++i) {
        columns.push_back(fitted(cells[i], columns_[i], part.widths[i - part.first], style));
        height = std::max(height, columns.back().size());
    }
    for (std::size_t line = 0; line < height; ++line) {
        std::size_t pending = indent;  // blanks that are only written when something follows
        for (std::size_t i = 0; i < columns.size(); ++i) {
            const std::string shown = line < columns[i].size() ? columns[i][line] : std::string();
            const std::size_t used = cli::width(shown);
            const std::size_t padding = part.widths[i] - std::min(part.widths[i], used);
            const bool right = columns_[part.first + i].align == Align::kRight;
            if (used > 0) {
                text.append(pending + (right ? padding : 0), ' ');
                text += style.paint(shown, cells[part.first + i].colour);
                pending = right ? 0 : padding;
            } else {
                pending += part.widths[i];
            }
            pending += kGap.size();
        }
        text += '\n';
    }
}

void Table::add_cells(const std::vector<Cell>& cells, const std::vector<Part>& parts, const Style& style,
                      std::string& text) const
{
    for (std::size_t i = 0; i < parts.size(); ++i) {
        bool said = false;
        for (std::size_t cell = parts[i].first; cell < std::min(parts[i].end, cells.size()); ++cell) {
            said = said || width(cells[cell]) > 0;
        }
        if (said || parts.size() == 1) {
            add_lines(cells, parts[i], i > 0 ? kIndent : 0, style, text);
        }
    }
}

std::string Table::text(const Style& style) const
{
    const std::vector<Part> laid = parts(style.columns);
    std::vector<Cell> titles;
    titles.reserve(columns_.size());
    for (const Column& column : columns_) {
        titles.emplace_back(column.title, Colour::kBold);
    }
    std::string text;
    add_cells(titles, laid, style, text);
    for (const Row& row : rows_) {
        if (row.cells.empty()) {
            text += row.line + "\n";
        } else {
            add_cells(row.cells, laid, style, text);
        }
    }
    // Between the rows, and where a single column has no room.
    return wrapped(text, style.columns, kIndent);
}

}  // namespace pinwarden::cli
