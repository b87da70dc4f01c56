// The life of policies: their modes, what is left of them after a restart, and what is said beforehand about what they
// do.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <optional>

#include "support/caller.h"
#include "support/daemon.h"
#include "support/machine.h"
#include "support/own_mount.h"
#include "support/pinned_file.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

constexpr off_t kSize = PinnedFile::kSize;

std::vector<std::string> truncating(const std::string& path)
{
    return {"truncate", path, "16384"};
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("the mode of a policy decides what becomes of a truncate, from the next one on", "[policy_life]")
{
    Daemon& daemon = Daemon::shared();
    PinnedFile file("ext4");
    const AppliedPolicy policy(daemon.api(), {.name = "life-mode", .mode = "monitor"});
    const auto generation = daemon.api().status().policy_generation();
    CHECK(daemon.api().set_mode("life-mode", v1::MODE_ENFORCE) == generation + 1);
    CHECK(policy.status().state() == "active");
    CHECK(try_truncate(file.path, 16384) == EBUSY);
    CHECK(daemon.pinctl("policy mode life-mode off").status == 0);
    CHECK(policy.status().state() == "off");
    CHECK(daemon.pinctl("policy mode life-mode enforce").status == 0);
    CHECK(try_truncate(file.path, 16384) == EBUSY);
    CHECK(file.whole());
    const Outcome unknown = daemon.pinctl("policy mode life-mod off");
    CHECK(unknown.status == 1);
    CHECK(unknown.err.find("did you mean \"life-mode\"?") != std::string::npos);
    CHECK(daemon.pinctl("policy mode life-mode monitor").status == 0);
    CHECK(try_truncate(file.path, 16384) == 0);
    CHECK(policy.status().denied() == 2);
    CHECK(policy.status().would_have_denied() == 1);
}

TEST_CASE("who is held goes on when the policy's mode is no longer enforce", "[policy_life]")
{
    Daemon& daemon = Daemon::shared();
    PinnedFile file("tmpfs");
    const AppliedPolicy policy(daemon.api(), {.name = "life-hold", .action = "hold: {timeout: 10m}"});
    Caller caller(truncating(file.path));
    caller.expect_held();
    daemon.api().set_mode("life-hold", v1::MODE_MONITOR);
    CHECK(caller.result() == "ok");
    CHECK(daemon.api().holds().empty());
}

TEST_CASE("a dry run says what then happens, and changes nothing", "[policy_life]")
{
    const std::string filesystem = GENERATE("ext4", "tmpfs");
    INFO(filesystem);
    Daemon& daemon = Daemon::shared();
    PinnedFile file(filesystem);
    const std::string folder = std::filesystem::path(file.path).parent_path();
    const AppliedPolicy elsewhere(daemon.api(), {.name = "life-elsewhere", .match = "file: {path_prefixes: [/boot]}"});
    const AppliedPolicy other(daemon.api(), {.name = "life-other", .match = "pin: {drivers: [vfio]}"});
    const AppliedPolicy policy(
        daemon.api(), {.name = "life-test", .match = "file: {path_prefixes: [" + folder + "]}", .error = "EPERM"});
    const auto generation = daemon.api().status().policy_generation();

    const auto denied = daemon.api().test(file.path, "truncate:16384");
    CHECK(denied.conflict().verdict() == "deny");
    CHECK(denied.conflict().error() == "EPERM");
    CHECK(denied.conflict().policy() == "life-test");
    REQUIRE(denied.conflict().pins_size() == 1);
    CHECK(denied.conflict().pins(0).owner().pid() == static_cast<std::uint32_t>(file.pinner.pid()));
    REQUIRE(denied.policies_size() == 3);
    CHECK(denied.policies(0).reason().find("match.file: ") == 0);
    CHECK(denied.policies(1).reason().find("match.pin.drivers") == 0);
    CHECK(denied.policies(2).decides());
    CHECK(denied.ledger_certain());
    CHECK(file.whole());
    CHECK(try_truncate(file.path, 16384) == EPERM);

    // Behind what is pinned.
    const auto behind = daemon.api().test(file.path, "truncate:32768");
    CHECK(behind.conflict().verdict() == "allow");
    CHECK(behind.conflict().pins().empty());
    CHECK(daemon.api().test(file.path, "truncate:1MiB").conflict().verdict() == "allow");

    // Another policy in place of the one in force, which that does not change.
    const std::string holding =
        to_yaml({.name = "life-test",
                 .action = "hold: {timeout: 30s, revoke: {notify: SIGUSR1, grace: 2s, then: [SIGTERM, 3s, SIGKILL]}}"});
    const auto held = daemon.api().test(file.path, "truncate:16384", holding);
    CHECK(held.conflict().verdict() == "hold");
    CHECK(held.hold().timeout().seconds() == 30);
    CHECK(held.policies(2).tested());
    REQUIRE(held.owners_size() == 1);
    CHECK(held.owners(0).process().pid() == static_cast<std::uint32_t>(file.pinner.pid()));
    CHECK(held.owners(0).spared().empty());
    REQUIRE(held.owners(0).signals_size() == 3);
    CHECK(held.owners(0).signals(0).signal() == "SIGUSR1");
    CHECK(held.owners(0).signals(2).signal() == "SIGKILL");
    CHECK(held.owners(0).signals(2).after().seconds() == 5);

    CHECK(daemon.api().status().policy_generation() == generation);
    CHECK(policy.status().matched() == 1);
    CHECK(policy.status().denied() == 1);
    CHECK(try_truncate(file.path, 16384) == EPERM);

    // It would be held: it is. And once the pin is gone it would go ahead: it does.
    daemon.api().apply(to_yaml({.name = "life-test", .action = "hold: {timeout: 10m}"}));
    CHECK(daemon.api().test(file.path, "truncate:16384").conflict().verdict() == "hold");
    {
        Caller caller(truncating(file.path));
        caller.expect_held();
        CHECK(daemon.api().test(file.path, "truncate:16384").conflict().verdict() == "hold");
        CHECK(caller.held());
        CHECK(file.whole());
        file.pinner.ok("release");
        CHECK(caller.result() == "ok");
    }
    daemon.expect_nothing_pinned();
    const auto allowed = daemon.api().test(file.path, "truncate:0");
    CHECK(allowed.conflict().verdict() == "allow");
    CHECK(allowed.conflict().reason() == "no pin is in the way, so no policy is asked");
    CHECK(size_of(file.path) == 16384);
    CHECK(try_truncate(file.path, 0) == 0);
}

TEST_CASE("pinctl policy test tells it, by any name of the file, and what is wrong with a question", "[policy_life]")
{
    Daemon& daemon = Daemon::shared();
    PinnedFile file("ext4");
    const AppliedPolicy policy(daemon.api(), {.name = "life-cli", .operations = "truncate, punch_hole"});
    const std::string link = file.path + ".link";
    std::filesystem::create_symlink(file.path, link);
    const Outcome text = daemon.pinctl("policy test --file " + link + " --operation truncate:0");
    CHECK(text.status == 0);
    CHECK(text.out.find("Verdict   deny with EBUSY") != std::string::npos);
    CHECK(text.out.find("Policy    life-cli") != std::string::npos);
    const Outcome json =
        daemon.pinctl("policy test --file " + file.path + " --operation punch_hole:20480+4096 --output json");
    CHECK(json.status == 0);
    CHECK(json.out.find("\"verdict\": \"deny\"") != std::string::npos);
    const Outcome absent = daemon.pinctl("policy test --file " + file.path + ".absent --operation truncate:0");
    CHECK(absent.status == 1);
    CHECK(absent.err.find("No such file") != std::string::npos);
    const Outcome wrong = daemon.pinctl("policy test --file " + file.path + " --operation trunkate:0");
    CHECK(wrong.status == 1);
    CHECK(wrong.err.find("did you mean \"truncate\"?") != std::string::npos);
    CHECK(file.whole());
}

TEST_CASE("a dry run of an unmount says what then happens", "[policy_life]")
{
    Daemon& daemon = Daemon::shared();
    const OwnMount mount("ext4");
    Pinner pinner;
    pinner.ok("file " + mount.in("pinned") + " " + std::to_string(kSize));
    pinner.ok("fill mapping 41");
    pinner.ok("pin " + Machine::instance().rdma(Machine::instance().file_access()) + " 16384 16384");
    const AppliedPolicy policy(
        daemon.api(),
        {.name = "life-umount", .operations = "umount", .match = "file: {path_prefixes: [" + mount.path() + "]}"});
    const auto denied = daemon.api().test(mount.path(), "umount");
    CHECK(denied.conflict().verdict() == "deny");
    CHECK(denied.conflict().pins_size() == 1);
    CHECK(mount.mounted());
    CHECK(mount.unmount(0) == EBUSY);
    CHECK(daemon.api().policy("life-umount").denied() == 1);
    const Outcome inside = daemon.pinctl("policy test --file " + mount.in("pinned") + " --operation umount");
    CHECK(inside.status == 1);
    CHECK(inside.err.find("nothing is mounted at") != std::string::npos);
    pinner.end();
    eventually("nothing is pinned", [&] { return daemon.api().status().pins() == 0; });
    CHECK(daemon.api().test(mount.path(), "umount").conflict().verdict() == "allow");
    CHECK(mount.unmount(0) == 0);
}

TEST_CASE("policies of the API are in force again after a restart", "[policy_life]")
{
    Daemon::stop_shared();
    const TemporaryFolder folder;
    const std::string file_policy = folder.file("file.yaml");
    std::ofstream(file_policy) << to_yaml({.name = "of-a-file", .operations = "punch_hole", .error = "EPERM"});
    const std::vector<std::string> options{"--state-dir", folder.file("var/state"), "--policy", file_policy};
    const std::string kept = folder.file("var/state/policies.yaml");
    PinnedFile file("ext4");
    {
        Daemon daemon(options);
        CHECK_FALSE(std::filesystem::exists(kept));
        daemon.api().apply(to_yaml({.name = "kept"}));
        daemon.api().apply(to_yaml({.name = "gone", .error = "EPERM"}));
        daemon.api().remove("gone");
        daemon.api().set_mode("of-a-file", v1::MODE_OFF);
        // Killed, so that nothing is written at the end.
    }
    {
        Daemon daemon(options);
        CHECK(daemon.api().policy_states() == Texts{"of-a-file off", "kept active"});
        CHECK(daemon.api().policy("of-a-file").reason() == "an operator set this mode; its file says enforce");
        CHECK(daemon.api().policy("kept").source() == "test.yaml");
        daemon.wait_for_census();
        CHECK(try_truncate(file.path, 16384) == EBUSY);
        CHECK(file.whole());
        daemon.stop();
    }
    // One whose folder cannot be made any more changes nothing that it could not keep.
    std::filesystem::rename(folder.file("var"), folder.file("var.before"));
    std::ofstream(folder.file("var")) << "in the way";
    {
        Daemon daemon(options);
        CHECK(daemon.api().policy_states() == Texts{"of-a-file active"});
        CHECK(daemon.api().refuse(to_yaml({.name = "new"})).find("could not be kept") != std::string::npos);
        daemon.api().set_mode("of-a-file", v1::MODE_MONITOR);
        CHECK(daemon.api().policy_states() == Texts{"of-a-file monitoring"});
        CHECK(daemon.api().noticed("could not be kept"));
        daemon.stop();
    }
    std::filesystem::remove(folder.file("var"));
    std::filesystem::rename(folder.file("var.before"), folder.file("var"));
    // Damaged: the daemon runs without, says so and keeps what there was.
    std::filesystem::resize_file(kept, std::filesystem::file_size(kept) / 2);
    {
        Daemon daemon(options);
        CHECK(daemon.api().policy_states() == Texts{"of-a-file active"});
        CHECK(daemon.api().noticed(kept + ".damaged"));
        CHECK(daemon.messages().find("is damaged") != std::string::npos);
        CHECK(std::filesystem::exists(kept + ".damaged"));
        CHECK_FALSE(std::filesystem::exists(kept));
        CHECK(try_truncate(file.path, 16384) == 0);
        daemon.stop();
    }
}

TEST_CASE("a kept policy that cannot be put in force is refused, and the daemon starts all the same", "[policy_life]")
{
    Daemon::stop_shared();
    const TemporaryFolder folder;
    const std::vector<std::string> state{"--state-dir", folder.file("state")};
    PinnedFile file("tmpfs");
    {
        Daemon daemon(state);
        daemon.api().apply(to_yaml({.name = "life-kill", .action = "hold: {revoke: {then: [SIGTERM]}}"}));
        daemon.api().apply(to_yaml({.name = "life-deny", .error = "EPERM"}));
        daemon.stop();
    }
    std::ofstream(folder.file("blocked")) << "no folder";
    std::vector<std::string> options = state;
    options.insert(options.end(), {"--audit-log", folder.file("blocked/audit.log")});
    Daemon daemon(options);
    CHECK(daemon.api().policy_states() == Texts{"life-deny active", "life-kill refused"});
    CHECK(daemon.api().policy("life-kill").reason().find("must be on record first") != std::string::npos);
    CHECK(daemon.pinctl("policy list").out.find("refused") != std::string::npos);
    CHECK(daemon.api().noticed("\"life-kill\" was kept and is not in force"));
    daemon.wait_for_census();
    CHECK(try_truncate(file.path, 16384) == EPERM);
    daemon.api().remove("life-kill");
    CHECK(daemon.api().policy_states() == Texts{"life-deny active"});
    daemon.stop();
}
