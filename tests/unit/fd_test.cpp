#include "base/fd.h"

#include <fcntl.h>

#include <catch2/catch.hpp>
#include <utility>

using namespace pinwarden;

namespace {

int open_any()
{
    return ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}

bool is_open(int fd)
{
    return ::fcntl(fd, F_GETFD) != -1;
}

}  // namespace

TEST_CASE("an owned descriptor is closed with its owner", "[base]")
{
    const int fd = open_any();
    {
        const OwnedFd owner(fd);
        CHECK(owner.valid());
        CHECK(owner.get() == fd);
        CHECK(is_open(fd));
    }
    CHECK_FALSE(is_open(fd));
}

TEST_CASE("moving hands the descriptor over", "[base]")
{
    const int fd = open_any();
    OwnedFd first(fd);
    OwnedFd second(std::move(first));
    // NOLINTNEXTLINE(bugprone-use-after-move,clang-analyzer-cplusplus.Move): what is left is the point
    CHECK_FALSE(first.valid());
    CHECK(second.get() == fd);
    CHECK(is_open(fd));
}

TEST_CASE("a move-assignment closes the descriptor it replaces", "[base]")
{
    const int old_fd = open_any();
    const int new_fd = open_any();
    OwnedFd owner(old_fd);
    owner = OwnedFd(new_fd);
    CHECK_FALSE(is_open(old_fd));
    CHECK(owner.get() == new_fd);
    CHECK(is_open(new_fd));
}

TEST_CASE("a self-assignment keeps the descriptor", "[base]")
{
    OwnedFd owner(open_any());
    OwnedFd& same = owner;
    owner = std::move(same);
    CHECK(owner.valid());
    CHECK(is_open(owner.get()));
}

TEST_CASE("a released descriptor stays open", "[base]")
{
    OwnedFd owner(open_any());
    const OwnedFd borrowed_no_more(owner.release());
    CHECK_FALSE(owner.valid());
    CHECK(is_open(borrowed_no_more.get()));
}
