#include "ledger/driver.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>

namespace pinwarden {
namespace {

constexpr std::size_t kNameLength = 32;

// Built-in functions that only pass pins on: gup itself, our own programs on top of it, and helpers between gup and
// whoever wanted the pages.
constexpr std::array<std::string_view, 22> kPassThrough = {
    "pin_user_page",
    "__pin_user_page",
    "get_user_page",
    "__get_user_page",
    "__gup_longterm",
    "internal_get_user_",
    "gup_",
    "__gup_",
    "memfd_pin_folios",
    "check_and_migrate_movable_",
    "migrate_longterm_",
    "collect_longterm_",
    "folio_add_pin",
    "iov_iter_",
    "__iov_iter_",
    "extract_iter_to_sg",
    "extract_user_",
    "netfs_extract_user",
    "bpf_",
    "__bpf_",
    "___bpf_",
    "ftrace_",
};

struct Prefix {
    std::string_view symbol;
    std::string_view name;
};

// Layers between gup and the device's own driver: they give the name only when no driver follows.
constexpr std::array kLayerModules = {std::string_view("ib_uverbs"), std::string_view("ib_core")};
constexpr std::array kLayerPrefixes = {
    Prefix{"ib_umem_", "ib_uverbs"}, Prefix{"__ib_umem_", "ib_uverbs"}, Prefix{"ib_uverbs_", "ib_uverbs"},
    Prefix{"uverbs_", "ib_uverbs"},  Prefix{"ib_", "ib_core"},
};

// Modules that are known by another name: several belong to one driver.
constexpr std::array kModulePrefixes = {Prefix{"vfio", "vfio"}, Prefix{"kvm", "kvm"}};

// Drivers that may be built in, by how their functions begin. Direct I/O is what the page cache's bypass pins for,
// whatever file system or block device it goes to; "block" are pass-through requests (SG_IO, NVMe ioctls).
constexpr std::array kDriverPrefixes = {
    Prefix{"iommufd_", "iommufd"},
    Prefix{"iopt_", "iommufd"},
    Prefix{"pfn_reader_", "iommufd"},
    Prefix{"io_", "io_uring"},
    Prefix{"__io_", "io_uring"},
    Prefix{"__x64_sys_io_uring_", "io_uring"},
    Prefix{"__arm64_sys_io_uring_", "io_uring"},
    Prefix{"__se_sys_io_uring_", "io_uring"},
    Prefix{"__do_sys_io_uring_", "io_uring"},
    Prefix{"xdp_", "xdp"},
    Prefix{"xsk_", "xdp"},
    Prefix{"__xsk_", "xdp"},
    Prefix{"vfio_", "vfio"},
    Prefix{"vaddr_get_pfn", "vfio"},
    Prefix{"kvm_", "kvm"},
    Prefix{"__kvm_", "kvm"},
    Prefix{"sev_", "kvm"},
    Prefix{"hva_to_pfn", "kvm"},
    Prefix{"process_vm_", "process_vm"},
    Prefix{"udmabuf_", "udmabuf"},
    Prefix{"bio_map_user_", "block"},
    Prefix{"blk_rq_map_", "block"},
    Prefix{"bio_iov_iter_", "direct_io"},
    Prefix{"__bio_iov_iter_", "direct_io"},
    Prefix{"iomap_dio_", "direct_io"},
    Prefix{"__iomap_dio_", "direct_io"},
    Prefix{"blkdev_direct_", "direct_io"},
    Prefix{"__blkdev_direct_", "direct_io"},
    Prefix{"__blockdev_direct_", "direct_io"},
    Prefix{"do_blockdev_direct_", "direct_io"},
    Prefix{"do_direct_IO", "direct_io"},
    Prefix{"dio_", "direct_io"},
};

template <typename Table>
std::optional<std::string_view> by_prefix(const Table& table, std::string_view name)
{
    const auto found =
        std::find_if(table.begin(), table.end(), [&](const Prefix& prefix) { return name.starts_with(prefix.symbol); });
    return found == table.end() ? std::nullopt : std::optional(found->name);
}

bool passes_through(const Frame& frame)
{
    // Programs and trampolines are listed as module "bpf".
    return frame.module == "bpf" || std::any_of(kPassThrough.begin(), kPassThrough.end(), [&](std::string_view prefix) {
               return frame.module.empty() && frame.symbol.starts_with(prefix);
           });
}

std::optional<std::string_view> layer(const Frame& frame)
{
    if (frame.module.empty()) {
        return by_prefix(kLayerPrefixes, frame.symbol);
    }
    const auto found = std::find(kLayerModules.begin(), kLayerModules.end(), frame.module);
    return found == kLayerModules.end() ? std::nullopt : std::optional(*found);
}

std::optional<std::string_view> driver(const Frame& frame)
{
    if (frame.module.empty()) {
        return by_prefix(kDriverPrefixes, frame.symbol);
    }
    const auto known = by_prefix(kModulePrefixes, frame.module);
    return known ? known : std::optional<std::string_view>(frame.module);
}

// A driver's name is a metric label and part of policies: nothing but what a kernel module is called gets through.
std::string sanitized(std::string_view name)
{
    const bool fit = !name.empty() && name.size() <= kNameLength && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    });
    return std::string(fit ? name : "unknown");
}

}  // namespace

std::string to_string(const Frame& frame)
{
    // The address itself is never shown.
    if (frame.symbol.empty()) {
        return "unknown";
    }
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string offset;
    for (std::uint64_t rest = frame.offset; rest > 0 || offset.empty(); rest >>= 4U) {
        offset.insert(offset.begin(), kDigits[rest & 0xfU]);
    }
    std::string text = frame.symbol + "+0x" + offset;
    if (!frame.module.empty()) {
        text += " [" + frame.module + "]";
    }
    return text;
}

std::string classify_driver(std::span<const Frame> stack)
{
    std::optional<std::string_view> passed;  // innermost layer without a driver of its own yet
    bool past_gup = false;
    bool nameless = false;
    for (const Frame& frame : stack) {
        if (frame.symbol.empty()) {
            // Trampolines often have no name. Where the driver could be, after gup's frames, a frame without one makes
            // what follows no better than a guess, unless that is a driver.
            nameless = past_gup;
            continue;
        }
        if (passes_through(frame)) {
            past_gup = true;
            nameless = false;
            continue;
        }
        if (const auto name = layer(frame)) {
            passed = passed ? passed : name;
            continue;
        }
        if (const auto name = driver(frame)) {
            return sanitized(*name);
        }
        if (passed) {
            return sanitized(*passed);
        }
        return nameless ? "unknown" : "kernel";
    }
    if (passed) {
        return sanitized(*passed);
    }
    return past_gup && !nameless ? "kernel" : "unknown";
}

std::optional<std::size_t> driver_frame(std::span<const Frame> stack)
{
    std::optional<std::size_t> of_layer;
    for (std::size_t i = 0; i < stack.size(); ++i) {
        const Frame& frame = stack[i];
        if (frame.symbol.empty() || passes_through(frame)) {
            continue;
        }
        if (!layer(frame)) {
            return driver(frame) ? i : of_layer;
        }
        of_layer = of_layer ? of_layer : i;
    }
    return of_layer;
}

}  // namespace pinwarden
