// What the running kernel's BTF says about the functions and constants the programs depend on.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"

struct btf;

namespace pinwarden {

class KernelBtf {
public:
    // Reads /sys/kernel/btf/vmlinux. Error: the kernel has none, or it cannot be read.
    static Result<KernelBtf> load();

    // Number of parameters, or nothing when the kernel has no such function.
    [[nodiscard]] std::optional<int> parameters(const std::string& function) const;
    // Value of an enumerator of an anonymous or named enum.
    [[nodiscard]] std::optional<std::int64_t> enumerator(const std::string& name) const;
    // Bytes of a struct, or nothing when there is none of that name.
    [[nodiscard]] std::optional<std::uint64_t> struct_size(const std::string& name) const;

private:
    struct Free {
        void operator()(btf* object) const;
    };
    explicit KernelBtf(btf* object) : btf_(object) {}

    std::unique_ptr<btf, Free> btf_;
};

}  // namespace pinwarden
