// Tables and sentences within the width of a terminal.
#include "cli/table.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "cli/fit.h"
#include "cli/text.h"
#include "support/rendering.h"

using namespace pinwarden::cli;
using namespace pinwarden::test;

namespace {

// "日本", each two columns wide.
constexpr const char* kWide = "\u65e5\u672c";
// "é" of two characters, the second drawn over the first.
constexpr const char* kOver = "e\u0301";

Style of(std::size_t columns)
{
    return {.columns = columns};
}

std::size_t widest(const std::string& text)
{
    std::size_t most = 0;
    for (const std::string& line : split_lines(text)) {
        most = std::max(most, width(line));
    }
    return most;
}

Table pins()
{
    Table table({number_column("PID"),
                 name_column("COMM"),
                 number_column("BYTES"),
                 {"DEV:INODE"},
                 path_column("FILE"),
                 prose_column("REASON")});
    table.add_row({{"4194304"},
                   Cell::with_tail("a-long-process-name", " (exited)", Colour::kYellow),
                   {"1023.9 GiB"},
                   {"253:16:1234567890"},
                   Cell::with_tail("/srv/data/training/shards/part-00017.bin", " (deleted)"),
                   {"the file was replaced while a device wrote to it"}});
    table.add_row({{"7"}, {"x"}, {"4.0 KiB"}, {"8:1:2"}, {"/a"}, {"-"}});
    table.add_line("    pin_user_pages_fast+0x9 called by a function of a module");
    return table;
}

}  // namespace

TEST_CASE("a table that has room is as wide as what is in it")
{
    const std::string whole = pins().text(kPlain);
    CHECK(widest(whole) == pins().width_in_full());
    CHECK(pins().width_in_full() == 170);
    CHECK(pins().text(of(200)) == whole);
    CHECK(pins().text(of(170)) == whole);
    CHECK(pins().text(of(169)) != whole);
}

TEST_CASE("a table that has no room shortens what may be shortened")
{
    Table table({number_column("PID"), name_column("COMM"), path_column("FILE"), prose_column("REASON")});
    table.add_row({{"4194304"},
                   Cell::with_tail("a-long-process-name", " (exited)"),
                   Cell::with_tail("/srv/data/training/shards/part-00017.bin", " (deleted)"),
                   {"the file was replaced"}});
    CHECK(table.text(of(80)) ==
          "    PID  COMM                  FILE                        REASON\n"
          "4194304  a-long-pro\u2026 (exited)  \u2026/part-00017.bin (deleted)  the file was replaced\n");
    CHECK(widest(table.text(of(80))) <= 80);
    // The name of the file stays, at a slash where there is one.
    CHECK(shortened("/srv/data/training/shards/part-00017.bin", 26, Fit::kFront, "\u2026") ==
          "\u2026/shards/part-00017.bin");
}

TEST_CASE("where shortening is not enough the last columns stand below")
{
    for (const std::size_t columns : {80U, 60U, 40U, 20U}) {
        const std::string text = pins().text(of(columns));
        INFO(text);
        CHECK(widest(text) <= columns);
        // Numbers, ids and sizes are whole, unless they alone are wider.
        for (const char* whole : {"4194304", "1023.9 GiB"}) {
            CHECK(text.find(whole) != std::string::npos);
        }
        CHECK((columns < 25 || text.find("253:16:1234567890") != std::string::npos));
        CHECK((columns < 40 || text.find("/part-00017.bin (deleted)") != std::string::npos));
        CHECK(text.find("(exited)") != std::string::npos);
    }
    Table narrow({number_column("PID"), {"NAME"}, {"ADDRESSES"}});
    narrow.add_row({{"7"}, {"first"}, {"0x7f113585b000-0x7f113585d000"}});
    narrow.add_row({{""}, {""}, {"0x1-0x2"}});
    CHECK(narrow.text(of(40)) ==
          "PID  NAME\n"
          "    ADDRESSES\n"
          "  7  first\n"
          "    0x7f113585b000-0x7f113585d000\n"
          "    0x1-0x2\n");
}

TEST_CASE("sentences in a table go over several lines, in their colour")
{
    Table table({{"HOOK"}, prose_column("REASON", 10)});
    table.add_row({{"pin_user_pages"}, {"this kernel has no such function", Colour::kYellow}});
    CHECK(table.text(of(30)) ==
          "HOOK            REASON\n"
          "pin_user_pages  this kernel\n"
          "                has no such\n"
          "                function\n");
    const Style coloured{.colours = true, .columns = 30};
    CHECK(table.text(coloured).find("                \x1b[33mhas no such\x1b[0m\n") != std::string::npos);
}

TEST_CASE("width is what a terminal makes of it, and nothing is cut within a character")
{
    CHECK(width(kWide) == 4);
    CHECK(width(kOver) == 1);
    CHECK(width("\x1b[33mab\x1b[0m") == 2);
    CHECK(width("\xc3") == 1);
    CHECK(width("\xff\xfe") == 2);

    const std::string four = std::string(kWide) + kWide;
    CHECK(shortened(four, 8, Fit::kEnd, "\u2026") == four);
    CHECK(shortened(four, 7, Fit::kEnd, "\u2026") == std::string(kWide) + "\u65e5\u2026");
    // Half of one is not shown.
    CHECK(shortened(four, 6, Fit::kEnd, "\u2026") == std::string(kWide) + "\u2026");
    CHECK(shortened(four, 6, Fit::kFront, "\u2026") == std::string("\u2026") + kWide);
    CHECK(shortened(std::string("ab") + kOver + "cd", 4, Fit::kEnd, "\u2026") == std::string("ab") + kOver + "\u2026");
    CHECK(shortened("abc", 2, Fit::kEnd, "...") == "..");
    CHECK(shortened("abcdef", 5, Fit::kEnd, "...") == "ab...");
    CHECK(shortened("mmu_interval_notifier_insert_locked", 15, Fit::kMiddle, "\u2026") == "mmu_int\u2026_locked");
    CHECK(shortened("abc", 0, Fit::kEnd, "\u2026").empty());

    Table table({name_column("NAME", 4), {"N"}});
    table.add_row({{four}, {"7"}});
    table.add_row({{"ab"}, {"8"}});
    CHECK(table.text(kPlain) == "NAME      N\n" + four + "  7\nab        8\n");
    CHECK(table.text(of(8)) == "NAME   N\n" + std::string(kWide) + "\u2026  7\nab     8\n");
}

TEST_CASE("sentences are broken at blanks")
{
    CHECK(wrapped("one two three", 0, 2) == "one two three");
    CHECK(wrapped("one two three", 13, 2) == "one two three");
    CHECK(wrapped("one two three", 12, 2) == "one two\n  three");
    CHECK(wrapped("one two three four\nfive\n", 9, 2) == "one two\n  three\n  four\nfive\n");
    CHECK(wrapped("    frame of a stack", 14, 4) == "    frame of a\n       stack");
    // A word that is wider than a line; and a hang that leaves no room.
    CHECK(wrapped("abcdefghij", 4, 0) == "abcd\nefgh\nij");
    CHECK(wrapped("a bcdefghij", 4, 50) == "a bc\n  de\n  fg\n  hi\n  j");
    // What stands beside a label stays beside it.
    CHECK(wrapped("Because   0123456789abcdef tail", 20, 10) ==
          "Because   0123456789\n          abcdef\n          tail");
    CHECK(wrapped("ab \x1b[33mcd ef\x1b[0m gh", 5, 0) == "ab \x1b[33mcd\nef\x1b[0m gh");
    CHECK(wrapped(std::string(kWide) + kWide, 5, 0) == std::string(kWide) + "\n" + kWide);
}
