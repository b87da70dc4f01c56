// Programs that do nothing, on the functions that somebody else listens to.
#pragma once

#include <bpf/libbpf.h>

#include <memory>
#include <vector>

#include "hooks/listened.h"

namespace pinwarden::bench {

// Attached as long as the object lives.
class EmptyPrograms {
public:
    // Throws std::runtime_error.
    explicit EmptyPrograms(const std::vector<Listened>& functions);

private:
    struct Destroy {
        void operator()(bpf_object* object) const { bpf_object__close(object); }
        void operator()(bpf_link* link) const { bpf_link__destroy(link); }
    };

    void attach(const Listened& function);

    std::vector<std::unique_ptr<bpf_object, Destroy>> objects_;
    std::vector<std::unique_ptr<bpf_link, Destroy>> links_;
};

}  // namespace pinwarden::bench
