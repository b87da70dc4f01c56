#include "support/machine.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <tuple>

#include "base/fd.h"
#include "support/process.h"

namespace pinwarden::test {
namespace {

constexpr off_t kPage = 4096;

std::string script(const std::string& name, const std::string& arguments)
{
    const Outcome made = shell(std::string(PINWARDEN_SOURCE_DIR) + "/tests/vm/" + name + " " + arguments);
    if (made.status != 0) {
        throw std::runtime_error(name + ": " + made.err);
    }
    return made.out.substr(0, made.out.find('\n'));
}

}  // namespace

Machine& Machine::instance()
{
    static Machine machine;
    return machine;
}

Machine::Machine()
{
    utsname name{};
    uname(&name);
    std::istringstream release(name.release);
    char dot = 0;
    release >> major_ >> dot >> minor_;
}

bool Machine::older_than(int major, int minor) const
{
    return std::tie(major_, minor_) < std::tie(major, minor);
}

std::string Machine::folder(const std::string& filesystem)
{
    auto& mount = mounts_[filesystem];
    if (mount.empty()) {
        mount = "/run/pinwarden-tests/" + filesystem;
        std::filesystem::create_directories(mount);
        if (filesystem == "tmpfs") {
            const Outcome mounted = run({"mount", "-t", "tmpfs", "tmpfs", mount});
            if (mounted.status != 0) {
                throw std::runtime_error("mount tmpfs: " + mounted.err);
            }
        } else if (filesystem == "pmem") {
            script("make-pmem.sh", mount);
        } else {
            script("make-loopfs.sh", filesystem + " " + mount);
        }
    }
    std::string folder = mount + "/" + std::to_string(++folders_);
    std::filesystem::create_directory(folder);
    return folder;
}

std::string Machine::rdma(const std::string& access)
{
    if (!has_rdma_) {
        script("make-rdma.sh", "");
        has_rdma_ = true;
    }
    return "rdma " + access;
}

std::string Machine::vfio(const std::string& access)
{
    if (vfio_group_.empty()) {
        vfio_group_ = script("make-vfio.sh", "");
    }
    return "vfio " + vfio_group_ + " " + access;
}

bool Machine::has_pmem()
{
    return content_of("/proc/cmdline").find("memmap=") != std::string::npos;
}

std::string Machine::guest()
{
    if (!has_kvm_) {
        script("make-kvm.sh", "");
        has_kvm_ = true;
    }
    return "guest";
}

int try_truncate(const std::string& path, off_t size)
{
    return truncate(path.c_str(), size) == 0 ? 0 : errno;
}

int try_ftruncate(const std::string& path, off_t size)
{
    const OwnedFd fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
    return fd.valid() && ftruncate(fd.get(), size) == 0 ? 0 : errno;
}

int try_fallocate(const std::string& path, int mode, off_t offset, off_t length)
{
    const OwnedFd fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
    return fd.valid() && fallocate(fd.get(), mode, offset, length) == 0 ? 0 : errno;
}

int try_open_truncating(const std::string& path)
{
    return OwnedFd(open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC)).valid() ? 0 : errno;
}

off_t size_of(const std::string& path)
{
    struct stat status{};
    return stat(path.c_str(), &status) == 0 ? status.st_size : -1;
}

std::string content_of(const std::string& path)
{
    const std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

void make_file(const std::string& path, off_t size)
{
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    for (off_t page = 0; page * kPage < size; ++page) {
        std::string text = std::to_string(page) + " " + path + " ";
        text.resize(static_cast<std::size_t>(std::min(kPage, size - page * kPage)), '.');
        file << text;
    }
    if (!file.flush()) {
        throw std::runtime_error("write " + path);
    }
}

}  // namespace pinwarden::test
