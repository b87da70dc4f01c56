#include "app/views.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace pinwarden;

namespace {

// Address N is the function of that place in the list.
class Listed final : public StackNamer {
public:
    explicit Listed(std::vector<Frame> frames) : frames_(std::move(frames)) {}
    Frame name(std::uint64_t address) override { return frames_.at(address); }

private:
    std::vector<Frame> frames_;
};

}  // namespace

TEST_CASE("a shown stack has the kernel's own functions, and nothing of how they are listened to")
{
    Listed names({{.symbol = "bpf_prog_1_pin", .module = "bpf", .offset = 1},
                  {.symbol = "bpf_trampoline_6442", .module = "bpf", .offset = 2},
                  {.symbol = "pin_user_pages_fast", .module = "", .offset = 5},
                  {.symbol = "bpf_trampoline_105226836648", .module = "bpf", .offset = 0xd3},
                  {.symbol = "pin_user_pages_fast", .module = "", .offset = 9},
                  {.symbol = "recurses", .module = "", .offset = 1},
                  {.symbol = "recurses", .module = "", .offset = 2},
                  {.symbol = "bpf_trampoline_7", .module = "bpf", .offset = 1},
                  {.symbol = "ib_umem_get", .module = "ib_uverbs", .offset = 0x79},
                  {.symbol = "bpf_struct_ops_call", .module = "", .offset = 3},
                  // Where a trampoline was when the stack was taken.
                  {.symbol = "bpf_prog_2_late", .module = "bpf", .offset = 0xbd},
                  {.symbol = "bpf_struct_ops_call", .module = "", .offset = 9}});
    PinRecord pin;
    pin.stack = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    const PinView view = view_pin(pin, Ledger(), names);
    CHECK(view.stack == std::vector<std::string>{"pin_user_pages_fast+0x5", "recurses+0x1", "recurses+0x2",
                                                 "ib_umem_get+0x79 [ib_uverbs]", "bpf_struct_ops_call+0x3"});
    CHECK(view.pin.stack.empty());
}
