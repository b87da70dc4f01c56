// What pinctl prints about recordings of real kernels, word for word: see tests/data/README.md.
#include <google/protobuf/util/json_util.h>
#include <pinwarden/v1/pinwarden.pb.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "support/golden.h"
#include "support/rendering.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

namespace fs = std::filesystem;

std::vector<fs::path> recordings()
{
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(kTestData)) {
        if (entry.path().extension() == ".pwrec") {
            found.push_back(entry.path());
        }
    }
    std::ranges::sort(found);
    return found;
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
        {"refused-census", {"census"}},
        {"watch", {"watch"}},
        {"watch-json", {"watch", "--json"}},
        {"watch-filtered", {"watch", "--kind", "pin,release", "--driver", "rdma_rxe", "--count", "3"}},
        {"top", {"top", "--once"}},
        {"explain-folder", {"explain", "/run/pinwarden-tests"}},
        {"explain-nothing", {"explain", "/nowhere/to/be/found"}},
        {"explain-nobody", {"explain", "999999"}},
        {"refused-doctor", {"doctor"}},
        {"refused-config", {"config", "show"}},
        {"refused-audit-log", {"audit-log"}},
    };
    return all;
}

// About pins that the recording has at its end: their numbers are others in each.
std::vector<Asked> questions_about(const fs::path& recording)
{
    const std::string json = printed({"--recording", recording.string(), "pins", "--json"});
    v1::ListPinsResponse pins;
    REQUIRE(google::protobuf::util::JsonStringToMessage(json.substr(0, json.rfind("--- status")), &pins).ok());
    std::vector<Asked> all;
    for (const v1::Pin& pin : pins.pins()) {
        REQUIRE(pin.ranges_size() > 0);
        const v1::File& file = pin.ranges(0).file();
        const std::string number = std::to_string(all.size() / 3);
        const std::string inode = std::to_string(file.device_major()) + ":" + std::to_string(file.device_minor()) +
                                  ":" + std::to_string(file.inode());
        all.push_back({"explain-process-" + number, {"explain", std::to_string(pin.owner().pid())}});
        all.push_back({"explain-file-" + number, {"explain", file.path()}});
        all.push_back({"explain-inode-" + number, {"explain", inode}});
    }
    REQUIRE(all.size() == 9);
    return all;
}

// Commands whose output is for people: only that depends on the terminal.
bool is_for_people(const Asked& asked)
{
    return std::ranges::none_of(asked.words,
                                [](const std::string& word) { return word == "--json" || word == "--folded"; });
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
    const Utc utc;
    for (const fs::path& recording : recordings()) {
        const fs::path golden = kTestData / "golden" / recording.stem();
        std::vector<Asked> all = questions();
        std::ranges::copy(questions_about(recording), std::back_inserter(all));
        std::string narrow;
        std::string broad;
        for (const Asked& asked : all) {
            std::vector<std::string> words{"--recording", recording.string()};
            words.insert(words.end(), asked.words.begin(), asked.words.end());
            const std::string whole = printed(words);
            compare(golden / (asked.name + ".txt"), whole);
            words.emplace_back("--wide");
            CHECK(unfitted(words, kNarrow) == whole);
            words.pop_back();
            if (is_for_people(asked)) {
                narrow += "=== " + asked.name + "\n" + printed(words, kNarrow);
                broad += "=== " + asked.name + "\n" + printed(words, kBroad);
            } else {
                // Not for people: as it is.
                CHECK(unfitted(words, kNarrow) == whole);
            }
        }
        compare(golden / "at-80-columns.txt", narrow);
        compare(golden / "at-200-columns.txt", broad);
        compare(golden / "report.txt", printed({"report", recording.string()}));
        compare(golden / "report-by-file.txt", printed({"report", recording.string(), "--by", "file"}));
        compare(golden / "report-folded.txt", printed({"report", recording.string(), "--folded"}));
        compare(golden / "report-at-80-columns.txt", printed({"report", recording.string()}, kNarrow));
    }
}

TEST_CASE("two kernels' recordings are compared", "[golden]")
{
    const std::string older = (kTestData / "6.1.pwrec").string();
    const std::string newer = (kTestData / "6.12.pwrec").string();
    compare(kTestData / "golden" / "diff-by-driver.txt", printed({"diff", older, newer, "--by", "driver"}));
    compare(kTestData / "golden" / "diff-by-stack.txt", printed({"diff", older, newer}));
    compare(kTestData / "golden" / "diff-folded.txt", printed({"diff", older, newer, "--folded"}));
}
