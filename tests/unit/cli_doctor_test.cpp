#include "cli/doctor.h"

#include <linux/capability.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "cli/client.h"
#include "publish/api_server.h"
#include "publish/convert.h"
#include "support/publish_fixtures.h"
#include "support/rendering.h"

using namespace pinwarden;
using namespace pinwarden::cli;
using namespace pinwarden::test;

namespace {

constexpr std::uint64_t bit(unsigned capability)
{
    return std::uint64_t{1} << capability;
}

constexpr std::uint64_t kTracing = bit(CAP_SYS_ADMIN);
constexpr std::uint64_t kAll =
    kTracing | bit(CAP_KILL) | bit(CAP_SYSLOG) | bit(CAP_SYS_PTRACE) | bit(CAP_DAC_READ_SEARCH);

v1::GetStatusResponse healthy_status()
{
    Snapshot snapshot = snapshot_with({file_pin(1, 0, 16)});
    snapshot.hooks = {
        {"pin_user_pages", "acquire", true, "", 0},
        {"unpin_user_page", "release", false, "every pin is followed by the object it was made for", 0, false},
        {"memfd_pin_folios", "acquire", false, "this kernel has no function memfd_pin_folios", 0, true, false}};
    snapshot.losses = {{"ring_full_pin", 0, true}};
    return status_to_proto(snapshot);
}

DoctorFacts healthy()
{
    DoctorFacts facts;
    facts.kernel_release = "6.1.0-32-amd64";
    facts.architecture = "x86_64";
    facts.btf = true;
    facts.lockdown = "none [integrity] confidentiality";
    facts.lsm = "lockdown,capability,apparmor";
    facts.ftrace_enabled = "1";
    facts.kptr_restrict = "0";
    facts.clock_source = "tsc";
    facts.bpf_filesystem = "/sys/fs/bpf";
    facts.cgroup_tree = "/sys/fs/cgroup";
    facts.pins_acquired = 1000;
    facts.pins_released = 984;
    facts.own = ProcessRights{.capabilities = 0, .comm = "pinctl"};
    facts.daemon = ProcessRights{.capabilities = kAll, .comm = "pinwardend"};
    facts.status = healthy_status();
    facts.now = 1'700'000'130;
    return facts;
}

DoctorFacts without_daemon()
{
    DoctorFacts facts = healthy();
    facts.status.reset();
    facts.daemon.reset();
    facts.not_answered = "cannot reach pinwardend at /s: no such socket.";
    return facts;
}

// The finding about it, or one that says that there is none.
v1::Finding about(const std::string& subject, const DoctorFacts& facts)
{
    const v1::Diagnosis diagnosis = diagnose(facts);
    for (const v1::Finding& finding : diagnosis.findings()) {
        if (finding.subject() == subject) {
            return finding;
        }
    }
    v1::Finding none;
    none.set_state("nothing was found about " + subject);
    return none;
}

struct Row {
    const char* subject;
    void (*change)(DoctorFacts&);
    v1::Severity severity;
    const char* state;
    const char* advice;
};

}  // namespace

TEST_CASE("a machine that is well")
{
    const v1::Diagnosis diagnosis = diagnose(healthy());
    CHECK(diagnosis.worst() == v1::SEVERITY_OK);
    CHECK(diagnosis.daemon_answered());
    CHECK(render_diagnosis(diagnosis, kPlain) ==
          "ok    daemon          pinwardend 0.1.0 answers, pid 77\n"
          "ok    kernel          6.1.0-32-amd64, x86_64\n"
          "ok    btf             /sys/kernel/btf/vmlinux is there\n"
          "ok    lockdown        integrity\n"
          "ok    lsm             lockdown,capability,apparmor; without bpf, which is not needed before 6.15\n"
          "ok    ftrace          kernel.ftrace_enabled is 1\n"
          "ok    symbols         kernel.kptr_restrict is 0\n"
          "ok    capabilities    pinwardend has all it uses\n"
          "ok    bpffs           mounted at /sys/fs/bpf\n"
          "ok    cgroups         v2 tree at /sys/fs/cgroup\n"
          "ok    vmstat          about 16 pages pinned by the kernel's own sums; the ledger has 64.0 KiB\n"
          "ok    clock           source tsc\n"
          "ok    hooks           1 attached\n"
          "ok    hook unpin_user_page  not needed: every pin is followed by the object it was made for\n"
          "ok    hook memfd_pin_folios  not on this kernel: this kernel has no function memfd_pin_folios\n"
          "ok    ring            no record was lost to a full ring\n"
          "ok    ledger          certain, 1 pins, 64.0 KiB\n"
          "17 ok, 0 to look at, 0 bad\n");
}

TEST_CASE("each thing that is wrong is found, with what follows and what to do")
{
    const Row rows[] = {
        {"kernel", [](DoctorFacts& f) { f.kernel_release = "5.10.0"; }, v1::SEVERITY_BAD, "5.10.0", "6.1"},
        {"kernel", [](DoctorFacts& f) { f.architecture = "aarch64"; }, v1::SEVERITY_WARN, "aarch64", "tests"},
        {"btf", [](DoctorFacts& f) { f.btf = false; }, v1::SEVERITY_BAD, "not there", "CONFIG_DEBUG_INFO_BTF"},
        {"lockdown", [](DoctorFacts& f) { f.lockdown = "none integrity [confidentiality]"; }, v1::SEVERITY_BAD,
         "confidentiality", "lockdown=integrity"},
        {"lsm", [](DoctorFacts& f) { f.kernel_release = "6.18.1"; }, v1::SEVERITY_WARN, "without bpf",
         "lsm=lockdown,capability,apparmor,bpf"},
        {"lsm", [](DoctorFacts& f) { f.lsm.reset(); }, v1::SEVERITY_WARN, "not told", "securityfs"},
        {"ftrace", [](DoctorFacts& f) { f.ftrace_enabled = "0"; }, v1::SEVERITY_BAD, "is 0", "kernel.ftrace_enabled=1"},
        {"symbols", [](DoctorFacts& f) { f.kptr_restrict = "2"; }, v1::SEVERITY_WARN, "hides", "kptr_restrict=1"},
        {"capabilities", [](DoctorFacts& f) { f.daemon->capabilities = bit(CAP_BPF); }, v1::SEVERITY_BAD,
         "CAP_SYS_ADMIN", "root"},
        {"capabilities", [](DoctorFacts& f) { f.daemon->capabilities = kTracing | bit(CAP_KILL); }, v1::SEVERITY_WARN,
         "has not CAP_SYSLOG, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH", "AmbientCapabilities"},
        {"capabilities", [](DoctorFacts& f) { f.daemon.reset(); }, v1::SEVERITY_WARN, "cannot be seen", "namespace"},
        {"bpffs", [](DoctorFacts& f) { f.bpf_filesystem.clear(); }, v1::SEVERITY_WARN, "no BPF file system",
         "mount -t bpf"},
        {"cgroups", [](DoctorFacts& f) { f.cgroup_tree.clear(); }, v1::SEVERITY_WARN, "not mounted", "cgroup2"},
        {"vmstat", [](DoctorFacts& f) { f.pins_released.reset(); }, v1::SEVERITY_WARN, "not in /proc/vmstat", "/proc"},
        {"clock", [](DoctorFacts& f) { f.clock_source = "hpet"; }, v1::SEVERITY_WARN, "hpet", "tsc"},
        {"clock", [](DoctorFacts& f) { f.now = 1'600'000'000; }, v1::SEVERITY_WARN, "in the future", "ages"},
        {"hook pin_user_pages",
         [](DoctorFacts& f) {
             f.status->mutable_hooks(0)->set_attached(false);
             f.status->mutable_hooks(0)->set_state(v1::HOOK_STATE_FAILED);
             f.status->mutable_hooks(0)->set_reason("attach: EBUSY");
         },
         v1::SEVERITY_BAD, "failed: attach: EBUSY", "log"},
        {"hook pin_user_pages",
         [](DoctorFacts& f) {
             f.status->mutable_hooks(0)->set_purpose("notifier");
             f.status->mutable_hooks(0)->set_state(v1::HOOK_STATE_FAILED);
         },
         v1::SEVERITY_WARN, "failed", "log"},
        // One that is older does not tell.
        {"hook memfd_pin_folios",
         [](DoctorFacts& f) { f.status->mutable_hooks(2)->set_state(v1::HOOK_STATE_UNSPECIFIED); }, v1::SEVERITY_WARN,
         "not attached", "same version"},
        {"loss ring_full_pin", [](DoctorFacts& f) { f.status->mutable_losses(0)->set_count(7); }, v1::SEVERITY_WARN,
         "7 since the start", "--ring-size"},
        {"ledger", [](DoctorFacts& f) { f.status->set_ledger_certain(false); }, v1::SEVERITY_WARN, "uncertain",
         "audit --repair"},
        {"notice", [](DoctorFacts& f) { f.status->add_notices("not all is on record"); }, v1::SEVERITY_WARN,
         "not all is on record", ""},
    };
    for (const Row& row : rows) {
        DoctorFacts facts = healthy();
        row.change(facts);
        const v1::Finding finding = about(row.subject, facts);
        INFO(row.subject << ": " << finding.state());
        CHECK(finding.severity() == row.severity);
        CHECK_THAT(finding.state(), Catch::Contains(row.state));
        CHECK_THAT(finding.advice(), Catch::Contains(row.advice));
        CHECK((finding.consequence().empty() || !finding.consequence().ends_with('.')));
        CHECK(diagnose(facts).worst() == row.severity);
    }
}

TEST_CASE("programs of a daemon that is gone are found, and what to do depends on whether another runs")
{
    DoctorFacts facts = healthy();
    facts.left_behind = {600};
    const auto advice = [](const DoctorFacts& of) {
        const v1::Diagnosis diagnosis = diagnose(of);
        for (const v1::Finding& finding : diagnosis.findings()) {
            if (finding.subject() == "left behind") {
                CHECK(finding.severity() == v1::SEVERITY_WARN);
                CHECK(finding.state().find("daemon 600") != std::string::npos);
                return finding.advice();
            }
        }
        return std::string();
    };
    CHECK(advice(facts).find("pinctl doctor --repair") != std::string::npos);
    facts.status.reset();
    CHECK(advice(facts).find("pinwardend --release-kept") != std::string::npos);
}

TEST_CASE("what is as it should be in another way is not complained about")
{
    DoctorFacts facts = healthy();
    facts.lockdown.reset();
    facts.ftrace_enabled.reset();
    facts.kernel_release = "6.18.1";
    facts.lsm = "capability,bpf";
    facts.daemon->capabilities = kAll | bit(CAP_SYS_ADMIN);
    CHECK(diagnose(facts).worst() == v1::SEVERITY_OK);
}

TEST_CASE("without a daemon the machine itself is looked at")
{
    DoctorFacts facts = without_daemon();
    v1::Diagnosis diagnosis = diagnose(facts);
    CHECK_FALSE(diagnosis.daemon_answered());
    CHECK(diagnosis.worst() == v1::SEVERITY_BAD);
    CHECK(about("daemon", facts).severity() == v1::SEVERITY_BAD);
    CHECK(about("kernel", facts).severity() == v1::SEVERITY_OK);
    CHECK_THAT(about("capabilities", facts).state(), Catch::Contains("who started this has not"));
    CHECK_THAT(render_diagnosis(diagnosis, kPlain), !Catch::Contains("hook"));
    facts.own->capabilities = kTracing;
    CHECK(about("capabilities", facts).severity() == v1::SEVERITY_OK);

    facts.forbidden = true;
    CHECK(about("daemon", facts).severity() == v1::SEVERITY_WARN);
    CHECK_THAT(about("capabilities", facts).state(), Catch::StartsWith("nothing was found"));
    CHECK(diagnose(facts).worst() == v1::SEVERITY_WARN);
}

TEST_CASE("what is wrong stands out, and has what follows below it")
{
    DoctorFacts facts = healthy();
    facts.ftrace_enabled = "0";
    CHECK_THAT(render_diagnosis(diagnose(facts), kColoured),
               Catch::Contains("\x1b[31mbad\x1b[0m   ftrace          kernel.ftrace_enabled is 0\n"
                               "      so: no hook on a kernel function runs: nothing is seen, denied or held\n"
                               "      do: run `sysctl kernel.ftrace_enabled=1`, and find out who set it to 0\n"));
}

TEST_CASE("the facts are read from proc and sys")
{
    const TemporaryFolder folder;
    const auto write = [&](const std::string& name, const std::string& text) {
        const std::filesystem::path path = folder.file(name);
        std::filesystem::create_directories(path.parent_path());
        std::ofstream(path) << text;
    };
    const std::string root = folder.file("");
    CHECK(read_machine(root).bpf_filesystem.empty());
    CHECK_FALSE(read_machine(root).btf);
    CHECK_FALSE(read_machine(root).own);

    write("sys/kernel/btf/vmlinux", "x");
    write("sys/kernel/security/lockdown", "[none] integrity confidentiality\n");
    write("sys/kernel/security/lsm", "capability,bpf");
    write("sys/devices/system/clocksource/clocksource0/current_clocksource", "kvm-clock\n");
    write("proc/sys/kernel/ftrace_enabled", "1\n");
    write("proc/sys/kernel/kptr_restrict", "2\n");
    write("proc/vmstat", "nr_free_pages 7\nnr_foll_pin_acquired 30\nnr_foll_pin_released 10\n");
    write("proc/self/mountinfo",
          "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"
          "31 23 0:27 / /sys/fs/bpf rw shared:5 - bpf bpf rw\n");
    write("proc/self/status", "Name:\tpinctl\nCapEff:\t000001ffffffffff\n");
    write("proc/77/status", "Name:\tpinwardend\nCapEff:\t0000000000000020\n");
    const DoctorFacts facts = read_machine(root);
    CHECK(facts.btf);
    CHECK(facts.lockdown == "[none] integrity confidentiality");
    CHECK(facts.lsm == "capability,bpf");
    CHECK(facts.clock_source == "kvm-clock");
    CHECK(facts.ftrace_enabled == "1");
    CHECK(facts.kptr_restrict == "2");
    CHECK(facts.pins_acquired == 30);
    CHECK(facts.pins_released == 10);
    CHECK(facts.cgroup_tree == "/sys/fs/cgroup");
    CHECK(facts.bpf_filesystem == "/sys/fs/bpf");
    REQUIRE(facts.own);
    CHECK(facts.own->capabilities == 0x1ffffffffffU);
    const auto daemon = read_rights("77", root);
    REQUIRE(daemon);
    CHECK(daemon->comm == "pinwardend");
    CHECK(daemon->capabilities == bit(CAP_KILL));
    CHECK_FALSE(read_rights("78", root));
}

TEST_CASE("pinctl doctor answers with and without a daemon", "[grpc]")
{
    const TemporaryFolder folder;
    const std::string socket = folder.file("s");
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    const Arguments arguments{.socket = socket, .socket_given = true, .json = true, .command = DoctorCommand{}};
    CHECK(run(arguments, {in, out, err}, {}) == 1);
    CHECK(err.str().empty());
    CHECK_THAT(out.str(), Catch::Contains(R"("daemon_answered": false)") && Catch::Contains("no such socket"));

    FakePipeline pipeline;
    pipeline.answer = snapshot_with({});
    Fanout fanout{4, 16};
    const auto server = ApiServer::start({.operators = {socket}}, pipeline, fanout);
    REQUIRE(server);
    out.str("");
    run(arguments, {in, out, err}, {});
    CHECK_THAT(out.str(), Catch::Contains(R"("daemon_answered": true)"));
}
