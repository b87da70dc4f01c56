// A daemon with a folder like /etc/pinwarden: what is there is in force, and what changes there is so from SIGHUP on.
#include <catch2/catch.hpp>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "support/daemon.h"
#include "support/machine.h"
#include "support/pinned_file.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

class Etc {
public:
    Etc()
    {
        write("pinwarden.yaml", "leak_after: 1m\nring_size: 16MiB\n");
        write("pinwarden.d/10-site.yaml", "# this site\nprotect: [postgres]\n");
    }

    void write(const std::string& name, const std::string& text) const
    {
        const std::filesystem::path path = file(name);
        std::filesystem::create_directories(path.parent_path());
        // As editors and package managers do: nobody sees half of it.
        std::ofstream(path.string() + ".new") << text;
        std::filesystem::rename(path.string() + ".new", path);
    }
    void remove(const std::string& name) const { std::filesystem::remove(file(name)); }
    [[nodiscard]] std::string file(const std::string& name) const { return folder_.file("etc/" + name); }
    [[nodiscard]] std::vector<std::string> option() const { return {"--config", file("pinwarden.yaml")}; }

private:
    TemporaryFolder folder_;
};

std::size_t count_of(const std::string& text, const std::string& part)
{
    std::size_t count = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
        ++count;
    }
    return count;
}

bool has(const std::string& text, const std::string& part)
{
    return text.find(part) != std::string::npos;
}

// SIGHUP, and until the log says what became of it.
std::string reload(const Daemon& daemon)
{
    const auto ends = [&] {
        return count_of(daemon.messages(), "configuration reloaded: ") +
               count_of(daemon.messages(), "from before the reload stay in force");
    };
    const std::size_t before = ends();
    const std::size_t said = daemon.messages().size();
    kill(daemon.pid(), SIGHUP);
    // A truncate without pause leaves an emulated processor little time for it.
    eventually("the log tells of a reload", [&] { return ends() > before; }, 3 * kDeadline);
    return daemon.messages().substr(said);
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("what the configuration's folder says is in force, and is exchanged on SIGHUP, all or nothing", "[config]")
{
    Daemon::stop_shared();
    const Etc etc;
    etc.write("policies.d/10-busy.yaml", to_yaml({.name = "busy"}));
    PinnedFile file("ext4");
    Daemon daemon(etc.option());
    daemon.wait_for_census();
    CHECK(daemon.api().policy_states() == Texts{"busy active"});
    CHECK(try_truncate(file.path, 16384) == EBUSY);
    daemon.api().apply(to_yaml({.name = "of-an-operator", .mode = "monitor", .operations = "punch_hole"}));

    const Outcome shown = daemon.pinctl("config show");
    INFO(shown.out);
    CHECK(has(shown.out, "leak_after "));
    CHECK(has(shown.out, "1m "));
    CHECK(has(shown.out, etc.file("pinwarden.yaml") + ":1\n"));
    CHECK(has(shown.out, etc.file("pinwarden.d/10-site.yaml") + ":2\n"));
    CHECK(has(shown.out, "  flag\n"));
    CHECK(has(shown.out, "Last reload: none since the start\n"));

    // Another policy, another time, and what only a restart can do.
    etc.write("policies.d/10-busy.yaml", to_yaml({.name = "busy", .error = "EPERM"}));
    etc.write("policies.d/20-more.yaml", to_yaml({.name = "more", .mode = "monitor", .operations = "umount"}));
    etc.write("pinwarden.yaml", "leak_after: 2m\nring_size: 32MiB\nlog_level: warning\n");
    const auto generation = daemon.api().status().policy_generation();
    kill(daemon.pid(), SIGHUP);
    eventually("the new policy is in force", [&] { return try_truncate(file.path, 16384) == EPERM; });
    eventually("the reload is known", [&] { return has(daemon.pinctl("config show").out, "ago, applied"); });
    CHECK(daemon.api().status().policy_generation() == generation + 1);
    CHECK(daemon.api().policy_states() == Texts{"busy active", "more monitoring", "of-an-operator monitoring"});
    const std::string waits =
        "ring_size stays 16MiB until pinwardend is restarted, and is then 32MiB (" + etc.file("pinwarden.yaml") + ":2)";
    CHECK(has(daemon.messages(), waits));
    CHECK(daemon.api().noticed(waits));
    const Outcome again = daemon.pinctl("config show");
    CHECK(has(again.out, "    after a restart: 32MiB (" + etc.file("pinwarden.yaml") + ":2)\n"));
    CHECK(has(daemon.pinctl("--json config show").out, "\"applied\": true"));

    // A broken one: everything stays, and the log says where.
    etc.write("policies.d/10-busy.yaml", to_yaml({.name = "busy", .mode = "monitor"}));
    etc.write("policies.d/20-more.yaml",
              "name: more\nmode: enforce\nmatch: {operations: [truncat]}\naction: {deny: {}}\n");
    etc.write("pinwarden.d/10-site.yaml", "protect: [postgres]\nleak_aftr: 3m\n");
    const std::string said = reload(daemon);
    INFO(said);
    CHECK(has(said, "reload refused: " + etc.file("pinwarden.d/10-site.yaml") +
                        ":2:1: leak_aftr: unknown option; did you mean \"leak_after\"?"));
    CHECK(has(said, "reload refused: " + etc.file("policies.d/20-more.yaml") + ":3:22: match.operations[0]: "));
    CHECK(try_truncate(file.path, 16384) == EPERM);
    CHECK(daemon.api().policy_states() == Texts{"busy active", "more monitoring", "of-an-operator monitoring"});
    CHECK(daemon.api().noticed("was refused, and what was in force before stays"));
    CHECK(has(daemon.pinctl("config show").out, "ago, refused; what was in force before stays\n"));

    // Mended: with its file a policy goes, and what came over the API stays.
    etc.write("pinwarden.d/10-site.yaml", "log_level: info\n");
    etc.remove("policies.d/20-more.yaml");
    kill(daemon.pid(), SIGHUP);
    eventually("the file's policies are exchanged",
               [&] { return daemon.api().policy_states() == Texts{"busy monitoring", "of-an-operator monitoring"}; });
    CHECK_FALSE(daemon.api().noticed("was refused"));
    CHECK(try_truncate(file.path, 16384) == 0);
    daemon.stop();
}

TEST_CASE("while others come and go on SIGHUP, a policy that stays lets nothing through", "[config]")
{
    Daemon::stop_shared();
    const Etc etc;
    etc.write("policies.d/50-stays.yaml", to_yaml({.name = "stays"}));
    PinnedFile file("ext4");
    Daemon daemon(etc.option());
    daemon.wait_for_census();
    REQUIRE(try_truncate(file.path, 16384) == EBUSY);

    std::atomic<bool> enough = false;
    std::atomic<std::uint64_t> denied = 0;
    std::atomic<int> other_than_denied = 0;
    std::jthread truncater([&](const std::stop_token& stop) {
        while (!enough && !stop.stop_requested()) {
            const int error = try_truncate(file.path, 16384);
            if (error == EBUSY) {
                ++denied;
            } else {
                other_than_denied = error == 0 ? -1 : error;
                enough = true;
            }
        }
    });
    constexpr int kTimes = 12;
    for (int i = 0; i < kTimes && !enough; ++i) {
        // Now before it in the order, now behind, now gone.
        etc.remove("policies.d/" + std::string(i % 2 == 0 ? "10" : "90") + "-comes.yaml");
        if (i % 3 != 0) {
            etc.write("policies.d/" + std::string(i % 2 == 0 ? "90" : "10") + "-comes.yaml",
                      to_yaml({.name = "comes", .operations = "umount"}));
        } else {
            etc.remove("policies.d/" + std::string(i % 2 == 0 ? "90" : "10") + "-comes.yaml");
        }
        reload(daemon);
        const std::uint64_t seen = denied;
        eventually("some were denied meanwhile", [&] { return enough || denied > seen; });
    }
    enough = true;
    truncater.join();
    CHECK(other_than_denied == 0);
    CHECK(file.whole());
    CHECK(count_of(daemon.messages(), "configuration reloaded: ") == kTimes);
    daemon.stop();
}

TEST_CASE("--check-config says what would be in force, or everything that is wrong, without any rights", "[config]")
{
    const Etc etc;
    const std::string check =
        "setpriv --reuid 1234 --regid 1234 --clear-groups --bounding-set -all pinwardend --check-config --config " +
        etc.file("pinwarden.yaml");
    etc.write("policies.d/10.yaml", to_yaml({.name = "busy"}));
    shell("chmod -R a+rX $(dirname $(dirname " + etc.file("pinwarden.yaml") + "))");
    const Outcome good = shell(check);
    INFO(good.out << good.err);
    CHECK(good.status == 0);
    CHECK(has(good.out, "leak_after        1m  (" + etc.file("pinwarden.yaml") + ":1)\n"));
    CHECK(has(good.out, "policy busy: active (" + etc.file("policies.d/10.yaml") + ":1:7)\n"));
    etc.write("pinwarden.yaml", "leak_after: 1\nlog_level: loud\n");
    etc.write("policies.d/10.yaml", "name: busy\nmode: of\n");
    shell("chmod -R a+rX $(dirname " + etc.file("pinwarden.yaml") + ")");
    const Outcome bad = shell(check);
    INFO(bad.err);
    CHECK(bad.status == 1);
    CHECK(bad.out.empty());
    for (const char* const place :
         {"pinwarden.yaml:1:13: leak_after: ", "pinwarden.yaml:2:12: log_level: ", "policies.d/10.yaml:2:7: mode: "}) {
        CHECK(has(bad.err, place));
    }
    const Outcome missing = shell("pinwardend --check-config --config " + etc.file("none.yaml"));
    CHECK(missing.status == 1);
    CHECK(has(missing.err, "none.yaml: cannot open configuration: No such file or directory"));
}
