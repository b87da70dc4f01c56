#include "cli/terminal.h"

#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <charconv>
#include <clocale>
#include <string_view>
#include <system_error>

namespace pinwarden::cli {

std::size_t terminal_columns(int file, const std::string& environment)
{
    constexpr std::size_t kUsual = 80;
    if (::isatty(file) != 1) {
        return 0;
    }
    std::size_t columns = 0;
    const char* const end = environment.data() + environment.size();
    const auto [read_to, error] = std::from_chars(environment.data(), end, columns);
    if (error == std::errc() && read_to == end && columns > 0) {
        return columns;
    }
    winsize size{};
    return ::ioctl(file, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kUsual;
}

std::string_view ellipsis_of_locale()
{
    constexpr std::string_view kDots = "...";
    const locale_t locale = ::newlocale(LC_CTYPE_MASK, "", nullptr);
    if (locale == nullptr) {
        return kDots;
    }
    const bool unicode = std::string_view(::nl_langinfo_l(CODESET, locale)) == "UTF-8";
    ::freelocale(locale);
    return unicode ? "\u2026" : kDots;
}

}  // namespace pinwarden::cli
