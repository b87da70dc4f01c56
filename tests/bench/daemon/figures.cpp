#include "daemon/figures.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace pinwarden::bench {
namespace {

bool emulated()
{
    const std::ifstream file("/proc/cpuinfo");
    std::ostringstream text;
    text << file.rdbuf();
    return text.str().find("QEMU TCG") != std::string::npos;
}

std::string json(const Spread& spread)
{
    return fmt::format(R"({{"count": {}, "median": {:.9f}, "worst": {:.9f}}})", spread.count, spread.median,
                       spread.worst);
}

std::string json(const Idle& idle)
{
    std::string threads;
    for (const ThreadTime& thread : idle.threads) {
        threads += fmt::format(R"({}{{"name": "{}", "nanoseconds": {}}})", threads.empty() ? "" : ", ", thread.name,
                               thread.nanoseconds);
    }
    return fmt::format(R"({{"seconds": {:.3f}, "share": {:.6f}, "guardian_share": {:.6f}, "threads": [{}]}})",
                       idle.seconds, idle.share, idle.guardian_share, threads);
}

std::string json(const Load& load)
{
    return fmt::format(R"({{"wanted": {}, "reached": {:.0f}, "events": {}, "seen": {}, "lost": {}, )"
                       R"("share": {:.6f}, "nanoseconds": {:.1f}, "behind": {:.6f}}})",
                       load.wanted, load.reached, load.events, load.seen, load.lost, load.share, load.nanoseconds,
                       load.behind);
}

std::string json(const MemoryUse& use)
{
    return fmt::format(R"({{"resident": {}, "proportional": {}, "peak": {}, )"
                       R"("heap": {}, "program": {}, "libraries": {}, "maps": {}, "kernel": {}}})",
                       use.resident, use.proportional, use.peak, use.heap, use.program, use.libraries, use.maps,
                       use.kernel);
}

std::string json(const Resident& memory)
{
    std::string text = fmt::format(R"({{"empty": {}, "guardian": {}, "extents": {})", json(memory.empty),
                                   json(memory.guardian), memory.extents);
    if (memory.full && memory.after) {
        text += fmt::format(R"(, "full": {}, "after": {})", json(*memory.full), json(*memory.after));
    }
    return text + "}";
}

}  // namespace

Spread spread_of(std::vector<double> seconds)
{
    if (seconds.empty()) {
        return {};
    }
    std::ranges::sort(seconds);
    return {.count = seconds.size(), .median = seconds[seconds.size() / 2], .worst = seconds.back()};
}

std::string json(const Figures& figures)
{
    utsname kernel{};
    uname(&kernel);
    std::string text = fmt::format("{{\n  \"kernel\": \"{}\",\n  \"emulated\": {},\n", kernel.release, emulated());
    const auto add = [&text](const std::string& name, const auto& part) {
        if (part) {
            text += fmt::format("  \"{}\": {},\n", name, json(*part));
        }
    };
    add("start", figures.start);
    add("idle", figures.idle);
    if (!figures.loads.empty()) {
        std::string loads;
        for (const Load& load : figures.loads) {
            loads += (loads.empty() ? "\n    " : ",\n    ") + json(load);
        }
        text += "  \"loads\": [" + loads + "\n  ],\n";
    }
    add("memory", figures.memory);
    add("gone", figures.gone);
    add("resolved", figures.resolved);
    return text + fmt::format("  \"lost\": {},\n  \"certain\": {}\n}}\n", figures.lost, figures.certain);
}

}  // namespace pinwarden::bench
