// The guest: its kernel, its devices, its file systems. What takes set-up is made when it is first asked for, by the
// scripts in tests/vm.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>

namespace pinwarden::test {

class Machine {
public:
    static Machine& instance();

    [[nodiscard]] bool older_than(int major, int minor) const;
    // Whether this kernel lets a device write into the page cache of a file system that writes back: until 6.5.
    [[nodiscard]] bool writable_file_pins() const { return older_than(6, 5); }
    // The access a device can have there: "rw" or "ro".
    [[nodiscard]] std::string file_access() const { return writable_file_pins() ? "rw" : "ro"; }

    // An empty folder on a file system: "ext4", "xfs", "tmpfs" or "pmem" (ext4 on persistent memory). Its files stay as
    // long as the machine.
    std::string folder(const std::string& filesystem);
    // A device as pinner's `pin` wants it, ready to be used.
    std::string rdma(const std::string& access);
    std::string vfio(const std::string& access);
    std::string guest();
    // Whether this machine was started with persistent memory: see make-pmem.sh.
    [[nodiscard]] static bool has_pmem();

private:
    Machine();

    int major_ = 0;
    int minor_ = 0;
    int folders_ = 0;
    bool has_rdma_ = false;
    bool has_kvm_ = false;
    std::string vfio_group_;
    std::map<std::string, std::string> mounts_;
};

// File operations by this process: 0, or the errno.
int try_truncate(const std::string& path, off_t size);
int try_ftruncate(const std::string& path, off_t size);
int try_fallocate(const std::string& path, int mode, off_t offset, off_t length);
int try_open_truncating(const std::string& path);

off_t size_of(const std::string& path);
std::string content_of(const std::string& path);
// A file of `size` bytes, no page like another.
void make_file(const std::string& path, off_t size);

}  // namespace pinwarden::test
