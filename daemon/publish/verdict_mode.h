// A verdict as the API has it, "would_deny", taken apart: what is or would be done, and whether it is.
#pragma once

#include <string_view>

namespace pinwarden {

struct VerdictMode {
    std::string_view verdict;  // allow, deny, hold, notify, signal
    std::string_view mode;     // enforce, monitor; none: no policy had anything to say
};

// `verdict` must outlive what is returned.
constexpr VerdictMode take_apart(std::string_view verdict)
{
    constexpr std::string_view kWould = "would_";
    if (verdict.starts_with(kWould)) {
        return {verdict.substr(kWould.size()), "monitor"};
    }
    return {verdict, verdict == "allow" ? "none" : "enforce"};
}

}  // namespace pinwarden
