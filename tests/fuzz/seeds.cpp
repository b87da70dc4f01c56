// Writes one valid record of every kind into a folder, for the decoder's fuzzer to start from: pinwarden_fuzz_seeds DIR
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <string>

#include "support/records.h"

int main(int argc, char** argv)
try {
    if (argc != 2) {
        static_cast<void>(std::fputs("usage: pinwarden_fuzz_seeds DIR\n", stderr));
        return 2;
    }
    const std::filesystem::path folder = argv[1];
    std::filesystem::create_directories(folder);
    int number = 0;
    for (const auto& record : pinwarden::test::one_of_each()) {
        std::ofstream file(folder / ("kind-" + std::to_string(++number)), std::ios::binary);
        file.exceptions(std::ios::failbit | std::ios::badbit);
        file.write(reinterpret_cast<const char*>(record.data()), static_cast<std::streamsize>(record.size()));
    }
    return 0;
} catch (const std::exception& error) {
    static_cast<void>(std::fprintf(stderr, "pinwarden_fuzz_seeds: %s\n", error.what()));
    return 1;
}
