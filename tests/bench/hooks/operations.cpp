#include "hooks/operations.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <stdexcept>

#include "base/fd.h"
#include "hooks/buffer_ring.h"
#include "hooks/memory.h"
#include "hooks/need.h"
#include "support/machine.h"
#include "support/process.h"

namespace pinwarden::bench {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20U;
constexpr std::size_t kBigWrite = 32 * kPage;
constexpr int kAnybody = 0666;

OwnedFd open_file(const std::string& path, int flags)
{
    OwnedFd file(open(path.c_str(), flags | O_CLOEXEC, kAnybody));
    need(file.valid(), "open " + path);
    return file;
}

// This one has pinned, which is remembered of its address space.
Cost in_another_process(Cost (*measured)())
{
    std::array<int, 2> ends{};
    need(pipe2(ends.data(), O_CLOEXEC) == 0, "make a pipe");
    const OwnedFd out(ends[0]);
    OwnedFd in(ends[1]);
    const pid_t child = fork();
    need(child >= 0, "fork");
    if (child == 0) {
        const Cost cost = measured();
        _exit(write(in.get(), &cost, sizeof(cost)) == sizeof(cost) ? 0 : 1);
    }
    in.reset();
    Cost cost;
    const bool told = read(out.get(), &cost, sizeof(cost)) == sizeof(cost);
    waitpid(child, nullptr, 0);
    need(told, "measure in another process");
    return cost;
}

}  // namespace

struct Operations::World {
    Memory scattered{64 * kMiB, Pages::kScattered};
    Memory huge{64 * kMiB, Pages::kHuge};
    Memory elsewhere{std::size_t{1} << 30U, Pages::kScattered};
    BufferRing ring;
    BufferRing other_ring;
    std::unique_ptr<pinner::Device> rdma;
    std::unique_ptr<pinner::Device> vfio;
    OwnedFd disk;
    OwnedFd memfd;
    OwnedFd ext4_file;
    OwnedFd tmpfs_file;
    OwnedFd pinned_file;
    Memory buffer{kBigWrite, Pages::kScattered};
    std::span<std::byte> pinned_page;
};

Operations::Operations() : world_(std::make_unique<World>())
{
    auto& machine = test::Machine::instance();
    machine.rdma("rw");
    world_->rdma = need(pinner::open_rdma(false), "open the RDMA device");
    // "vfio GROUP rw"
    const std::string device = machine.vfio("rw");
    const auto at = device.find('/');
    world_->vfio = need(pinner::open_vfio(device.substr(at, device.find(' ', at) - at)), "open the VFIO group");
    if (test::shell("modprobe null_blk").status != 0) {
        throw std::runtime_error("this kernel has no null_blk");
    }
    world_->disk = open_file("/dev/nullb0", O_RDWR | O_DIRECT);
    world_->memfd = OwnedFd(memfd_create("bench", MFD_CLOEXEC));
    world_->ext4_file = open_file(machine.folder("ext4") + "/unpinned", O_RDWR | O_CREAT);
    const std::string tmpfs = machine.folder("tmpfs");
    world_->tmpfs_file = open_file(tmpfs + "/unpinned", O_RDWR | O_CREAT);
    world_->pinned_file = open_file(tmpfs + "/pinned", O_RDWR | O_CREAT);
    need(ftruncate(world_->pinned_file.get(), 4 * kPage) == 0, "make a file");
    void* const page = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, world_->pinned_file.get(), 0);
    need(page != MAP_FAILED, "map a file");
    world_->pinned_page = {static_cast<std::byte*>(page), kPage};
    registrations();
    direct_writes();
    truncates();
    others();
}

Operations::~Operations() = default;

void Operations::registrations()
{
    World& world = *world_;
    const auto uring = [&world](std::span<std::byte> memory, std::size_t rounds, std::size_t page) {
        return [&world, memory, rounds, page] {
            return measure(rounds, memory.size() / page, [&] {
                world.ring.add(memory);
                world.ring.remove();
            });
        };
    };
    all_.push_back(
        {"io_uring register + unregister, 4 KiB pages", "page", uring(world.scattered.first(4 * kMiB), 20, kPage)});
    all_.push_back({"io_uring register + unregister, huge pages", "2 MiB", uring(world.huge.bytes(), 20, kHugePage)});
    const auto device = [](pinner::Device& driver, std::span<std::byte> memory, std::size_t rounds, std::size_t page) {
        return [&driver, memory, rounds, page] {
            return measure(rounds, memory.size() / page,
                           [&] { need(driver.pin(memory, pinner::Access::kReadWrite), "register memory"); });
        };
    };
    all_.push_back(
        {"RDMA reg_mr + dereg_mr, 4 KiB", "page", device(*world.rdma, world.scattered.first(kPage), 100, kPage)});
    all_.push_back(
        {"RDMA reg_mr + dereg_mr, 1 MiB", "page", device(*world.rdma, world.scattered.first(kMiB), 20, kPage)});
    all_.push_back({"RDMA reg_mr + dereg_mr, 64 MiB", "page", device(*world.rdma, world.scattered.bytes(), 2, kPage)});
    all_.push_back(
        {"VFIO map + unmap, 4 KiB pages", "page", device(*world.vfio, world.scattered.first(4 * kMiB), 10, kPage)});
    all_.push_back({"VFIO map + unmap, huge pages", "2 MiB", device(*world.vfio, world.huge.bytes(), 4, kHugePage)});
}

void Operations::direct_writes()
{
    World& world = *world_;
    const auto write = [&world](std::size_t bytes) {
        return [&world, bytes] {
            return measure(200, 1, [&] {
                need(pwrite(world.disk.get(), world.buffer.bytes().data(), bytes, 0) == static_cast<ssize_t>(bytes),
                     "write past the page cache");
            });
        };
    };
    const auto beside_pins = [&world, write](std::size_t bytes) {
        return [&world, write, bytes] {
            world.other_ring.add(world.elsewhere.bytes());
            const Cost cost = write(bytes)();
            world.other_ring.remove();
            return cost;
        };
    };
    all_.push_back({"O_DIRECT write of 4 KiB, nothing pinned", "call", write(kPage)});
    all_.push_back({"O_DIRECT write of 128 KiB, nothing pinned", "call", write(kBigWrite)});
    all_.push_back({"O_DIRECT write of 4 KiB, 1 GiB pinned elsewhere", "call", beside_pins(kPage)});
    all_.push_back({"O_DIRECT write of 128 KiB, 1 GiB pinned elsewhere", "call", beside_pins(kBigWrite)});
}

void Operations::truncates()
{
    World& world = *world_;
    // Every second one makes the file shorter.
    const auto toggle = [](const OwnedFd& file, off_t shorter, off_t longer) {
        return [&file, shorter, longer] {
            off_t size = longer;
            return measure(500, 1, [&] {
                size = size == longer ? shorter : longer;
                need(ftruncate(file.get(), size) == 0, "truncate a file");
            });
        };
    };
    all_.push_back({"ftruncate of an unpinned memfd", "call", toggle(world.memfd, 0, kPage)});
    all_.push_back({"ftruncate of an unpinned ext4 file", "call", toggle(world.ext4_file, 0, kPage)});
    const auto pinned = [&world](const std::function<Cost()>& truncates) {
        return [&world, truncates] {
            world.other_ring.add(world.pinned_page);
            const Cost cost = truncates();
            world.other_ring.remove();
            return cost;
        };
    };
    all_.push_back({"ftruncate behind a pinned page", "call", pinned(toggle(world.pinned_file, 2 * kPage, 4 * kPage))});
    denied_ = {"ftruncate of a pinned page, denied", "call", pinned([&world] {
                   return measure(200, 1, [&] {
                       if (ftruncate(world.pinned_file.get(), 0) == 0 || errno != EBUSY) {
                           throw std::runtime_error("a truncate was not denied");
                       }
                   });
               })};
}

void Operations::others()
{
    World& world = *world_;
    all_.push_back({"read of 4 KiB, tmpfs", "call", [&world] {
                        return measure(500, 1, [&] {
                            need(pread(world.tmpfs_file.get(), world.buffer.bytes().data(), kPage, 0) == kPage, "read");
                        });
                    }});
    need(pwrite(world.tmpfs_file.get(), world.buffer.bytes().data(), kPage, 0) == kPage, "write a file");
    all_.push_back({"write of 4 KiB, tmpfs", "call", [&world] {
                        return measure(500, 1, [&] {
                            need(pwrite(world.tmpfs_file.get(), world.buffer.bytes().data(), kPage, 0) == kPage,
                                 "write");
                        });
                    }});
    all_.push_back({"mmap + munmap, no pins in the process", "call", [] {
                        return in_another_process([] {
                            return measure(500, 1, [] {
                                void* const mapped =
                                    mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                                munmap(mapped, kPage);
                            });
                        });
                    }});
}

}  // namespace pinwarden::bench
