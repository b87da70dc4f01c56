// Writes down what is known of pins, from time to time and at the end, for the daemon that comes after this one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "app/engine.h"
#include "app/former_ledger.h"
#include "base/result.h"
#include "decode/decoder.h"
#include "kernel/programs.h"
#include "kernel/ring_reader.h"

namespace pinwarden {

class PinKeeper {
public:
    // What must outlive it.
    struct Parts {
        const Programs& programs;
        const RingReader& ring;
        const Clock& clock;
        PageGeometry geometry;
        // Has `act` run by the thread that owns the engine and reads the ring; not when that has ended.
        std::function<void(std::function<void(Engine&)> act)> on_engine;
    };

    // `folder`: where the file is kept.
    PinKeeper(const std::string& folder, Parts parts);

    // What the daemon before has left. Error code ENOENT: nothing, or nothing of this start of the machine; else what
    // is wrong with it.
    [[nodiscard]] Result<std::unique_ptr<FormerLedger>> former(CgroupNamer& cgroups, FormerLedger::Gone gone) const;

    // Writes it down if enough has happened since the last time.
    Result<void> look();
    // The same in any case, when nobody runs the engine any more.
    Result<void> end(Engine& engine);

private:
    [[nodiscard]] bool is_due() const;
    [[nodiscard]] CheckpointHead head(const Engine& engine) const;
    Result<void> write(const std::string& text);

    std::string path_;
    std::string boot_id_;
    Parts parts_;
    std::optional<std::uint64_t> kept_position_;
    Nanoseconds kept_at_ = 0;
};

}  // namespace pinwarden
