// Text within so many columns of a terminal: shortened, or over several lines.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace pinwarden::cli {

// What may be done to a text that has no room.
enum class Fit {
    kWhole,   // nothing: numbers, ids
    kEnd,     // its end is left out: names
    kFront,   // its front is left out: paths, whose last name tells most; at a slash where that costs little
    kMiddle,  // both ends stay: functions, which are alike in front
    kWrap,    // it goes over several lines: sentences, lists
};

// At most `columns` wide, with `ellipsis` where something is left out; `fit` is kEnd, kFront or kMiddle. Never cuts
// within a character.
std::string shortened(std::string_view text, std::size_t columns, Fit fit, std::string_view ellipsis);

// Each line of `text` over as many as it takes, broken at blanks, or within words that are wider than a line; those
// after the first begin with `hang` blanks more than the first, or with fewer where that would be more than half of it.
// Colours of Style::paint take no room. With 0 columns as it is.
std::string wrapped(std::string_view text, std::size_t columns, std::size_t hang);

}  // namespace pinwarden::cli
