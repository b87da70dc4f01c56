#include "publish/audit_history.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <string_view>
#include <utility>

namespace pinwarden {
namespace {

// A longer line is none of ours.
constexpr std::size_t kLongestLine = 1U << 20U;
constexpr std::size_t kBlock = 1U << 16U;

// Lines of the first so many bytes of a file.
class LineReader {
public:
    explicit LineReader(const AuditFile::Part& part) : part_(part) {}

    // The next line. Of one that is too long, or has no end, the beginning only: that is no record.
    std::optional<std::string> next()
    {
        std::string line;
        while (true) {
            if (used_ == block_.size() && !fill()) {
                return line.empty() ? std::nullopt : std::optional(std::move(line));
            }
            const std::string_view rest = std::string_view(block_).substr(used_);
            const std::size_t end = rest.find('\n');
            const std::string_view piece = rest.substr(0, end);
            line += piece.substr(0, kLongestLine - std::min(kLongestLine, line.size()));
            used_ += piece.size();
            if (end != std::string_view::npos) {
                ++used_;
                return line;
            }
        }
    }

private:
    bool fill()
    {
        block_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kBlock, part_.bytes - at_)));
        used_ = 0;
        ssize_t got = 0;
        do {
            got = pread(part_.fd.get(), block_.data(), block_.size(), static_cast<off_t>(at_));
        } while (got < 0 && errno == EINTR);
        block_.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        at_ += block_.size();
        return !block_.empty();
    }

    const AuditFile::Part& part_;
    std::uint64_t at_ = 0;
    std::string block_;
    std::size_t used_ = 0;
};

// Where to begin so that no more than the wanted number of lines comes: in which file, after how many wanted lines.
struct Beginning {
    std::size_t part = 0;
    std::uint64_t pass = 0;
};

Beginning find_beginning(const std::vector<AuditFile::Part>& parts, const AuditWish& wish, const AuditLineLook& look)
{
    if (wish.last == 0) {
        return {};
    }
    std::uint64_t found = 0;
    for (std::size_t part = parts.size(); part > 0; --part) {
        LineReader lines(parts[part - 1]);
        while (const auto line = lines.next()) {
            const auto facts = look(*line);
            found += facts && wish.wants(*facts) ? 1U : 0U;
        }
        if (found >= wish.last) {
            return {.part = part - 1, .pass = found - wish.last};
        }
    }
    return {};
}

}  // namespace

bool AuditWish::wants(const AuditLineFacts& facts) const
{
    return facts.time >= since && (policy.empty() || std::ranges::find(facts.policies, policy) != facts.policies.end());
}

std::uint64_t read_audit_lines(const std::vector<AuditFile::Part>& parts, const AuditWish& wish,
                               const AuditLineLook& look, const std::function<bool(const AuditLine&)>& take)
{
    Beginning beginning = find_beginning(parts, wish, look);
    std::uint64_t skipped = 0;
    for (std::size_t part = beginning.part; part < parts.size(); ++part) {
        LineReader lines(parts[part]);
        while (auto line = lines.next()) {
            const auto facts = look(*line);
            if (!facts) {
                // An empty one ends what was torn; that was counted.
                skipped += line->empty() ? 0U : 1U;
                continue;
            }
            if (!wish.wants(*facts)) {
                continue;
            }
            if (beginning.pass > 0) {
                --beginning.pass;
                skipped = 0;
                continue;
            }
            if (!take({.text = std::move(*line), .skipped_before = std::exchange(skipped, 0)})) {
                return 0;
            }
        }
    }
    return skipped;
}

}  // namespace pinwarden
