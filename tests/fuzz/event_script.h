// Bytes to records, as the kernel would write them: small numbers mostly, so that pins, files and pages meet, and now
// and then the largest that a record may hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>

#include "decode/event.h"
#include "support/records.h"

namespace pinwarden::fuzz {

class EventScript {
public:
    explicit EventScript(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

    [[nodiscard]] bool done() const { return bytes_.empty(); }

    // Next byte, 0 when there is none.
    std::uint8_t byte();
    // 0 .. limit - 1
    std::uint64_t below(std::uint64_t limit) { return byte() % limit; }

    // One record. Some follow from those before: a pin's ranges and lists.
    test::Bytes record();

private:
    // A pin that was announced, and how far its pages were listed.
    struct Announced {
        std::uint64_t pages = 0;
        std::uint64_t listed = 0;
    };

    test::Bytes pin();
    test::Bytes range();
    test::Bytes pages();
    test::Bytes release();
    test::Bytes release_object();
    test::Bytes user_stack();
    test::Bytes release_pages();
    test::Bytes file();
    test::Bytes exit();
    pw_task owner();
    pw_file_key file_key();
    std::uint64_t known_pin();
    // `small`, or once in 64 times `huge`.
    std::uint64_t mostly(std::uint64_t small, std::uint64_t huge) { return byte() % 64 == 63 ? huge : small; }

    std::span<const std::uint8_t> bytes_;
    std::uint64_t last_pin_ = 0;
    std::uint64_t time_ = 0;
    std::map<std::uint64_t, Announced> announced_;
    std::map<std::uint64_t, std::uint64_t> sequences_;  // by inode
};

}  // namespace pinwarden::fuzz
