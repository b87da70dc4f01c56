// Drives a fuzzer of this folder without libFuzzer: pinwarden_try_TARGET SECONDS SEED|new FOLDER...
//
// Changes the files of the folders, and what became of them, at random; what breaks is left in TARGET.broken. Nothing
// leads it to what has not been tried yet, and no sanitizer looks on: that takes a build of its own, for `./dev fuzz`.
// This one has the rooms as they are shipped, with the standard library's assertions.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using Bytes = std::vector<std::uint8_t>;
using Random = std::minstd_rand;

// NOLINTBEGIN(readability-identifier-naming): libFuzzer's names.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" __attribute__((weak)) std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                                                     std::size_t most, unsigned seed);
extern "C" __attribute__((weak)) int LLVMFuzzerInitialize(int* count, char*** arguments);
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);
// NOLINTEND(readability-identifier-naming)

namespace {

constexpr std::size_t kMost = 8192;
constexpr std::size_t kPool = 1024;

std::size_t below(Random& random, std::size_t end)
{
    return std::uniform_int_distribution<std::size_t>(0, end - 1)(random);
}

Random& mutations()
{
    static Random random;
    return random;
}

// What a handler of signals can reach.
const std::uint8_t* tried = nullptr;
std::size_t tried_bytes = 0;
std::array<char, 256> broken_file{};

void keep_what_broke(int number)
{
    const int file = open(broken_file.data(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file >= 0) {
        [[maybe_unused]] const auto written = write(file, tried, tried_bytes);
        close(file);
        constexpr std::string_view kTold = "the input is kept in the current folder, in ";
        [[maybe_unused]] auto told = write(STDERR_FILENO, kTold.data(), kTold.size());
        told = write(STDERR_FILENO, broken_file.data(), std::char_traits<char>::length(broken_file.data()));
        told = write(STDERR_FILENO, "\n", 1);
    }
    std::signal(number, SIG_DFL);
    std::raise(number);
}

void change_byte(Bytes& bytes, Random& random)
{
    constexpr std::array<std::uint8_t, 6> kTelling{0, 1, 0x7f, 0x80, 0xff, '\n'};
    std::uint8_t& byte = bytes[below(random, bytes.size())];
    switch (below(random, 3)) {
        case 0: byte ^= static_cast<std::uint8_t>(1U << below(random, 8)); break;
        case 1: byte = static_cast<std::uint8_t>(below(random, 256)); break;
        default: byte = kTelling.at(below(random, kTelling.size()));
    }
}

// A stretch of at most 32 bytes.
std::pair<std::ptrdiff_t, std::ptrdiff_t> stretch(const Bytes& bytes, Random& random)
{
    const std::size_t first = below(random, bytes.size());
    const std::size_t count = 1 + below(random, std::min<std::size_t>(32, bytes.size() - first));
    return {static_cast<std::ptrdiff_t>(first), static_cast<std::ptrdiff_t>(first + count)};
}

void change(Bytes& bytes, std::size_t most, Random& random)
{
    if (bytes.empty()) {
        bytes.push_back(static_cast<std::uint8_t>(below(random, 256)));
        return;
    }
    const auto [first, end] = stretch(bytes, random);
    switch (below(random, 4)) {
        case 0: bytes.erase(bytes.begin() + first, bytes.begin() + end); break;
        case 1: {
            const Bytes copy(bytes.begin() + first, bytes.begin() + end);
            const auto at = static_cast<std::ptrdiff_t>(below(random, bytes.size() + 1));
            bytes.insert(bytes.begin() + at, copy.begin(), copy.end());
            bytes.resize(std::min(bytes.size(), most));
            break;
        }
        default: change_byte(bytes, random);
    }
}

std::vector<Bytes> read_all(const std::vector<std::string>& folders)
{
    std::vector<Bytes> all;
    for (const std::string& folder : folders) {
        for (const auto& entry : std::filesystem::directory_iterator(folder)) {
            std::ifstream file(entry.path(), std::ios::binary);
            all.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
            if (!file) {
                throw std::runtime_error("cannot read " + entry.path().string());
            }
        }
    }
    std::ranges::sort(all);  // as the seed has it, whatever order the file system has
    return all;
}

void try_one(const Bytes& bytes)
{
    tried = bytes.data();
    tried_bytes = bytes.size();
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

unsigned number_of(std::string_view text, const char* what)
{
    unsigned number = 0;
    const auto [end, error] = std::from_chars(text.begin(), text.end(), number);
    if (error != std::errc() || end != text.end()) {
        throw std::runtime_error(std::string(what) + " is to be a number, not '" + std::string(text) + "'");
    }
    return number;
}

int run(const std::string& name, unsigned seconds, unsigned seed, const std::vector<std::string>& folders)
{
    std::printf("%s: seed %u\n", name.c_str(), seed);
    static_cast<void>(std::fflush(stdout));
    std::snprintf(broken_file.data(), broken_file.size(), "%s.broken", name.c_str());
    for (const int number : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
        std::signal(number, keep_what_broke);
    }
    mutations().seed(seed);
    Random random(seed);
    std::vector<Bytes> pool = read_all(folders);
    for (const Bytes& bytes : pool) {
        try_one(bytes);
    }
    if (pool.empty()) {
        pool.emplace_back();
    }
    const std::size_t given = pool.size();
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    std::size_t count = given;
    for (; std::chrono::steady_clock::now() < end; ++count) {
        Bytes bytes = pool[below(random, pool.size())];
        bytes.resize(std::min(bytes.size(), kMost));
        const std::size_t size = bytes.size();
        bytes.resize(kMost);
        bytes.resize(LLVMFuzzerCustomMutator != nullptr
                         ? LLVMFuzzerCustomMutator(bytes.data(), size, kMost, static_cast<unsigned>(random()))
                         : LLVMFuzzerMutate(bytes.data(), size, kMost));
        try_one(bytes);
        // What was given stays; what came of it makes room for what comes later.
        if (pool.size() < given + kPool) {
            pool.push_back(std::move(bytes));
        } else {
            pool[given + below(random, kPool)] = std::move(bytes);
        }
    }
    std::printf("%s: %zu inputs\n", name.c_str(), count);
    return 0;
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name.
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most)
{
    Bytes bytes(data, data + size);
    for (std::size_t changes = 1 + below(mutations(), 4); changes > 0; --changes) {
        change(bytes, most, mutations());
    }
    std::ranges::copy(bytes, data);
    return bytes.size();
}

int main(int argc, char** argv)
try {
    const std::vector<std::string> words(argv + 1, argv + argc);
    if (words.size() < 2) {
        static_cast<void>(std::fputs("usage: pinwarden_try_TARGET SECONDS SEED|new FOLDER...\n", stderr));
        return 2;
    }
    if (LLVMFuzzerInitialize != nullptr) {
        LLVMFuzzerInitialize(&argc, &argv);
    }
    return run(std::filesystem::path(argv[0]).filename().string(), number_of(words[0], "SECONDS"),
               words[1] == "new" ? std::random_device()() : number_of(words[1], "SEED"),
               {words.begin() + 2, words.end()});
} catch (const std::exception& error) {
    static_cast<void>(std::fprintf(stderr, "%s: %s\n", argv[0], error.what()));
    return 1;
}
