// For set-up that has to work.
#pragma once

#include <cerrno>
#include <stdexcept>
#include <string>
#include <utility>

#include "base/result.h"

namespace pinwarden::bench {

// Throws std::runtime_error with the error's message.
template <typename Value>
Value need(Result<Value> result, const std::string& what)
{
    if (!result) {
        throw std::runtime_error(what + ": " + result.error().message);
    }
    return std::move(*result);
}

// The same for what leaves an errno.
inline void need(bool done, const std::string& what)
{
    if (!done) {
        throw std::runtime_error(system_error(what, errno).message);
    }
}

}  // namespace pinwarden::bench
