#include "support/own_mount.h"

#include <sys/mount.h>

#include <cerrno>
#include <filesystem>
#include <stdexcept>

#include "support/machine.h"
#include "support/process.h"

namespace pinwarden::test {

OwnMount::OwnMount(const std::string& filesystem) : path_(Machine::instance().folder("tmpfs") + "/mount")
{
    std::filesystem::create_directory(path_);
    const std::string script = PINWARDEN_SOURCE_DIR "/tests/vm/make-loopfs.sh ";
    const std::string command =
        filesystem == "tmpfs" ? "mount -t tmpfs tmpfs " + path_ : script + filesystem + " " + path_;
    if (const Outcome made = shell(command); made.status != 0) {
        throw std::runtime_error("cannot mount: " + made.err);
    }
}

OwnMount::~OwnMount()
{
    ::umount2(path_.c_str(), MNT_DETACH);
}

int OwnMount::unmount(int flags) const
{
    return ::umount2(path_.c_str(), flags) == 0 ? 0 : errno;
}

bool OwnMount::mounted() const
{
    return shell("mountpoint -q " + path_).status == 0;
}

}  // namespace pinwarden::test
