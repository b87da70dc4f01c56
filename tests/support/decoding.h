// Decoding single records, and why some are refused.
#pragma once

#include <catch2/catch.hpp>
#include <string>
#include <variant>

#include "decode/decoder.h"
#include "support/records.h"

namespace pinwarden::test {

inline const Decoder kDecoder(kGeometry);

template <typename T>
T decoded(const Bytes& record)
{
    const auto event = kDecoder.decode(record);
    INFO((event ? "" : event.error().message));
    REQUIRE(event.has_value());
    REQUIRE(std::holds_alternative<T>(*event));
    return std::get<T>(*event);
}

inline std::string refusal(const Bytes& record)
{
    const auto event = kDecoder.decode(record);
    return event ? "accepted" : event.error().message;
}

template <typename T, typename Change>
std::string refusal_of(T raw, Change change)
{
    change(raw);
    return refusal(bytes_of(raw));
}

}  // namespace pinwarden::test
