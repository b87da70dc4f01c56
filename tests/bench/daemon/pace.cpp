#include "daemon/pace.h"

#include <array>
#include <vector>

#include "daemon/clock.h"
#include "hooks/buffer_ring.h"
#include "hooks/memory.h"

namespace pinwarden::bench {
namespace {

constexpr std::size_t kRings = 16;
constexpr std::size_t kBuffers = 64;

struct Slot {
    BufferRing ring;
    std::vector<iovec> pieces;
    bool registered = false;
};

std::uint64_t let_go(Slot& slot)
{
    if (!slot.registered) {
        return 0;
    }
    slot.ring.remove();
    slot.registered = false;
    return kBuffers;
}

}  // namespace

Paced pin_at(std::uint64_t rate, std::int64_t seconds, void (*start)())
{
    const Memory memory(kRings * kBuffers * kPage, Pages::kScattered);
    std::array<Slot, kRings> slots;
    for (std::size_t page = 0; page < kRings * kBuffers; ++page) {
        slots.at(page / kBuffers).pieces.push_back({&memory.bytes()[page * kPage], kPage});
    }
    start();
    Paced done;
    const std::int64_t begin = now();
    const std::int64_t end = begin + seconds * kSecond;
    for (std::size_t turn = 0; now() < end; ++turn) {
        const auto due = static_cast<double>(done.events) / static_cast<double>(rate) * static_cast<double>(kSecond);
        sleep_until(begin + static_cast<std::int64_t>(due));
        Slot& slot = slots.at(turn % kRings);
        done.events += let_go(slot);
        slot.ring.add(slot.pieces);
        slot.registered = true;
        done.events += kBuffers;
    }
    for (Slot& slot : slots) {
        done.events += let_go(slot);
    }
    done.nanoseconds = now() - begin;
    return done;
}

}  // namespace pinwarden::bench
