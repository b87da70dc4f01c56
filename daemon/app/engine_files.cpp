// What the engine does about the kernel's table of files with pins when that is full.
#include "app/engine.h"

namespace pinwarden {

void Engine::make_room()
{
    if (!room_) {
        return;
    }
    const bool was_full = room_->full();
    warn(room_->step(ledger_, around_.clock.now()));
    const std::string room = std::to_string(around_.files->capacity());
    if (room_->full() && !was_full) {
        around_.log_warning("max_files (" + room +
                            ") is reached: operations on further files with pins are decided by their pages, and as "
                            "\"unresolved\" where a policy selects by pins, until there is room again");
    } else if (was_full && !room_->full()) {
        around_.log_warning("there is room below max_files (" + room + ") again: every file with pins is known");
        holds_.look_again();
    }
}

}  // namespace pinwarden
