#include "daemon/huge_pages.h"

#include <sys/mman.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include "support/process.h"

namespace pinwarden::bench {
namespace {

const std::string kFolder = "/sys/kernel/mm/transparent_hugepage/khugepaged/";
constexpr std::chrono::seconds kLimit{300};

unsigned long read(const std::string& name)
{
    unsigned long value = 0;
    if (!(std::ifstream(kFolder + name) >> value)) {
        throw std::runtime_error("cannot read " + kFolder + name);
    }
    return value;
}

void write(const std::string& name, unsigned long value)
{
    if (!(std::ofstream(kFolder + name) << value << std::flush)) {
        throw std::runtime_error("cannot write " + kFolder + name);
    }
}

// One of its settings, as long as it lives.
class Setting {
public:
    Setting(std::string name, unsigned long value) : name_(std::move(name)), before_(read(name_))
    {
        write(name_, value);
    }
    Setting(const Setting&) = delete;
    Setting& operator=(const Setting&) = delete;
    ~Setting() { std::ofstream(kFolder + name_) << before_; }

private:
    std::string name_;
    unsigned long before_;
};

// Memory that khugepaged may make a huge page of: without any it has nothing to do, and does not go round.
class SomethingToDo {
public:
    SomethingToDo() : memory_(mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
    {
        if (memory_ == MAP_FAILED || madvise(memory_, kBytes, MADV_HUGEPAGE) != 0) {
            throw std::runtime_error("cannot have memory for huge pages");
        }
        // What was never written to does not count.
        *static_cast<volatile char*>(memory_) = 1;
    }
    SomethingToDo(const SomethingToDo&) = delete;
    SomethingToDo& operator=(const SomethingToDo&) = delete;
    ~SomethingToDo() { munmap(memory_, kBytes); }

private:
    static constexpr std::size_t kBytes = std::size_t{8} << 20U;
    void* memory_;
};

}  // namespace

void wait_for_khugepaged()
{
    if (!std::filesystem::exists(kFolder)) {
        return;
    }
    const SomethingToDo memory;
    const Setting rest("scan_sleep_millisecs", 0);
    const Setting at_once("pages_to_scan", 1UL << 20U);
    // The one that is under way may have been here already.
    const unsigned long wanted = read("full_scans") + 2;
    test::eventually("khugepaged has been through all memory", [&] { return read("full_scans") >= wanted; }, kLimit);
}

}  // namespace pinwarden::bench
