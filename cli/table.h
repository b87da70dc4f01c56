// Columns that line up.
#pragma once

#include <string>
#include <vector>

#include "cli/text.h"

namespace pinwarden::cli {

enum class Align { kLeft, kRight };

struct Column {
    std::string title;
    Align align = Align::kLeft;
};

struct Cell {
    Cell(std::string cell_text, Colour cell_colour = Colour::kNone)  // NOLINT: a text is a cell
        : text(std::move(cell_text)), colour(cell_colour)
    {
    }

    std::string text;
    Colour colour;
};

class Table {
public:
    explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

    // As many cells as columns; fewer leave the rest empty.
    void add_row(std::vector<Cell> cells) { rows_.push_back({std::move(cells), {}}); }
    // A line between the rows that is not aligned.
    void add_line(std::string line) { rows_.push_back({{}, std::move(line)}); }

    [[nodiscard]] std::string text(const Style& style) const;

private:
    struct Row {
        std::vector<Cell> cells;
        std::string line;  // in place of cells
    };

    [[nodiscard]] std::vector<std::size_t> widths() const;

    std::vector<Column> columns_;
    std::vector<Row> rows_;
};

}  // namespace pinwarden::cli
