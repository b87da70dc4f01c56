// Columns that line up, and that fit a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "cli/fit.h"
#include "cli/text.h"

namespace pinwarden::cli {

enum class Align { kLeft, kRight };

struct Column {
    std::string title;
    Align align = Align::kLeft;
    // Where the terminal has no room for all of it.
    Fit fit = Fit::kWhole;
    std::size_t least = 0;  // columns that its cells keep; the title is always whole
};

// Columns as most tables have them.
inline Column number_column(std::string title)
{
    return {.title = std::move(title), .align = Align::kRight};
}
inline Column name_column(std::string title, std::size_t least = 8)
{
    return {.title = std::move(title), .fit = Fit::kEnd, .least = least};
}
inline Column path_column(std::string title, std::size_t least = 16)
{
    return {.title = std::move(title), .fit = Fit::kFront, .least = least};
}
inline Column function_column(std::string title, std::size_t least = 20)
{
    return {.title = std::move(title), .fit = Fit::kMiddle, .least = least};
}
inline Column prose_column(std::string title, std::size_t least = 12)
{
    return {.title = std::move(title), .fit = Fit::kWrap, .least = least};
}

struct Cell {
    Cell(std::string cell_text, Colour cell_colour = Colour::kNone)  // NOLINT: a text is a cell
        : text(std::move(cell_text)), colour(cell_colour)
    {
    }
    // `tail` follows the text and is never left out: a pid after a name.
    static Cell with_tail(std::string text, std::string tail, Colour colour = Colour::kNone)
    {
        Cell cell(std::move(text), colour);
        cell.tail = std::move(tail);
        return cell;
    }

    std::string text;
    std::string tail;
    Colour colour;
};

class Table {
public:
    explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

    // As many cells as columns; fewer leave the rest empty.
    void add_row(std::vector<Cell> cells) { rows_.push_back({std::move(cells), {}}); }
    // A line between the rows that is not aligned.
    void add_line(std::string line) { rows_.push_back({{}, std::move(line)}); }

    // Within the columns that `style` has: where not all have room, those that may be are shortened, down to their
    // least; where that is not enough, the last columns go to a line of their own below each row.
    [[nodiscard]] std::string text(const Style& style) const;

    // What all columns together take, in full and at least.
    [[nodiscard]] std::size_t width_in_full() const;
    [[nodiscard]] std::size_t least_width() const;

private:
    struct Row {
        std::vector<Cell> cells;
        std::string line;  // in place of cells
    };
    // Columns that stand beside each other, [first, end), and how wide they are.
    struct Part {
        std::size_t first = 0;
        std::size_t end = 0;
        std::vector<std::size_t> widths = {};
    };

    [[nodiscard]] std::vector<std::size_t> widths() const;
    [[nodiscard]] std::vector<std::size_t> least_widths() const;
    [[nodiscard]] std::vector<Part> parts(std::size_t room) const;
    void add_cells(const std::vector<Cell>& cells, const std::vector<Part>& parts, const Style& style,
                   std::string& text) const;
    void add_lines(const std::vector<Cell>& cells, const Part& part, std::size_t indent, const Style& style,
                   std::string& text) const;

    std::vector<Column> columns_;
    std::vector<Row> rows_;
};

}  // namespace pinwarden::cli
