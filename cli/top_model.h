// What `pinctl top` shows, without a terminal: who holds most, and how that changes.
#pragma once

#include <pinwarden/v1/conflicts.pb.h>
#include <pinwarden/v1/pinwarden.pb.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cli/text.h"

namespace pinwarden::cli {

enum class TopSort { kBytes, kRate, kPins, kAge, kConflicts };

// One process that pins.
struct TopRow {
    v1::PinGroup group;           // by owner
    double rate = 0;              // bytes a second more than before; less where it is negative
    std::uint64_t conflicts = 0;  // of those that the daemon remembers: that met its pins
};

struct TopScreen {
    std::vector<std::string> head;  // above the rows, the titles last
    std::vector<std::string> rows;
};

class TopModel {
public:
    // What the daemon answers, at a time in seconds that only grows.
    void take(const v1::GroupPinsResponse& owners, const v1::ListConflictsResponse& conflicts, double now);

    // Lines within the columns that `style` has, without colours. On a wide screen there is more of each process; on a
    // narrow one what matters least is left out.
    [[nodiscard]] TopScreen screen(TopSort sort, const Style& style, const std::string& clock) const;
    [[nodiscard]] std::vector<TopRow> rows(TopSort sort) const;

private:
    // A process, by pid and when it started.
    using Owner = std::pair<std::uint32_t, std::int64_t>;

    static Owner owner_of(const v1::Process& process);

    v1::GroupPinsResponse answer_;
    std::vector<TopRow> rows_;
    std::map<Owner, std::uint64_t> bytes_;  // as they were last
    double taken_ = 0;
    bool first_ = true;
};

}  // namespace pinwarden::cli
