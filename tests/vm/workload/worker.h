// One process of the workload: pins, lets go and disturbs, as its random numbers say, and knows what it holds.
//
// Driven through standard input, answers on standard output:
//   run SEED COUNT   does COUNT operations; answers "done", and how often each was done: "done pin=12 refused=3 ..."
//   report           answers a line "HOLDS PID DRIVER ADDRESS BYTES" for each registration, then "end"
//   heir             leaves a process that holds all its devices open until it is told to end by its own standard
//                    input's end; answers its pid
// Its end lets go of everything, but for what an heir holds.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "buffer_table.h"
#include "holder.h"
#include "memory.h"
#include "pinner/device.h"

namespace workload {

// What the ledger must say of a registration.
struct Held {
    int pid = 0;
    std::string driver;
    std::uintptr_t address = 0;
    std::size_t bytes = 0;
};
std::string to_string(const Held& held);

class Worker {
public:
    struct Equipment {
        Places places;
        std::string vfio_group;  // empty: without
    };
    static Result<std::unique_ptr<Worker>> create(const Equipment& equipment);

    // Counts by name. Fails only when something is wrong with the workload itself.
    Result<std::map<std::string, std::uint64_t>> run(std::uint64_t seed, std::uint64_t count);
    [[nodiscard]] std::vector<Held> report() const;

private:
    struct Registered {
        Held held;
        std::unique_ptr<pinner::Registration> registration;
    };
    // The buffers of a ring and of those cloned from it. A slot's memory is held until no ring has it.
    struct Ring {
        std::unique_ptr<BufferTable> table;
        std::map<unsigned, std::shared_ptr<Held>> slots;
    };
    struct Child {
        Holder holder;
        Held held;
    };
    using Operation = std::string (Worker::*)();

    Worker() = default;

    std::uint64_t below(std::uint64_t limit);
    bool one_in(std::uint64_t times) { return below(times) == 0; }
    Area& any_area();
    std::span<std::byte> any_part(const Area& area);

    // Each returns what is counted.
    std::string pin();
    std::string pin_over_hole();
    std::string release();
    std::string set_slot();
    std::string empty_slot();
    std::string clear_ring();
    std::string close_ring();
    std::string clone_ring();
    std::string direct_io();
    std::string touch();
    std::string resize();
    std::string punch();
    std::string drop();
    std::string map_anew();
    std::string fork_and_exit();
    std::string fork_and_hold();
    std::string end_holder();

    Result<Ring*> any_ring();
    static Held held_by(int pid, const std::string& driver, std::span<std::byte> part);

    std::mt19937_64 random_;
    std::vector<Area> areas_;
    std::map<std::string, std::unique_ptr<pinner::Device>> devices_;  // by the driver's name
    std::vector<Registered> registered_;
    std::vector<Ring> rings_;
    std::vector<Child> holders_;
    OwnedFd scratch_;  // a file opened with O_DIRECT
};

}  // namespace workload
