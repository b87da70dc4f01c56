// One file operation, by a process of its own: what becomes of the caller is part of what is tested.
//
//   caller [WAY] OPERATION PATH ARGUMENT...
//
// WAY: nothing, or
//   init         as the first process of a pid namespace
//   threads      with three other threads in the process, which wait for nothing
//   traced       under a tracer that hands on every signal, as strace does
//   user UID     as another user, with nothing kept
//   uring        through io_uring (ftruncate only)
//   handler      with a handler for SIGUSR1 that counts
//   stay         and stays until it is signalled
// OPERATION: truncate SIZE, ftruncate SIZE, open, punch_hole|zero_range|collapse_range|insert_range OFFSET LENGTH,
//   madv_remove OFFSET LENGTH, umount FLAGS.
//
// Before the operation it prints "ready", then what it came to: "ok", or the name of the errno ("errno 513" for one
// that has none), and what was counted. Status 0 unless it could not try.
#include <fcntl.h>
#include <liburing.h>
#include <linux/falloc.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace {

using Words = std::vector<std::string>;

std::atomic<unsigned long> counted{0};

[[noreturn]] void give_up(const std::string& what)
{
    std::perror(("caller: " + what).c_str());
    _exit(2);
}

int open_file(const std::string& path)
{
    const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        give_up(path);
    }
    return fd;
}

// Everything but the call itself is done before "ready" is said.
using Call = std::function<long()>;

Call prepare_fallocate(const Words& words, int mode)
{
    const int fd = open_file(words.at(1));
    return [=] { return fallocate(fd, mode, std::stol(words.at(2)), std::stol(words.at(3))); };
}

Call prepare_remove(const Words& words)
{
    const int fd = open_file(words.at(1));
    const auto length = static_cast<std::size_t>(std::stoul(words.at(3)));
    void* mapped = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, std::stol(words.at(2)));
    if (mapped == MAP_FAILED) {
        give_up("mmap");
    }
    return [=] { return madvise(mapped, length, MADV_REMOVE); };
}

Call prepare(const Words& words)
{
    const std::string& operation = words.at(0);
    const std::string& path = words.at(1);
    if (operation == "truncate") {
        return [=] { return truncate(path.c_str(), std::stol(words.at(2))); };
    }
    if (operation == "ftruncate") {
        const int fd = open_file(path);
        return [=] { return ftruncate(fd, std::stol(words.at(2))); };
    }
    if (operation == "open") {
        return [=] { return open(path.c_str(), O_RDWR | O_TRUNC | O_CLOEXEC) < 0 ? -1 : 0; };
    }
    if (operation == "umount") {
        return [=] { return umount2(path.c_str(), std::stoi(words.at(2))); };
    }
    if (operation == "madv_remove") {
        return prepare_remove(words);
    }
    const std::map<std::string, int> modes{{"punch_hole", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE},
                                           {"zero_range", FALLOC_FL_ZERO_RANGE},
                                           {"collapse_range", FALLOC_FL_COLLAPSE_RANGE},
                                           {"insert_range", FALLOC_FL_INSERT_RANGE}};
    return prepare_fallocate(words, modes.at(operation));
}

// As the operation would set errno.
Call prepare_uring(const Words& words)
{
    constexpr unsigned kFtruncate = 55;  // IORING_OP_FTRUNCATE, from 6.9 on: the header may be older
    const int fd = open_file(words.at(1));
    auto* ring = new io_uring();
    if (const int error = io_uring_queue_init(2, ring, 0); error < 0) {
        errno = -error;
        give_up("io_uring_queue_init");
    }
    return [=]() -> long {
        io_uring_sqe* entry = io_uring_get_sqe(ring);
        if (entry == nullptr) {
            return -1;
        }
        io_uring_prep_nop(entry);
        entry->opcode = kFtruncate;
        entry->fd = fd;
        entry->off = std::stoul(words.at(2));
        io_uring_cqe* done = nullptr;
        io_uring_submit_and_wait(ring, 1);
        if (io_uring_wait_cqe(ring, &done) < 0) {
            return -1;
        }
        errno = done->res < 0 ? -done->res : 0;
        return done->res < 0 ? -1 : 0;
    };
}

int try_it(const Call& call)
{
    std::puts("ready");
    std::fflush(stdout);
    const bool failed = call() != 0;
    const int error = errno;
    const char* name = strerrorname_np(error);
    if (!failed) {
        std::printf("ok %lu\n", counted.load());
    } else if (name != nullptr) {
        std::printf("%s %lu\n", name, counted.load());
    } else {
        std::printf("errno %d\n", error);
    }
    std::fflush(stdout);
    return 0;
}

// What strace does: every signal is delivered, a stop of the whole group stays one.
int follow(pid_t child)
{
    int status = 0;
    while (waitpid(child, &status, __WALL) == child) {
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
        const int event = static_cast<int>(static_cast<unsigned>(status) >> 16U);
        const bool group_stop = event == PTRACE_EVENT_STOP && WSTOPSIG(status) == SIGSTOP;
        const int signal = event == 0 ? WSTOPSIG(status) : 0;
        ptrace(group_stop ? PTRACE_LISTEN : PTRACE_CONT, child, nullptr, signal);
    }
    return 2;
}

int traced(const Words& words)
{
    int ready[2];
    if (pipe(ready) != 0) {
        give_up("pipe");
    }
    const pid_t child = fork();
    if (child == 0) {
        char word = 0;
        if (read(ready[0], &word, 1) != 1) {
            _exit(2);
        }
        _exit(try_it(prepare(words)));
    }
    if (child < 0 || ptrace(PTRACE_SEIZE, child, nullptr, 0) != 0 || write(ready[1], "g", 1) != 1) {
        give_up("trace a child");
    }
    return follow(child);
}

int as_init(const Words& words)
{
    if (unshare(CLONE_NEWPID) != 0) {
        give_up("unshare");
    }
    const pid_t child = fork();
    if (child == 0) {
        _exit(getpid() == 1 ? try_it(prepare(words)) : 2);
    }
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}

int with_threads(const Words& words)
{
    for (int i = 0; i < 3; ++i) {
        std::thread([] {
            for (;;) {
                pause();
            }
        }).detach();
    }
    const int status = try_it(prepare(words));
    std::_Exit(status);
}

int with_handler(const Words& words)
{
    struct sigaction action{};
    action.sa_handler = [](int) { ++counted; };
    sigaction(SIGUSR1, &action, nullptr);
    return try_it(prepare(words));
}

[[noreturn]] int that_stays(const Words& words)
{
    try_it(prepare(words));
    for (;;) {
        pause();
    }
}

int as_user(Words words)
{
    const auto uid = static_cast<uid_t>(std::stoul(words.at(0)));
    words.erase(words.begin());
    const Call call = prepare(words);
    if (setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0) {
        give_up("become another user");
    }
    return try_it(call);
}

}  // namespace

int main(int count, char** arguments)
{
    Words words(arguments + 1, arguments + count);
    const std::map<std::string, std::function<int(const Words&)>> ways{
        {"init", as_init},
        {"threads", with_threads},
        {"traced", traced},
        {"user", as_user},
        {"handler", with_handler},
        {"stay", that_stays},
        {"uring", [](const Words& rest) { return try_it(prepare_uring(rest)); }}};
    if (words.empty()) {
        std::fputs("caller: nothing to do\n", stderr);
        return 2;
    }
    const auto way = ways.find(words.front());
    if (way == ways.end()) {
        return try_it(prepare(words));
    }
    words.erase(words.begin());
    return way->second(words);
}
