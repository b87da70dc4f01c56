#include "cli/table.h"

#include <algorithm>
#include <cstddef>

namespace pinwarden::cli {
namespace {

constexpr std::string_view kGap = "  ";

std::string row_text(const std::vector<Cell>& cells, const std::vector<Column>& columns,
                     const std::vector<std::size_t>& widths, const Style& style)
{
    std::string line;
    std::size_t pending = 0;  // blanks that are only written when something follows
    for (std::size_t i = 0; i < cells.size(); ++i) {
        const std::size_t used = width(cells[i].text);
        const std::size_t padding = widths[i] - used;
        const bool right = columns[i].align == Align::kRight;
        if (used > 0) {
            line.append(pending + (right ? padding : 0), ' ');
            line += style.paint(cells[i].text, cells[i].colour);
            pending = right ? 0 : padding;
        } else {
            pending += widths[i];
        }
        pending += kGap.size();
    }
    return line + "\n";
}

}  // namespace

std::vector<std::size_t> Table::widths() const
{
    std::vector<std::size_t> widths;
    widths.reserve(columns_.size());
    for (const Column& column : columns_) {
        widths.push_back(width(column.title));
    }
    for (const Row& row : rows_) {
        for (std::size_t i = 0; i < row.cells.size(); ++i) {
            widths[i] = std::max(widths[i], width(row.cells[i].text));
        }
    }
    return widths;
}

std::string Table::text(const Style& style) const
{
    const std::vector<std::size_t> column_widths = widths();
    std::vector<Cell> titles;
    titles.reserve(columns_.size());
    for (const Column& column : columns_) {
        titles.emplace_back(column.title, Colour::kBold);
    }
    std::string text = row_text(titles, columns_, column_widths, style);
    for (const Row& row : rows_) {
        text += row.cells.empty() ? row.line + "\n" : row_text(row.cells, columns_, column_widths, style);
    }
    return text;
}

}  // namespace pinwarden::cli
