// A file system of a test's own; whatever is left of it is unmounted.
#pragma once

#include <string>

namespace pinwarden::test {

class OwnMount {
public:
    // "ext4", "xfs" or "tmpfs".
    explicit OwnMount(const std::string& filesystem);
    OwnMount(const OwnMount&) = delete;
    OwnMount& operator=(const OwnMount&) = delete;
    ~OwnMount();

    // 0, or the errno.
    [[nodiscard]] int unmount(int flags) const;
    [[nodiscard]] bool mounted() const;
    [[nodiscard]] std::string in(const std::string& name) const { return path_ + "/" + name; }
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string path_;
};

}  // namespace pinwarden::test
