#include "base/result.h"

#include <system_error>

namespace pinwarden {

Error system_error(const std::string& message, int code)
{
    const int positive = code < 0 ? -code : code;
    return {message + ": " + std::generic_category().message(positive), positive};
}

}  // namespace pinwarden
