// What pinctl prints about recordings of real kernels, word for word: see tests/data/README.md.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "cli/client.h"

using namespace pinwarden::cli;

namespace {

namespace fs = std::filesystem;

const fs::path kData = fs::path(PINWARDEN_SOURCE_DIR) / "tests" / "data";

std::vector<fs::path> recordings()
{
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(kData)) {
        if (entry.path().extension() == ".pwrec") {
            found.push_back(entry.path());
        }
    }
    std::ranges::sort(found);
    return found;
}

// What stands in the file: the command, what it printed, and how it ended.
std::string printed(const std::vector<std::string>& words)
{
    const auto parsed = parse_arguments(words, "");
    REQUIRE(std::holds_alternative<Arguments>(parsed));
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    const int status = run(std::get<Arguments>(parsed), {in, out, err}, {});
    return out.str() + (err.str().empty() ? "" : "--- messages\n" + err.str()) + "--- status " +
           std::to_string(status) + "\n";
}

std::string content(const fs::path& path)
{
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void compare(const fs::path& golden, const std::string& now)
{
    if (std::getenv("PINWARDEN_ACCEPT_GOLDEN") != nullptr) {  // NOLINT(concurrency-mt-unsafe): tests have one thread
        fs::create_directories(golden.parent_path());
        std::ofstream(golden, std::ios::binary) << now;
        return;
    }
    INFO(golden.string());
    CHECK(now == content(golden));
}

// Words of a command, and the name of its file.
struct Asked {
    std::string name;
    std::vector<std::string> words;
};

const std::vector<Asked>& questions()
{
    static const std::vector<Asked> all{
        {"status", {"status"}},
        {"status-json", {"status", "--json"}},
        {"pins", {"pins"}},
        {"pins-stack", {"pins", "--stack"}},
        {"pins-json", {"pins", "--json", "--stack"}},
        {"pins-orphans", {"pins", "--orphans"}},
        {"pins-by-pid", {"pins", "--by", "pid"}},
        {"pins-by-comm", {"pins", "--by", "comm"}},
        {"pins-by-driver", {"pins", "--by", "driver"}},
        {"pins-by-file", {"pins", "--by", "file"}},
        {"pins-by-cgroup", {"pins", "--by", "cgroup"}},
        {"pins-by-container", {"pins", "--by", "container"}},
        {"pins-by-uid", {"pins", "--by", "uid"}},
        {"pins-filtered", {"pins", "--driver", "io_uring", "--min", "4KiB", "--order", "largest", "--limit", "1"}},
        {"leaks", {"leaks"}},
        {"leaks-folded", {"leaks", "--folded"}},
        {"leaks-json", {"leaks", "--json"}},
        {"leaks-by-driver", {"leaks", "--by", "driver", "--sort", "age"}},
        {"failures", {"failures", "--stack"}},
        {"notifiers", {"notifiers"}},
        {"conflicts", {"conflicts"}},
        {"conflicts-denied", {"conflicts", "--verdict", "deny", "--last", "1"}},
        {"conflicts-json", {"conflicts", "--json"}},
        {"policy-list", {"policy", "list"}},
        {"policy-list-json", {"policy", "list", "--json"}},
        {"holds", {"holds"}},
        {"refused-policy-delete", {"policy", "delete", "recorded"}},
        {"refused-audit", {"audit"}},
        {"refused-watch", {"watch"}},
        {"refused-doctor", {"doctor"}},
        {"refused-config", {"config", "show"}},
        {"refused-audit-log", {"audit-log"}},
    };
    return all;
}

}  // namespace

TEST_CASE("there is a recording of each kernel", "[golden]")
{
    std::vector<std::string> names;
    for (const fs::path& recording : recordings()) {
        names.push_back(recording.stem().string());
    }
    CHECK(names.size() == 3);
    CHECK(std::ranges::count(names, "6.1") == 1);
    CHECK(std::ranges::count(names, "6.12") == 1);
}

TEST_CASE("pinctl prints about a recording what it printed before", "[golden]")
{
    // Times are shown as they are where pinctl runs.
    REQUIRE(setenv("TZ", "UTC", 1) == 0);  // NOLINT(concurrency-mt-unsafe): tests have one thread
    tzset();
    for (const fs::path& recording : recordings()) {
        const fs::path golden = kData / "golden" / recording.stem();
        for (const Asked& asked : questions()) {
            std::vector<std::string> words{"--recording", recording.string()};
            words.insert(words.end(), asked.words.begin(), asked.words.end());
            compare(golden / (asked.name + ".txt"), printed(words));
        }
        compare(golden / "report.txt", printed({"report", recording.string()}));
        compare(golden / "report-by-file.txt", printed({"report", recording.string(), "--by", "file"}));
        compare(golden / "report-folded.txt", printed({"report", recording.string(), "--folded"}));
    }
}

TEST_CASE("two kernels' recordings are compared", "[golden]")
{
    const std::string older = (kData / "6.1.pwrec").string();
    const std::string newer = (kData / "6.12.pwrec").string();
    compare(kData / "golden" / "diff-by-driver.txt", printed({"diff", older, newer, "--by", "driver"}));
    compare(kData / "golden" / "diff-by-stack.txt", printed({"diff", older, newer}));
    compare(kData / "golden" / "diff-folded.txt", printed({"diff", older, newer, "--folded"}));
}
