// A child that pins something of what it inherited, and holds it until it is told to end.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "base/fd.h"
#include "base/result.h"

namespace workload {

class Holder {
public:
    // `driver`: io_uring or rdma_rxe. With `executes`, which only io_uring's pins survive, the child becomes another
    // program afterwards. Fails when the pin was refused; then there is no child.
    static pinwarden::Result<Holder> create(const std::string& driver, bool executes, std::span<std::byte> memory);

    Holder(Holder&& other) noexcept : pid_(std::exchange(other.pid_, -1)), input_(std::move(other.input_)) {}
    Holder& operator=(Holder&& other) noexcept
    {
        std::swap(pid_, other.pid_);
        std::swap(input_, other.input_);
        return *this;
    }
    Holder(const Holder&) = delete;
    Holder& operator=(const Holder&) = delete;
    // Has it end, and waits for that.
    ~Holder();

    [[nodiscard]] pid_t pid() const { return pid_; }

private:
    Holder(pid_t pid, pinwarden::OwnedFd input) : pid_(pid), input_(std::move(input)) {}

    pid_t pid_ = -1;
    pinwarden::OwnedFd input_;
};

// What a child that has become another program does: waits until its standard input ends.
int hold_until_told();

}  // namespace workload
