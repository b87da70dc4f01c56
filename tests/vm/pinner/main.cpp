// pinner: makes real long-term pins the way users do, and lets go on command. Reads commands from standard input, one a
// line, and answers each with one line, "ok ..." or "error ERRNO what failed".
//
//   file PATH SIZE [private|ro]     maps a file (made, and made that long, if need be)
//   files PREFIX COUNT              maps a page of each of so many files
//   memfd NAME SIZE [huge] | anon SIZE
//                                   maps memory, in huge pages of hugetlbfs if so; for a memfd, answers with a path
//                                   that leads to it
//   segment SIZE                    maps System V shared memory; detach takes it away again
//   unmap|cover|move OFFSET LENGTH  unmaps a part, maps other memory over it, or moves it elsewhere
//   unmap moved                     unmaps what was moved last, where it is now
//   advise ADVICE OFFSET LENGTH     dontneed, free, remove or guard, for a part
//   fill mapping|device BYTE        writes the byte, in hex, all over what is mapped; or has the device do so, all over
//                                   what was pinned last
//   look mapping|file|device        what the pages hold: "41x16 00x240" are 16 pages full of 0x41, then 240 of zeroes
//   pin DEVICE [OFFSET LENGTH]      hands it, or a part, to a device: rdma rw|ro, uring, udmabuf, xdp,
//                                   vfio GROUP rw|ro; or to one that pins nothing: odp rw|ro, guest (KVM); answers with
//                                   the address
//   release [all]                   lets go what was pinned last, or everything
//   answer                          from then on, lets go of everything when it is sent SIGUSR1
//   ignore                          from then on, does not mind SIGTERM
//   pid                             its own
//   heir                            leaves a second process that holds all devices open, and answers with its pid
//   exec PROGRAM                    becomes a copy of itself, which answers; what it has mapped goes, its standard
//   input
//                                   and output stay
//   race COUNT DEVICE               see run_in_turns and run_at_will in race.h; what is pinned is all that is mapped
//   storm COUNT DEVICE
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstring>
#include <deque>
#include <functional>
#include <iomanip>
#include <iostream>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <sstream>
#include <thread>
#include <utility>

#include "device.h"
#include "memory.h"
#include "race.h"

namespace pinner {
namespace {

using pinwarden::fail;

constexpr std::size_t kPage = 4096;

using Words = std::deque<std::string>;
using Answer = Result<std::string>;

Result<std::uint64_t> take_number(Words& words, int base = 10)
{
    std::uint64_t number = 0;
    if (words.empty()) {
        return fail("a number is missing", EINVAL);
    }
    const std::string word = std::move(words.front());
    words.pop_front();
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number, base);
    if (error != std::errc() || end != word.data() + word.size()) {
        return fail("'" + word + "' is no number", EINVAL);
    }
    return number;
}

std::string take_word(Words& words)
{
    if (words.empty()) {
        return "";
    }
    std::string word = std::move(words.front());
    words.pop_front();
    return word;
}

// "41" for a page full of 0x41, "mixed" for one that holds different bytes.
std::string describe_page(std::span<const std::byte> page)
{
    if (!std::ranges::all_of(page, [&](std::byte byte) { return byte == page.front(); })) {
        return "mixed";
    }
    std::ostringstream text;
    text << std::hex << std::setw(2) << std::setfill('0') << std::to_integer<unsigned>(page.front());
    return text.str();
}

std::string describe_pages(std::span<const std::byte> content)
{
    std::vector<std::pair<std::string, std::size_t>> runs;
    for (std::size_t at = 0; at < content.size(); at += kPage) {
        const std::string page = describe_page(content.subspan(at, std::min(kPage, content.size() - at)));
        if (runs.empty() || runs.back().first != page) {
            runs.emplace_back(page, 0);
        }
        ++runs.back().second;
    }
    std::string text;
    for (const auto& [page, count] : runs) {
        text += (text.empty() ? "" : " ") + page + "x" + std::to_string(count);
    }
    return text.empty() ? "nothing" : text;
}

class Pinner {
public:
    Answer run(const std::string& line)
    {
        const std::scoped_lock lock(mutex_);
        std::istringstream stream(line);
        Words words;
        for (std::string word; stream >> word;) {
            words.push_back(word);
        }
        const std::string verb = take_word(words);
        const auto command = commands_.find(verb);
        if (command == commands_.end()) {
            return fail("unknown command '" + verb + "'", EINVAL);
        }
        if (command->second.needs_memory && !memory_) {
            return fail("nothing is mapped", EINVAL);
        }
        return command->second.run(words);
    }

private:
    struct Command {
        bool needs_memory;
        std::function<Answer(Words&)> run;
    };

    Answer map(Result<Memory> mapped)
    {
        if (!mapped) {
            return std::unexpected(mapped.error());
        }
        registrations_.clear();
        memory_ = std::move(*mapped);
        return memory_->path();
    }

    Answer file(Words& words)
    {
        const std::string path = take_word(words);
        const auto bytes = take_number(words);
        if (!bytes) {
            return std::unexpected(bytes.error());
        }
        static const std::map<std::string, Mapping> kinds{
            {"", Mapping::kShared}, {"private", Mapping::kPrivate}, {"ro", Mapping::kReadOnly}};
        const auto kind = kinds.find(take_word(words));
        if (kind == kinds.end()) {
            return fail("a mapping is private, ro, or neither", EINVAL);
        }
        return map(Memory::of_file(path, *bytes, kind->second));
    }

    Answer files(Words& words)
    {
        const std::string prefix = take_word(words);
        const auto count = take_number(words);
        return count ? map(Memory::of_files(prefix, *count)) : std::unexpected(count.error());
    }

    Answer memfd(Words& words)
    {
        const std::string name = take_word(words);
        const auto bytes = take_number(words);
        const bool huge = take_word(words) == "huge";
        return bytes ? map(Memory::of_memfd(name, *bytes, huge)) : std::unexpected(bytes.error());
    }

    Answer anon(Words& words)
    {
        const auto bytes = take_number(words);
        return bytes ? map(Memory::anonymous(*bytes)) : std::unexpected(bytes.error());
    }

    Answer segment(Words& words)
    {
        const auto bytes = take_number(words);
        return bytes ? map(Memory::segment(*bytes)) : std::unexpected(bytes.error());
    }

    Answer detach()
    {
        const auto detached = memory_->detach();
        return detached ? Answer("") : std::unexpected(detached.error());
    }

    Result<std::span<std::byte>> take_part(Words& words)
    {
        const auto offset = take_number(words);
        const auto length = take_number(words);
        const std::span<std::byte> all = memory_->bytes();
        if (!offset || !length || *offset > all.size() || *length > all.size() - *offset) {
            return fail("no such part", EINVAL);
        }
        return all.subspan(*offset, *length);
    }

    Answer with_part(Words& words, const std::function<Result<void>(std::span<std::byte>)>& change)
    {
        const auto part = take_part(words);
        if (!part) {
            return std::unexpected(part.error());
        }
        const auto changed = change(*part);
        return changed ? Answer("") : std::unexpected(changed.error());
    }

    Answer unmap(Words& words)
    {
        if (!words.empty() && words.front() == "moved") {
            const auto gone = Memory::unmap(moved_);
            return gone ? Answer("") : std::unexpected(gone.error());
        }
        return with_part(words, Memory::unmap);
    }

    Answer move(Words& words)
    {
        const auto part = take_part(words);
        if (!part) {
            return std::unexpected(part.error());
        }
        const auto moved = Memory::move(*part);
        if (!moved) {
            return std::unexpected(moved.error());
        }
        moved_ = *moved;
        return "";
    }

    Answer advise(Words& words)
    {
        static const std::map<std::string, int> advices{
            {"dontneed", MADV_DONTNEED}, {"free", MADV_FREE}, {"remove", MADV_REMOVE}, {"guard", 102}};
        const auto advice = advices.find(take_word(words));
        if (advice == advices.end()) {
            return fail("no such advice", EINVAL);
        }
        return with_part(words, [&](std::span<std::byte> part) { return Memory::advise(part, advice->second); });
    }

    Answer fill(Words& words)
    {
        const std::string where = take_word(words);
        const auto byte = take_number(words, 16);
        if (!byte) {
            return std::unexpected(byte.error());
        }
        if (where == "mapping") {
            std::memset(memory_->bytes().data(), static_cast<int>(*byte), memory_->bytes().size());
            return "";
        }
        if (where != "device" || registrations_.empty()) {
            return fail("no such place, or nothing is pinned", EINVAL);
        }
        const std::vector<std::byte> content(memory_->bytes().size(), static_cast<std::byte>(*byte));
        const auto written = registrations_.back()->write(content);
        return written ? Answer("") : std::unexpected(written.error());
    }

    Answer look(Words& words)
    {
        const std::string where = take_word(words);
        Result<std::vector<std::byte>> content = fail("no such place, or nothing is pinned", EINVAL);
        if (where == "mapping") {
            content = memory_->read_mapping();
        } else if (where == "file") {
            content = memory_->read_file();
        } else if (where == "device" && !registrations_.empty()) {
            content = registrations_.back()->read();
        }
        return content ? Answer(describe_pages(*content)) : std::unexpected(content.error());
    }

    struct Target {
        Device* device;
        Access access;
    };

    // A device stays open once it was used, as in the programs that this one stands for.
    Result<Target> take_target(Words& words)
    {
        const std::string kind = take_word(words);
        const std::string group = kind == "vfio" ? take_word(words) : "";
        static const std::set<std::string> only_writing{"uring", "udmabuf", "xdp", "guest"};
        const std::string access = only_writing.contains(kind) ? "rw" : take_word(words);
        if (access != "rw" && access != "ro") {
            return fail("the access must be rw or ro", EINVAL);
        }
        std::unique_ptr<Device>& device = devices_[kind + group];
        if (!device) {
            auto opened = open(kind, group);
            if (!opened) {
                return std::unexpected(opened.error());
            }
            device = std::move(*opened);
        }
        return Target{device.get(), access == "ro" ? Access::kReadOnly : Access::kReadWrite};
    }

    static Result<std::unique_ptr<Device>> open(const std::string& kind, const std::string& group)
    {
        if (kind == "rdma") {
            return open_rdma(false);
        }
        if (kind == "odp") {
            return open_rdma(true);
        }
        if (kind == "guest") {
            return open_guest();
        }
        if (kind == "uring") {
            return open_uring();
        }
        if (kind == "udmabuf") {
            return open_udmabuf();
        }
        if (kind == "xdp") {
            return open_xdp();
        }
        if (kind == "vfio") {
            return open_vfio(group);
        }
        return fail("unknown device '" + kind + "'", EINVAL);
    }

    Answer pin(Words& words)
    {
        const auto target = take_target(words);
        if (!target) {
            return std::unexpected(target.error());
        }
        std::span<std::byte> part = memory_->bytes();
        if (!words.empty()) {
            const auto wanted = take_part(words);
            if (!wanted) {
                return std::unexpected(wanted.error());
            }
            part = *wanted;
        }
        auto registration = target->device->pin(part, target->access);
        if (!registration) {
            return std::unexpected(registration.error());
        }
        registrations_.push_back(std::move(*registration));
        return std::to_string(reinterpret_cast<std::uintptr_t>(part.data()));
    }

    Answer release(Words& words)
    {
        if (take_word(words) == "all") {
            registrations_.clear();
        } else if (registrations_.empty()) {
            return fail("nothing is pinned", EINVAL);
        } else {
            registrations_.pop_back();
        }
        return "";
    }

    static Answer leave_heir()
    {
        const pid_t heir = fork();
        if (heir < 0) {
            return std::unexpected(pinwarden::system_error("fork", errno));
        }
        if (heir == 0) {
            pause();
            _exit(0);
        }
        return std::to_string(heir);
    }

    static Answer exec(Words& words)
    {
        const std::string program = take_word(words);
        execl(program.c_str(), program.c_str(), "ok", nullptr);
        return std::unexpected(pinwarden::system_error("exec " + program, errno));
    }

    // From then on, whoever asks by SIGUSR1 is given all pins.
    Answer answer()
    {
        std::thread([this] {
            sigset_t asked;
            sigemptyset(&asked);
            sigaddset(&asked, SIGUSR1);
            int number = 0;
            while (sigwait(&asked, &number) == 0) {
                const std::scoped_lock lock(mutex_);
                registrations_.clear();
            }
        }).detach();
        return "";
    }

    static Answer ignore_terminate()
    {
        std::signal(SIGTERM, SIG_IGN);
        return "";
    }

    Answer race(Words& words, decltype(&run_in_turns) how)
    {
        const auto count = take_number(words);
        const auto target = take_target(words);
        if (!count || !target) {
            return std::unexpected(count ? target.error() : count.error());
        }
        const auto result = how(*target->device, target->access, *memory_, *count);
        return result ? Answer(to_string(*result)) : std::unexpected(result.error());
    }

    const std::map<std::string, Command> commands_{
        {"file", {false, [this](Words& words) { return file(words); }}},
        {"files", {false, [this](Words& words) { return files(words); }}},
        {"memfd", {false, [this](Words& words) { return memfd(words); }}},
        {"anon", {false, [this](Words& words) { return anon(words); }}},
        {"segment", {false, [this](Words& words) { return segment(words); }}},
        {"detach", {true, [this](Words&) { return detach(); }}},
        {"unmap", {true, [this](Words& words) { return unmap(words); }}},
        {"cover", {true, [this](Words& words) { return with_part(words, Memory::cover); }}},
        {"move", {true, [this](Words& words) { return move(words); }}},
        {"advise", {true, [this](Words& words) { return advise(words); }}},
        {"fill", {true, [this](Words& words) { return fill(words); }}},
        {"look", {true, [this](Words& words) { return look(words); }}},
        {"pin", {true, [this](Words& words) { return pin(words); }}},
        {"release", {false, [this](Words& words) { return release(words); }}},
        {"pid", {false, [](Words&) { return Answer(std::to_string(getpid())); }}},
        {"answer", {false, [this](Words&) { return answer(); }}},
        {"ignore", {false, [](Words&) { return ignore_terminate(); }}},
        {"heir", {false, [](Words&) { return leave_heir(); }}},
        {"exec", {false, [](Words& words) { return exec(words); }}},
        {"race", {true, [this](Words& words) { return race(words, run_in_turns); }}},
        {"storm", {true, [this](Words& words) { return race(words, run_at_will); }}},
    };
    std::mutex mutex_;
    // In this order: what is pinned is let go before the devices are closed and the memory is unmapped.
    std::optional<Memory> memory_;
    std::span<std::byte> moved_;
    std::map<std::string, std::unique_ptr<Device>> devices_;
    std::vector<std::unique_ptr<Registration>> registrations_;
};

}  // namespace
}  // namespace pinner

int main(int count, char** arguments)
{
    // Whoever is to answer it waits for it.
    sigset_t asked;
    sigemptyset(&asked);
    sigaddset(&asked, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &asked, nullptr);
    pinner::Pinner pinner;
    // What the program before an exec was asked is answered by the one after it.
    if (count > 1) {
        std::cout << arguments[1] << std::endl;
    }
    for (std::string line; std::getline(std::cin, line);) {
        const auto answer = pinner.run(line);
        if (answer) {
            std::cout << "ok" << (answer->empty() ? "" : " ") << *answer;
        } else {
            const char* name = strerrorname_np(answer.error().code);
            std::cout << "error " << (name == nullptr ? "EUNKNOWN" : name) << ' ' << answer.error().message;
        }
        std::cout << '\n' << std::flush;
    }
    return 0;
}
