// "Did you mean": the hint at the end of a message about a name nobody knows.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pinwarden {

// The candidate that `word` most likely is a slip of; empty when none is near. Letter case does not count.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

// "a, b, c".
std::string join(const std::vector<std::string>& words);

// For showing in a message: what is longer than a line is cut.
std::string shorten(std::string_view text);
// The same in quotation marks.
std::string quoted(std::string_view text);
bool is_control(char letter);

}  // namespace pinwarden
