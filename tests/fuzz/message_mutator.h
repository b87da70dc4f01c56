// Changes of messages that leave them messages: bytes that are changed anywhere mostly are none any more.
#pragma once

#include <google/protobuf/message.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer gives it this name.
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

namespace pinwarden::fuzz {

using Random = std::minstd_rand;

// Small, at a border, near what it was, or any.
std::uint64_t mutate_number(std::uint64_t before, Random& random);

// One field somewhere in the message, set ones first: given, taken away, doubled, or with another value.
void mutate_message(google::protobuf::Message& message, Random& random);

}  // namespace pinwarden::fuzz
