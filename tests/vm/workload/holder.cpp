#include "holder.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <memory>

#include "buffer_table.h"
#include "pinner/device.h"

namespace workload {
namespace {

using pinwarden::OwnedFd;
using pinwarden::Result;
using pinwarden::system_error;

constexpr int kRefused = 3;

// Pins, says so with one byte, and waits for the end of its input.
[[noreturn]] void be_holder(const std::string& driver, bool executes, std::span<std::byte> memory)
{
    std::unique_ptr<BufferTable> table;
    std::unique_ptr<pinner::Device> device;
    std::unique_ptr<pinner::Registration> registration;
    if (driver == "io_uring") {
        auto made = BufferTable::create(executes);
        if (!made || !(*made)->set(0, memory)) {
            _exit(kRefused);
        }
        table = std::move(*made);
    } else {
        auto opened = pinner::open_rdma(false);
        auto pinned = opened ? (*opened)->pin(memory, pinner::Access::kReadWrite)
                             : Result<std::unique_ptr<pinner::Registration>>(std::unexpected(opened.error()));
        if (!pinned) {
            _exit(kRefused);
        }
        device = std::move(*opened);
        registration = std::move(*pinned);
    }
    const char said = '+';
    if (write(STDOUT_FILENO, &said, 1) != 1) {
        _exit(1);
    }
    if (executes) {
        execl("/proc/self/exe", "workload", "--hold", nullptr);
        _exit(1);
    }
    // Without destroying anything: the kernel lets go.
    _exit(hold_until_told());
}

}  // namespace

int hold_until_told()
{
    char ignored = 0;
    while (read(STDIN_FILENO, &ignored, 1) > 0) {
    }
    return 0;
}

Result<Holder> Holder::create(const std::string& driver, bool executes, std::span<std::byte> memory)
{
    std::array<int, 2> in{};
    std::array<int, 2> out{};
    if (pipe2(in.data(), O_CLOEXEC) != 0 || pipe2(out.data(), O_CLOEXEC) != 0) {
        return std::unexpected(system_error("pipe", errno));
    }
    const OwnedFd child_in(in[0]);
    OwnedFd input(in[1]);
    OwnedFd child_out(out[1]);
    const OwnedFd output(out[0]);
    const pid_t pid = fork();
    if (pid < 0) {
        return std::unexpected(system_error("fork", errno));
    }
    if (pid == 0) {
        dup2(child_in.get(), STDIN_FILENO);
        dup2(child_out.get(), STDOUT_FILENO);
        // Nothing of what the parent holds may stay with the child.
        close_range(STDERR_FILENO + 1, ~0U, 0);
        be_holder(driver, executes, memory);
    }
    child_out.reset();
    char said = 0;
    if (read(output.get(), &said, 1) != 1) {
        waitpid(pid, nullptr, 0);
        return pinwarden::fail("the child could not pin", EFAULT);
    }
    return Holder(pid, std::move(input));
}

Holder::~Holder()
{
    input_.reset();
    if (pid_ > 0) {
        waitpid(pid_, nullptr, 0);
    }
}

}  // namespace workload
