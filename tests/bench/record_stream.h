// Records as the ring holds them, made before anything is measured.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "decode/event.h"

namespace pinwarden::bench {

// What a driver's call pins: so many pages, in runs of so many consecutive ones.
struct PinShape {
    std::uint64_t pin_pages = 0;
    std::uint64_t run_pages = 0;
    // Runs lie anywhere, pages apart; else pin follows upon pin as memory does.
    bool shuffled = false;

    [[nodiscard]] std::uint64_t runs() const { return pin_pages / run_pages; }
};

// Where `pins` pins of the shape are: pin after pin, the runs of each in the order of their positions. The same each
// time.
std::vector<PageNumber> places(const PinShape& shape, std::size_t pins);

// One after the other in one piece of memory.
class RecordStream {
public:
    void add(std::span<const std::byte> record);
    void clear();
    [[nodiscard]] std::size_t size() const { return ends_.size(); }
    [[nodiscard]] std::span<const std::byte> operator[](std::size_t i) const;

private:
    std::vector<std::byte> bytes_;
    std::vector<std::size_t> ends_;
};

// How a driver lets go of all of a pin.
enum class ReleaseBy {
    kLists,  // lists of pages, as long as a record can be: unpin_user_pages()
    kRuns,   // a record for each run: unpin_user_page_range_dirty_lock(), as RDMA does for each scatter entry
};

// Pin number `pin`, whose runs start at the given pages. One in 64 is a file's: it comes with its range; one in 256
// with a truncate, too, that meets it.
void add_pin(RecordStream& stream, std::uint64_t pin, const PinShape& shape, std::span<const PageNumber> runs);
void add_release(RecordStream& stream, std::uint64_t pin, const PinShape& shape, std::span<const PageNumber> runs,
                 ReleaseBy by);
// The names of the files that add_pin() pins, and of what owns the pins: to come before the first pin.
void add_names(RecordStream& stream);

}  // namespace pinwarden::bench
