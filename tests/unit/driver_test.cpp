#include "ledger/driver.h"

#include <catch2/catch.hpp>

using namespace pinwarden;

namespace {

const Frame kNameless{};
const Frame kProgram{"bpf_prog_6deef7357e7b4530_pin_user_pages_fast_exit", "bpf", 0x10};
const Frame kTrampoline{"bpf_trampoline_6442508829", "bpf", 0x5f};
const Frame kPinFast{"pin_user_pages_fast", "", 5};
const Frame kSyscall{"do_syscall_64", "", 0x3b};

Frame builtin(const char* symbol)
{
    return {symbol, "", 1};
}

}  // namespace

TEST_CASE("the driver is the first frame that is neither gup nor a layer", "[driver]")
{
    struct Row {
        const char* what;
        std::vector<Frame> stack;
        std::string driver;
    };
    const std::vector<Row> rows = {
        {"a region over soft-RoCE",
         {kProgram,
          kTrampoline,
          kPinFast,
          {"ib_umem_get", "ib_uverbs", 1},
          {"rxe_mr_init_user", "rdma_rxe", 1},
          {"rxe_reg_user_mr", "rdma_rxe", 1},
          {"ib_uverbs_reg_mr", "ib_uverbs", 1},
          kSyscall},
         "rdma_rxe"},
        {"a region of a device whose driver is in ib_core's shadow",
         {kPinFast,
          {"ib_umem_get", "ib_uverbs", 1},
          {"ib_create", "ib_core", 1},
          {"mlx5_ib_reg_user_mr", "mlx5_ib", 1}},
         "mlx5_ib"},
        {"nothing behind the layer", {kPinFast, {"ib_umem_get", "ib_uverbs", 1}, kSyscall}, "ib_uverbs"},
        {"nothing at all behind the layer", {kPinFast, {"ib_umem_get", "ib_uverbs", 1}}, "ib_uverbs"},
        {"a layer that is built in", {kPinFast, builtin("ib_umem_get"), {"rxe_mr", "rdma_rxe", 1}}, "rdma_rxe"},
        {"VFIO type 1",
         {builtin("pin_user_pages_remote"),
          {"vaddr_get_pfns", "vfio_iommu_type1", 1},
          {"vfio_pin_pages_remote", "vfio_iommu_type1", 1},
          kSyscall},
         "vfio"},
        {"a device mediated by VFIO", {kPinFast, {"vfio_pin_pages", "vfio", 1}, {"shadow", "kvmgt", 1}}, "vfio"},
        {"iommufd", {kPinFast, {"pfn_reader_user_pin", "iommufd", 1}}, "iommufd"},
        {"iommufd built in", {kPinFast, builtin("pfn_reader_user_pin"), builtin("iopt_map_pages")}, "iommufd"},
        {"io_uring, 6.1",
         {builtin("pin_user_pages"), builtin("io_pin_pages"), builtin("io_sqe_buffer_register")},
         "io_uring"},
        {"io_uring, later",
         {kPinFast, builtin("io_pin_pages"), builtin("io_sqe_buffer_register"), builtin("__io_uring_register")},
         "io_uring"},
        {"io_uring, all inlined", {kPinFast, builtin("__x64_sys_io_uring_register"), kSyscall}, "io_uring"},
        {"AF_XDP", {builtin("pin_user_pages"), builtin("xdp_umem_create"), builtin("xsk_setsockopt")}, "xdp"},
        {"SEV", {builtin("pin_user_pages"), {"sev_pin_memory", "kvm_amd", 1}, {"kvm_vm_ioctl", "kvm", 1}}, "kvm"},
        {"udmabuf", {builtin("memfd_pin_folios"), builtin("udmabuf_create"), kSyscall}, "udmabuf"},
        {"process_vm_readv", {builtin("pin_user_pages_remote"), builtin("process_vm_rw_single_vec")}, "process_vm"},
        {"O_DIRECT",
         {kPinFast, builtin("iov_iter_extract_pages"), builtin("bio_iov_iter_get_pages"), builtin("blkdev_direct_IO"),
          builtin("io_write")},
         "direct_io"},
        {"O_DIRECT of a network file system",
         {kPinFast, builtin("iov_iter_extract_pages"), {"netfs_extract", "cifs", 1}},
         "cifs"},
        {"a pass-through request", {kPinFast, builtin("iov_iter_extract_pages"), builtin("bio_map_user_iov")}, "block"},
        {"inner gup frames",
         {builtin("__gup_longterm_locked"),
          builtin("gup_fast_fallback"),
          builtin("internal_get_user_pages_fast"),
          builtin("__get_user_pages.isra.0"),
          kPinFast,
          {"habanalabs_pin", "habanalabs", 1}},
         "habanalabs"},
        {"other built-in code", {kPinFast, builtin("some_driver_ioctl"), kSyscall}, "kernel"},
        {"gup alone", {kPinFast}, "kernel"},
        {"trampolines without names", {kNameless, kNameless, kPinFast, kNameless, {"x", "gntdev", 1}}, "gntdev"},
        {"a trampoline between gup frames", {kPinFast, kNameless, builtin("get_user_pages"), builtin("foo")}, "kernel"},
        {"no name where the driver would be", {kPinFast, kNameless, kSyscall}, "unknown"},
        {"no names", {kNameless, kNameless}, "unknown"},
        {"no frames", {}, "unknown"},
        {"a name that is no label", {kPinFast, {"x", "Bad-Name", 1}}, "unknown"},
        {"a name that is too long", {kPinFast, {"x", "a_module_name_of_more_than_32_letters", 1}}, "unknown"},
    };
    for (const Row& row : rows) {
        INFO(row.what);
        CHECK(classify_driver(row.stack) == row.driver);
    }
}

TEST_CASE("a frame is shown without its address", "[driver]")
{
    CHECK(to_string(Frame{"ib_umem_get", "ib_uverbs", 0x1f0}) == "ib_umem_get+0x1f0 [ib_uverbs]");
    CHECK(to_string(Frame{"do_syscall_64", "", 0}) == "do_syscall_64+0x0");
    CHECK(to_string(Frame{}) == "unknown");
}

TEST_CASE("the frame shown for a pin is the driver's, or a layer's where none follows", "[driver]")
{
    const std::vector<Frame> stack{{"bpf_prog_1", "bpf", 0},
                                   {"pin_user_pages_fast", "", 1},
                                   {"ib_umem_get", "ib_uverbs", 2},
                                   {"rxe_mr_init_user", "rdma_rxe", 3},
                                   {"ib_uverbs_reg_mr", "ib_uverbs", 4}};
    CHECK(driver_frame(stack) == 3U);
    CHECK(driver_frame(std::span(stack).first(3)) == 2U);
    CHECK_FALSE(driver_frame(std::span(stack).first(2)));
    CHECK_FALSE(driver_frame({}));
}
