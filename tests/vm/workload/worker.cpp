#include "worker.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <numeric>
#include <utility>

namespace workload {
namespace {

using pinwarden::system_error;

constexpr std::size_t kPage = 4096;
constexpr std::size_t kMostRegistered = 24;
constexpr std::size_t kMostRings = 3;
constexpr std::size_t kMostHolders = 3;

std::span<std::byte> pages_of(const Area& area, std::size_t first, std::size_t count)
{
    return area.bytes().subspan(first * kPage, count * kPage);
}

}  // namespace

std::string to_string(const Held& held)
{
    return std::to_string(held.pid) + " " + held.driver + " " + std::to_string(held.address) + " " +
           std::to_string(held.bytes);
}

Result<std::unique_ptr<Worker>> Worker::create(const Equipment& equipment)
{
    auto worker = std::unique_ptr<Worker>(new Worker());
    auto areas = make_areas(equipment.places);
    if (!areas) {
        return std::unexpected(areas.error());
    }
    worker->areas_ = std::move(*areas);
    std::map<std::string, Result<std::unique_ptr<pinner::Device>>> devices;
    devices.emplace("rdma_rxe", pinner::open_rdma(false));
    devices.emplace("xdp", pinner::open_xdp());
    if (!equipment.vfio_group.empty()) {
        devices.emplace("vfio", pinner::open_vfio(equipment.vfio_group));
    }
    for (auto& [driver, device] : devices) {
        if (!device) {
            return std::unexpected(device.error().within(driver));
        }
        worker->devices_.emplace(driver, std::move(*device));
    }
    const std::string scratch = equipment.places.ext4 + "/scratch-" + std::to_string(getpid());
    worker->scratch_ = OwnedFd(open(scratch.c_str(), O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600));
    if (!worker->scratch_.valid() || ftruncate(worker->scratch_.get(), 1 << 20) != 0) {
        return std::unexpected(system_error(scratch, errno));
    }
    return worker;
}

Result<std::map<std::string, std::uint64_t>> Worker::run(std::uint64_t seed, std::uint64_t count)
{
    struct Weighted {
        Operation operation;
        unsigned weight;
    };
    static const std::array operations{
        Weighted{&Worker::pin, 22},          Weighted{&Worker::release, 20},      Weighted{&Worker::set_slot, 16},
        Weighted{&Worker::empty_slot, 10},   Weighted{&Worker::touch, 8},         Weighted{&Worker::direct_io, 8},
        Weighted{&Worker::resize, 4},        Weighted{&Worker::punch, 3},         Weighted{&Worker::drop, 3},
        Weighted{&Worker::map_anew, 1},      Weighted{&Worker::clear_ring, 1},    Weighted{&Worker::close_ring, 1},
        Weighted{&Worker::clone_ring, 1},    Weighted{&Worker::pin_over_hole, 1}, Weighted{&Worker::fork_and_exit, 1},
        Weighted{&Worker::fork_and_hold, 1}, Weighted{&Worker::end_holder, 1},
    };
    static const auto total = std::accumulate(operations.begin(), operations.end(), 0U,
                                              [](unsigned sum, const Weighted& one) { return sum + one.weight; });
    random_.seed(seed);
    std::map<std::string, std::uint64_t> counts;
    for (std::uint64_t i = 0; i < count; ++i) {
        std::uint64_t at = below(total);
        const auto* chosen = operations.begin();
        for (; at >= chosen->weight; ++chosen) {
            at -= chosen->weight;
        }
        const std::string outcome = (this->*chosen->operation)();
        if (outcome.starts_with("broken")) {
            return pinwarden::fail(outcome);
        }
        ++counts[outcome];
    }
    return counts;
}

std::vector<Held> Worker::report() const
{
    std::vector<Held> all;
    for (const Registered& one : registered_) {
        all.push_back(one.held);
    }
    std::vector<const Held*> slots;  // one that several rings have is held once
    for (const Ring& ring : rings_) {
        for (const auto& [slot, held] : ring.slots) {
            if (std::ranges::find(slots, held.get()) == slots.end()) {
                slots.push_back(held.get());
                all.push_back(*held);
            }
        }
    }
    for (const auto& [holder, held] : holders_) {
        all.push_back(held);
    }
    return all;
}

std::uint64_t Worker::below(std::uint64_t limit)
{
    // Not a distribution: those differ between libraries, and a seed should mean the same everywhere.
    return random_() % limit;
}

Area& Worker::any_area()
{
    return areas_[below(areas_.size())];
}

// Mostly a few pages, now and then all of it.
std::span<std::byte> Worker::any_part(const Area& area)
{
    const std::size_t pages = area.bytes().size() / kPage;
    const std::size_t usual = one_in(4) ? std::min<std::size_t>(pages, 64) : 16;
    const std::size_t most = one_in(16) ? pages : usual;
    const std::size_t count = 1 + below(most);
    return pages_of(area, below(pages - count + 1), count);
}

Held Worker::held_by(int pid, const std::string& driver, std::span<std::byte> part)
{
    return {pid, driver, reinterpret_cast<std::uintptr_t>(part.data()), part.size()};
}

std::string Worker::pin()
{
    if (registered_.size() >= kMostRegistered) {
        return release();
    }
    const auto device = std::next(devices_.begin(), static_cast<std::ptrdiff_t>(below(devices_.size())));
    Area& area = any_area();
    const auto part = any_part(area);
    const auto access = one_in(2) ? pinner::Access::kReadOnly : pinner::Access::kReadWrite;
    if (access == pinner::Access::kReadOnly) {
        // Of memory that was never written VFIO gets the kernel's page of zeroes, of which it keeps no pin.
        static_cast<void>(Area::write(part));
    }
    auto registration = device->second->pin(part, access);
    if (!registration) {
        return "pin-refused-" + device->first;
    }
    registered_.push_back({held_by(getpid(), device->first, part), std::move(*registration)});
    return "pin-" + device->first;
}

// Pins the first part, then meets nothing, and has to undo it.
std::string Worker::pin_over_hole()
{
    constexpr std::size_t kPages = 24;
    void* mapped = mmap(nullptr, kPages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) {
        return "broken mmap";
    }
    const std::span<std::byte> memory(static_cast<std::byte*>(mapped), kPages * kPage);
    munmap(memory.data() + (1 + below(kPages - 1)) * kPage, kPage);
    const auto device = std::next(devices_.begin(), static_cast<std::ptrdiff_t>(below(devices_.size())));
    const bool pinned = device->second->pin(memory, pinner::Access::kReadWrite).has_value();
    munmap(memory.data(), memory.size());
    return pinned ? "broken pin over a hole" : "pin-over-hole";
}

std::string Worker::release()
{
    if (registered_.empty()) {
        return "nothing";
    }
    std::swap(registered_[below(registered_.size())], registered_.back());
    registered_.pop_back();
    return "release";
}

Result<Worker::Ring*> Worker::any_ring()
{
    if (rings_.size() < kMostRings && (rings_.empty() || one_in(8))) {
        auto table = BufferTable::create();
        if (!table) {
            return std::unexpected(table.error());
        }
        rings_.push_back({std::move(*table), {}});
    }
    return &rings_[below(rings_.size())];
}

std::string Worker::set_slot()
{
    const auto ring = any_ring();
    if (!ring) {
        return "broken " + ring.error().message;
    }
    const auto slot = static_cast<unsigned>(below(BufferTable::kSlots));
    const auto part = any_part(any_area());
    if (!(*ring)->table->set(slot, part)) {
        return "slot-refused";
    }
    (*ring)->slots[slot] = std::make_shared<Held>(held_by(getpid(), "io_uring", part));
    return "slot";
}

std::string Worker::empty_slot()
{
    const auto ring = any_ring();
    if (!ring) {
        return "broken " + ring.error().message;
    }
    const auto slot = static_cast<unsigned>(below(BufferTable::kSlots));
    if (const auto emptied = (*ring)->table->set(slot, {}); !emptied) {
        return "broken empty slot: " + emptied.error().message;
    }
    (*ring)->slots.erase(slot);
    return "slot-emptied";
}

std::string Worker::clear_ring()
{
    const auto ring = any_ring();
    if (!ring) {
        return "broken " + ring.error().message;
    }
    if (const auto cleared = (*ring)->table->clear(); !cleared) {
        return "broken clear: " + cleared.error().message;
    }
    (*ring)->slots.clear();
    return "ring-cleared";
}

std::string Worker::close_ring()
{
    if (rings_.empty()) {
        return "nothing";
    }
    std::swap(rings_[below(rings_.size())], rings_.back());
    rings_.pop_back();
    return "ring-closed";
}

std::string Worker::clone_ring()
{
    if (rings_.empty() || rings_.size() > kMostRings) {
        return "nothing";
    }
    const Ring& source = rings_[below(rings_.size())];
    auto table = source.table->clone();
    if (!table) {
        return table.error().code == ENOTSUP ? "clone-not-supported" : "broken clone: " + table.error().message;
    }
    rings_.push_back({std::move(*table), source.slots});
    return "ring-cloned";
}

std::string Worker::direct_io()
{
    const auto part = any_part(any_area());
    const std::size_t bytes = std::min<std::size_t>(part.size(), 1U << 18U);
    const ssize_t done =
        one_in(2) ? pread(scratch_.get(), part.data(), bytes, 0) : pwrite(scratch_.get(), part.data(), bytes, 0);
    return done < 0 ? "direct-io-refused" : "direct-io";
}

std::string Worker::touch()
{
    Area& area = any_area();
    return Area::write(any_part(area)) ? "touch" : "touch-refused";
}

std::string Worker::resize()
{
    Area& area = any_area();
    if (!area.has_file()) {
        return "nothing";
    }
    const std::size_t all = area.bytes().size();
    // Mostly back to full size, or there would soon be nothing left to pin.
    const std::size_t bytes = one_in(3) ? below(all / area.page() + 1) * area.page() : all;
    if (!area.resize_file(bytes)) {
        return "resize-refused";
    }
    return bytes == all ? "grow" : "truncate";
}

std::string Worker::punch()
{
    Area& area = any_area();
    if (!area.has_file()) {
        return "nothing";
    }
    const std::size_t pages = area.bytes().size() / area.page();
    const std::size_t count = 1 + below(std::min<std::size_t>(pages, 8));
    return area.punch(below(pages - count + 1) * area.page(), count * area.page()) ? "punch" : "punch-refused";
}

std::string Worker::drop()
{
    Area& area = any_area();
    const std::size_t units = area.bytes().size() / area.page();
    const std::size_t count = 1 + below(std::min<std::size_t>(units, 16));
    return Area::drop(area.bytes().subspan(below(units - count + 1) * area.page(), count * area.page()))
               ? "drop"
               : "drop-refused";
}

std::string Worker::map_anew()
{
    if (const auto mapped = any_area().map_anew(); !mapped) {
        return "broken map anew: " + mapped.error().message;
    }
    return "map-anew";
}

std::string Worker::fork_and_exit()
{
    const pid_t child = fork();
    if (child < 0) {
        return "broken fork";
    }
    if (child == 0) {
        // Copies what is private, pinned or not.
        areas_.front().bytes().front() = std::byte{1};
        _exit(0);
    }
    waitpid(child, nullptr, 0);
    return "fork";
}

std::string Worker::fork_and_hold()
{
    if (holders_.size() >= kMostHolders) {
        return end_holder();
    }
    const std::string driver = one_in(2) ? "io_uring" : "rdma_rxe";
    const bool executes = driver == "io_uring" && one_in(2);
    const auto part = any_part(any_area());
    auto holder = Holder::create(driver, executes, part);
    if (!holder) {
        return "holder-refused";
    }
    const Held held = held_by(holder->pid(), driver, part);
    holders_.push_back({std::move(*holder), held});
    return executes ? "holder-exec" : "holder";
}

std::string Worker::end_holder()
{
    if (holders_.empty()) {
        return "nothing";
    }
    std::swap(holders_[below(holders_.size())], holders_.back());
    holders_.pop_back();
    return "holder-ended";
}

}  // namespace workload
