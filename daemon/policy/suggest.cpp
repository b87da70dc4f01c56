#include "policy/suggest.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <numeric>
#include <utility>

namespace pinwarden {
namespace {

char lower(char letter)
{
    return static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
}

// How many letters must be inserted, removed, replaced or exchanged with their neighbour to make one word the other
// (optimal string alignment).
std::size_t edit_distance(std::string_view left, std::string_view right)
{
    std::vector<std::size_t> before_last(right.size() + 1);
    std::vector<std::size_t> last(right.size() + 1);
    std::vector<std::size_t> row(right.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});  // NOLINT(modernize-use-ranges): std::ranges::iota needs g++ 13
    for (std::size_t i = 1; i <= left.size(); ++i) {
        before_last = std::exchange(last, row);
        row[0] = i;
        for (std::size_t j = 1; j <= right.size(); ++j) {
            const std::size_t replaced = last[j - 1] + (lower(left[i - 1]) == lower(right[j - 1]) ? 0 : 1);
            row[j] = std::min({replaced, last[j] + 1, row[j - 1] + 1});
            if (i > 1 && j > 1 && lower(left[i - 1]) == lower(right[j - 2]) &&
                lower(left[i - 2]) == lower(right[j - 1])) {
                row[j] = std::min(row[j], before_last[j - 2] + 1);
            }
        }
    }
    return row.back();
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& candidates)
{
    // A third of the letters wrong, but no more than three, still is a slip; beyond that a suggestion is a guess. Words
    // of any length may come from outside, and the table above is quadratic.
    constexpr std::size_t kLongestWord = 64;
    if (word.size() > kLongestWord) {
        return {};
    }
    std::string best;
    std::size_t best_distance = std::min<std::size_t>(3, std::max<std::size_t>(1, word.size() / 3)) + 1;
    for (const std::string& candidate : candidates) {
        const std::size_t distance = edit_distance(word, candidate);
        if (distance < best_distance) {
            best = candidate;
            best_distance = distance;
        }
    }
    return best;
}

std::string join(const std::vector<std::string>& words)
{
    std::string text;
    for (const std::string& word : words) {
        text += text.empty() ? word : ", " + word;
    }
    return text;
}

std::string shorten(std::string_view text)
{
    std::size_t shown = 80;
    if (text.size() <= shown) {
        return std::string(text);
    }
    // Not in the middle of a UTF-8 character.
    while (shown > 0 && (static_cast<unsigned char>(text[shown]) & 0xc0) == 0x80) {
        --shown;
    }
    return std::string(text.substr(0, shown)) + "...";
}

std::string quoted(std::string_view text)
{
    return "\"" + shorten(text) + "\"";
}

bool is_control(char letter)
{
    return static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f;
}

}  // namespace pinwarden
