#include "ledger/position_bits.h"

#include <algorithm>
#include <bit>

namespace pinwarden {

PositionBits::PositionBits(std::uint64_t size)
{
    std::uint64_t words = size;
    std::uint64_t all = 0;
    do {
        words = (words + kWord - 1) / kWord;
        levels_.push_back(static_cast<std::uint32_t>(all));
        all += words;
    } while (words > 1);
    levels_.push_back(static_cast<std::uint32_t>(all));
    words_.resize(all);
}

// The positions of a word that lie in the range.
std::uint64_t PositionBits::word_within(std::uint64_t word, std::uint64_t first, std::uint64_t end) const
{
    std::uint64_t bits = words_[word];
    const std::uint64_t start = word * kWord;
    if (first > start) {
        bits &= ~std::uint64_t{0} << (first - start);
    }
    if (end < start + kWord) {
        bits &= ~(~std::uint64_t{0} << (end - start));
    }
    return bits;
}

// And what the summaries say of it.
void PositionBits::set_word(std::uint64_t word, std::uint64_t value)
{
    words_[word] = value;
    for (std::size_t level = 1; level + 1 < levels_.size(); ++level) {
        const std::uint64_t bit = std::uint64_t{1} << word % kWord;
        word /= kWord;
        std::uint64_t& summary = words_[levels_[level] + word];
        const bool was = summary != 0;
        summary = value != 0 ? summary | bit : summary & ~bit;
        value = summary;
        if (was == (value != 0)) {
            return;
        }
    }
}

void PositionBits::insert(std::uint64_t first, std::uint64_t end)
{
    for (std::uint64_t at = first; at < end; at = (at / kWord + 1) * kWord) {
        const std::uint64_t word = at / kWord;
        const std::uint64_t here = std::min(end - at, kWord - at % kWord);
        const std::uint64_t bits = (here == kWord ? ~std::uint64_t{0} : (std::uint64_t{1} << here) - 1) << at % kWord;
        set_word(word, words_[word] | bits);
    }
}

std::uint64_t PositionBits::remove(std::uint64_t first, std::uint64_t end)
{
    std::uint64_t removed = 0;
    for (auto at = next(first); at && *at < end; at = next((*at / kWord + 1) * kWord)) {
        const std::uint64_t word = *at / kWord;
        const std::uint64_t bits = word_within(word, first, end);
        removed += static_cast<std::uint64_t>(std::popcount(bits));
        set_word(word, words_[word] & ~bits);
    }
    return removed;
}

std::uint64_t PositionBits::next_gap(std::uint64_t from) const
{
    std::uint64_t at = from;
    while (at / kWord < levels_[1]) {
        const auto taken = static_cast<std::uint64_t>(std::countr_one(words_[at / kWord] >> at % kWord));
        at += taken;
        if (taken == 0 || at % kWord != 0) {
            break;
        }
    }
    return at;
}

std::optional<std::uint64_t> PositionBits::next(std::uint64_t from) const
{
    std::uint64_t at = from;
    std::size_t level = 0;
    // Up to where there is something further on, and down to it.
    for (;; ++level) {
        if (level + 1 == levels_.size() || levels_[level] + at / kWord >= levels_[level + 1]) {
            return std::nullopt;
        }
        const std::uint64_t bits = words_[levels_[level] + at / kWord] >> at % kWord;
        if (bits != 0) {
            at += static_cast<std::uint64_t>(std::countr_zero(bits));
            break;
        }
        at = at / kWord + 1;
    }
    for (; level > 0; --level) {
        at = at * kWord + static_cast<std::uint64_t>(std::countr_zero(words_[levels_[level - 1] + at]));
    }
    return at;
}

std::optional<std::uint64_t> PositionBits::last_before(std::uint64_t end) const
{
    std::uint64_t before = std::min(end, levels_[1] * kWord);
    std::size_t level = 0;
    std::uint64_t at = 0;
    for (;; ++level) {
        if (before == 0 || level + 1 == levels_.size()) {
            return std::nullopt;
        }
        const std::uint64_t last = before - 1;
        const std::uint64_t bits = words_[levels_[level] + last / kWord] << (kWord - 1 - last % kWord);
        if (bits != 0) {
            at = last - static_cast<std::uint64_t>(std::countl_zero(bits));
            break;
        }
        before = last / kWord;
    }
    for (; level > 0; --level) {
        at = at * kWord + kWord - 1 - static_cast<std::uint64_t>(std::countl_zero(words_[levels_[level - 1] + at]));
    }
    return at;
}

std::uint64_t PositionBits::count(std::uint64_t first, std::uint64_t end) const
{
    std::uint64_t found = 0;
    for (auto at = next(first); at && *at < end; at = next((*at / kWord + 1) * kWord)) {
        found += static_cast<std::uint64_t>(std::popcount(word_within(*at / kWord, first, end)));
    }
    return found;
}

std::uint64_t PositionBits::intervals(std::uint64_t first, std::uint64_t end) const
{
    std::uint64_t found = 0;
    for (auto at = next(first); at && *at < end; at = next((*at / kWord + 1) * kWord)) {
        const std::uint64_t word = *at / kWord;
        const std::uint64_t before = word > 0 ? words_[word - 1] >> (kWord - 1) : 0;
        const std::uint64_t begins = ~(words_[word] << 1U | before);
        found += static_cast<std::uint64_t>(std::popcount(word_within(word, first, end) & begins));
    }
    return found;
}

}  // namespace pinwarden
