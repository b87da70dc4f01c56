// At which addresses of which process the pages of pins are mapped. Addresses are counted in base pages.
//
// A page of a pin may be mapped at one address or, once that was taken away, at none; at one address there may be pages
// of several pins (the same buffer, registered twice). The index knows nothing of releases of single pages: what is
// still pinned is for the ledger to say.
//
// Cost, with S pieces in an address space (about one for each pin, two more where pins overlap): O(log S) for each call
// and O(1) for each piece it touches.
#pragma once

#include <absl/container/btree_map.h>
#include <absl/container/flat_hash_map.h>
#include <absl/container/inlined_vector.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace pinwarden {

// Pages of one pin, from `position` of the pin on, that are mapped from address page `first` on.
struct MappedPages {
    std::uint64_t first = 0;
    std::uint64_t pages = 0;
    std::uint64_t pin = 0;
    std::uint64_t position = 0;

    friend bool operator==(const MappedPages&, const MappedPages&) = default;
};

class AddressIndex {
public:
    // `space` is the number of an address space. None of these positions of the pin may be mapped yet.
    void insert(std::uint64_t space, const MappedPages& mapped);

    // Takes everything out that is mapped on [first, first + pages): by pin, then position, joined where it goes on.
    std::vector<MappedPages> take(std::uint64_t space, std::uint64_t first, std::uint64_t pages);

    // Takes out all of a pin.
    void erase(std::uint64_t pin);

    // In all address spaces.
    [[nodiscard]] std::size_t pieces() const { return pieces_; }

private:
    struct Holder {
        std::uint64_t pin = 0;
        std::uint64_t position = 0;  // of the piece's first page

        friend auto operator<=>(const Holder&, const Holder&) = default;
    };
    struct Piece {
        std::uint64_t end = 0;
        absl::InlinedVector<Holder, 1> holders;  // sorted
    };
    // By first page; they do not overlap, and none is without holders.
    using Space = absl::btree_map<std::uint64_t, Piece>;
    // Where pages of a pin are.
    struct Place {
        std::uint64_t space = 0;
        std::uint64_t first = 0;
        std::uint64_t end = 0;
    };

    void split(Space& space, std::uint64_t at);
    void join(Space& space, std::uint64_t at);
    void remember(std::uint64_t pin, Place place);
    void forget(std::uint64_t space, const MappedPages& mapped);
    void erase(const Place& place, std::uint64_t pin);

    absl::flat_hash_map<std::uint64_t, Space> spaces_;
    absl::flat_hash_map<std::uint64_t, absl::InlinedVector<Place, 1>> places_;
    std::size_t pieces_ = 0;
};

}  // namespace pinwarden
