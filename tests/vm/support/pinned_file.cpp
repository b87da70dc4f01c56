#include "support/pinned_file.h"

#include "support/machine.h"

namespace pinwarden::test {

PinnedFile::PinnedFile(const std::string& filesystem) : path(Machine::instance().folder(filesystem) + "/pinned")
{
    make_file(path, kSize);
    pinner.ok("file " + path + " " + std::to_string(kSize));
    pinner.ok("fill mapping 41");
    const std::string access = filesystem == "tmpfs" ? "rw" : Machine::instance().file_access();
    pinner.ok("pin " + Machine::instance().rdma(access) + " 16384 16384");
}

bool PinnedFile::whole()
{
    return size_of(path) == kSize && pinner.ok("look mapping") == "41x16";
}

}  // namespace pinwarden::test
