#include "cli/audit_progress.h"

#include <algorithm>

#include "cli/render.h"

namespace pinwarden::cli {
namespace {

// To the line's beginning, and what was in it away.
constexpr const char* kAnew = "\r\x1b[K";

// "42 % of 300 pages", "120 pages" where it is not known of how many.
std::string share(const v1::AuditProgress& progress, const std::string& units)
{
    if (progress.total() == 0) {
        return std::to_string(progress.done()) + " " + units;
    }
    constexpr double kHundred = 100.0;
    const double part = static_cast<double>(progress.done()) / static_cast<double>(progress.total());
    const auto percent = static_cast<unsigned>(std::min(part, 1.0) * kHundred);
    return std::to_string(percent) + " % of " + std::to_string(progress.total()) + " " + units;
}

}  // namespace

std::string progress_text(const v1::AuditProgress& progress)
{
    switch (progress.phase()) {
        case v1::AUDIT_PHASE_WAITING: return "waiting for " + counted(progress.total(), "other audit") + " to end";
        case v1::AUDIT_PHASE_LEDGER: return "comparing what is known: " + share(progress, "blocks of 64 pages");
        case v1::AUDIT_PHASE_MEMORY: return "looking at memory: " + share(progress, "pages");
        case v1::AUDIT_PHASE_SETTLING:
            return progress.total() == 0
                       ? "looking at what differs"
                       : "looking again at what differs: " +
                             std::to_string(progress.total() - std::min(progress.done(), progress.total())) + " of " +
                             counted(progress.total(), "folio") + " may come and go still";
        case v1::AUDIT_PHASE_OWNERS: return "looking for owners: " + share(progress, "processes");
        case v1::AUDIT_PHASE_REPAIR: return "repairing: " + share(progress, "pins") + " adopted";
        default: return "at work";
    }
}

void ProgressLine::show(const std::string& text)
{
    shown_ = true;
    out_ << kAnew << text << std::flush;
}

void ProgressLine::clear()
{
    if (shown_) {
        out_ << kAnew << std::flush;
        shown_ = false;
    }
}

}  // namespace pinwarden::cli
