#include "cli/doctor.h"

#include <linux/capability.h>

#include <algorithm>
#include <array>
#include <sstream>
#include <string_view>
#include <utility>

namespace pinwarden::cli {
namespace {

constexpr std::pair kOldestKernel{6, 1};
// From here on the kernel lets tasks preempt tracing programs.
constexpr std::pair kPreemptingKernel{6, 15};

struct Report {
    v1::Diagnosis diagnosis;

    void add(const std::string& subject, v1::Severity severity, const std::string& state,
             const std::string& consequence = "", const std::string& advice = "")
    {
        v1::Finding& finding = *diagnosis.add_findings();
        finding.set_subject(subject);
        finding.set_severity(severity);
        finding.set_state(state);
        finding.set_consequence(consequence);
        finding.set_advice(advice);
        diagnosis.set_worst(std::max(diagnosis.worst(), severity));
    }
    void ok(const std::string& subject, const std::string& state) { add(subject, v1::SEVERITY_OK, state); }
    void warn(const std::string& subject, const std::string& state, const std::string& consequence,
              const std::string& advice)
    {
        add(subject, v1::SEVERITY_WARN, state, consequence, advice);
    }
    void bad(const std::string& subject, const std::string& state, const std::string& consequence,
             const std::string& advice)
    {
        add(subject, v1::SEVERITY_BAD, state, consequence, advice);
    }
};

std::pair<int, int> version_of(const std::string& release)
{
    std::pair<int, int> version;
    char dot = 0;
    std::istringstream(release) >> version.first >> dot >> version.second;
    return version;
}

void look_at_daemon(const DoctorFacts& facts, Report& report)
{
    if (facts.status) {
        const v1::GetStatusResponse& status = *facts.status;
        report.ok("daemon", "pinwardend " + status.version() + " answers, pid " + std::to_string(status.pid()));
    } else if (facts.forbidden) {
        report.warn("daemon", facts.not_answered, "its hooks, losses and rights were not looked at",
                    "run `pinctl doctor` as a member of the group pinwarden, or with sudo");
    } else {
        report.bad(
            "daemon", facts.not_answered, "nothing is watched, and what is below is only what this machine shows",
            "start it, or see its log for why it ended: `journalctl -u pinwardend`; `pinwardend --probe` tells whether "
            "this kernel takes its programs");
    }
}

void look_at_kernel(const DoctorFacts& facts, Report& report)
{
    const std::string state = facts.kernel_release + ", " + facts.architecture;
    if (version_of(facts.kernel_release) < kOldestKernel) {
        report.bad("kernel", state, "pinwardend does not start on it", "boot Linux 6.1 or later");
    } else if (facts.architecture != "x86_64") {
        report.warn("kernel", state, "pinwarden is only tested on x86_64", "run its tests here before relying on it");
    } else {
        report.ok("kernel", state);
    }
    if (facts.btf) {
        report.ok("btf", "/sys/kernel/btf/vmlinux is there");
    } else {
        report.bad("btf", "/sys/kernel/btf/vmlinux is not there",
                   "pinwardend cannot fit its programs to this kernel and does not start",
                   "boot a kernel that was built with CONFIG_DEBUG_INFO_BTF=y");
    }
}

// "integrity" out of "none [integrity] confidentiality".
std::string chosen(const std::string& text)
{
    const auto open = text.find('[');
    const auto close = text.find(']');
    return open == std::string::npos || close == std::string::npos || close < open
               ? text
               : text.substr(open + 1, close - open - 1);
}

void look_at_security(const DoctorFacts& facts, Report& report)
{
    const std::string lockdown = facts.lockdown ? chosen(*facts.lockdown) : "";
    if (lockdown == "confidentiality") {
        report.bad("lockdown", lockdown, "BPF programs may not read kernel memory, so pinwardend does not start",
                   "boot with lockdown=integrity, or without lockdown");
    } else {
        report.ok("lockdown",
                  facts.lockdown ? lockdown : "not told; the kernel has none, or securityfs is not mounted");
    }
    if (!facts.lsm) {
        report.warn("lsm", "not told: /sys/kernel/security/lsm cannot be read",
                    "whether bpf is among the active security modules is not known",
                    "mount securityfs: `mount -t securityfs none /sys/kernel/security`");
        return;
    }
    if (("," + *facts.lsm + ",").find(",bpf,") != std::string::npos) {
        report.ok("lsm", *facts.lsm);
    } else if (version_of(facts.kernel_release) < kPreemptingKernel) {
        report.ok("lsm", *facts.lsm + "; without bpf, which is not needed before 6.15");
    } else {
        report.warn(
            "lsm", *facts.lsm + "; without bpf",
            "this kernel lets tasks preempt programs, so now and then an operation may go through without being "
            "looked at; the loss missed_report counts such moments",
            "add bpf to lsm=... on the kernel's command line: lsm=" + *facts.lsm + ",bpf");
    }
}

void look_at_switches(const DoctorFacts& facts, Report& report)
{
    if (facts.ftrace_enabled == "0") {
        report.bad("ftrace", "kernel.ftrace_enabled is 0",
                   "no hook on a kernel function runs: nothing is seen, denied or held",
                   "run `sysctl kernel.ftrace_enabled=1`, and find out who set it to 0");
    } else {
        report.ok("ftrace", facts.ftrace_enabled ? "kernel.ftrace_enabled is " + *facts.ftrace_enabled
                                                 : "the kernel has no switch for it");
    }
    if (facts.kptr_restrict == "2") {
        report.warn("symbols", "kernel.kptr_restrict is 2: the kernel hides its symbols from everybody",
                    "drivers are shown as \"unknown\" and stacks without names, and policies that name drivers match "
                    "nothing",
                    "run `sysctl kernel.kptr_restrict=1` and start pinwardend again");
    } else {
        report.ok("symbols", facts.kptr_restrict ? "kernel.kptr_restrict is " + *facts.kptr_restrict
                                                 : "kernel.kptr_restrict cannot be read");
    }
}

struct Right {
    unsigned bit;
    std::string_view name;
    std::string_view consequence;
};

constexpr std::array kRights{
    Right{CAP_KILL, "CAP_KILL", "processes of other users cannot be signalled, nor continued after a hold"},
    Right{CAP_SYSLOG, "CAP_SYSLOG", "kernel symbols are hidden from it: drivers are shown as \"unknown\""},
    Right{CAP_SYS_PTRACE, "CAP_SYS_PTRACE",
          "who may hold orphans, and who owns pins from before its start, is not found"},
    Right{CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH", "the cgroups and containers of owners are not named"}};

bool has(const ProcessRights& rights, unsigned bit)
{
    return (rights.capabilities >> bit & 1U) != 0;
}

bool may_trace(const ProcessRights& rights)
{
    return has(rights, CAP_SYS_ADMIN);  // stands for CAP_BPF and CAP_PERFMON as well
}

void look_at_rights(const DoctorFacts& facts, Report& report)
{
    if (facts.daemon) {
        if (!may_trace(*facts.daemon)) {
            report.bad("capabilities", "pinwardend has not CAP_SYS_ADMIN",
                       "it cannot listen to functions any more that become needed",
                       "start it as root, or as a service that is given it");
            return;
        }
        std::string missing;
        std::string consequence;
        for (const Right& right : kRights) {
            if (!has(*facts.daemon, right.bit)) {
                missing.append(missing.empty() ? "" : ", ").append(right.name);
                consequence.append(consequence.empty() ? "" : "; ").append(right.consequence);
            }
        }
        if (missing.empty()) {
            report.ok("capabilities", "pinwardend has all it uses");
        } else {
            report.warn("capabilities", "pinwardend has not " + missing, consequence,
                        "give it these in its service's AmbientCapabilities= and CapabilityBoundingSet=");
        }
        return;
    }
    if (facts.forbidden) {
        return;
    }
    if (facts.status) {
        report.warn("capabilities", "those of pinwardend cannot be seen from here",
                    "whether it may signal, and sees symbols and cgroups, is not known",
                    "run `pinctl doctor` in the pid namespace of the daemon");
        return;
    }
    if (facts.own && may_trace(*facts.own)) {
        report.ok("capabilities", "who started this could start pinwardend");
    } else {
        report.warn("capabilities", "who started this has not CAP_SYS_ADMIN", "pinwardend cannot be started from here",
                    "start it as root, or as a service that is given it");
    }
}

void look_at_mounts(const DoctorFacts& facts, Report& report)
{
    if (facts.bpf_filesystem.empty()) {
        report.warn(
            "bpffs", "no BPF file system is mounted",
            "policies with when_unattended: keep are refused, and nobody finds who is held after the daemon and "
            "its guardian were killed together",
            "run `mount -t bpf none /sys/fs/bpf`");
    } else {
        report.ok("bpffs", "mounted at " + facts.bpf_filesystem);
    }
    if (facts.cgroup_tree.empty()) {
        report.warn("cgroups", "the cgroup v2 tree is not mounted",
                    "cgroups and containers of owners are not named, and policies that select by them are pending",
                    "run `mount -t cgroup2 none /sys/fs/cgroup`, or boot with systemd.unified_cgroup_hierarchy=1");
    } else {
        report.ok("cgroups", "v2 tree at " + facts.cgroup_tree);
    }
}

void look_at_left_behind(const DoctorFacts& facts, Report& report)
{
    for (const std::uint32_t pid : facts.left_behind) {
        const std::string state = "daemon " + std::to_string(pid) + " is gone, and its policies are in force";
        if (facts.status) {
            report.warn("left behind", state, "an operation may be denied by a policy nobody sees",
                        "the daemon that runs ends them within a minute of its start; later, run `pinctl doctor "
                        "--repair`");
        } else {
            report.warn("left behind", state, "operations are denied, and nobody hears of it until a daemon runs",
                        "start pinwardend, which takes them over without a gap, or end them with `pinwardend "
                        "--release-kept`");
        }
    }
}

void look_at_counters(const DoctorFacts& facts, Report& report)
{
    if (!facts.pins_acquired || !facts.pins_released) {
        report.warn("vmstat", "nr_foll_pin_acquired and nr_foll_pin_released are not in /proc/vmstat",
                    "the kernel's own sums cannot be set beside the ledger's", "see whether /proc is mounted whole");
        return;
    }
    const std::uint64_t held = *facts.pins_acquired - std::min(*facts.pins_acquired, *facts.pins_released);
    report.ok("vmstat", "about " + std::to_string(held) + " pages pinned by the kernel's own sums" +
                            (facts.status ? "; the ledger has " + human_bytes(facts.status->pinned_bytes()) : ""));
}

void look_at_clock(const DoctorFacts& facts, Report& report)
{
    const std::string source = facts.clock_source.value_or("not told");
    if (source == "hpet" || source == "acpi_pm" || source == "jiffies") {
        report.warn("clock", "the clock source is " + source,
                    "each hook reads the clock, and this one is slow or coarse: pinning becomes slower",
                    "see the kernel's log for why it does not use the processor's own (tsc)");
    } else if (facts.status && facts.status->start_time().seconds() > facts.now) {
        report.warn("clock", "pinwardend started in the future",
                    "the machine's clock was set back since, so times before that are shown too late",
                    "nothing; ages are right, as they are counted from boot");
    } else {
        report.ok("clock", "source " + source);
    }
}

void look_at_hooks(const v1::GetStatusResponse& status, Report& report)
{
    for (const v1::Hook& hook : status.hooks()) {
        const std::string subject = "hook " + hook.name();
        const std::string missed =
            hook.missed() == 0 ? "" : ", " + std::to_string(hook.missed()) + " runs skipped by the kernel";
        switch (hook.state()) {
            case v1::HOOK_STATE_ATTACHED: report.ok(subject, "attached" + missed); break;
            case v1::HOOK_STATE_NOT_NEEDED: report.ok(subject, "not needed: " + hook.reason()); break;
            case v1::HOOK_STATE_UNAVAILABLE: report.ok(subject, "not on this kernel: " + hook.reason()); break;
            case v1::HOOK_STATE_FAILED: {
                const bool vital =
                    hook.purpose() == "acquire" || hook.purpose() == "release" || hook.purpose() == "operation";
                report.add(subject, vital ? v1::SEVERITY_BAD : v1::SEVERITY_WARN, "failed: " + hook.reason(),
                           "what it would tell about (" + hook.purpose() + ") is not seen",
                           "see the kernel's log and that of pinwardend, then start pinwardend again");
                break;
            }
            default:
                report.add(subject, hook.attached() ? v1::SEVERITY_OK : v1::SEVERITY_WARN,
                           hook.attached() ? "attached" + missed : "not attached: " + hook.reason(),
                           hook.attached() ? "" : "this pinwardend does not tell whether that is as it should be",
                           hook.attached() ? "" : "use a pinctl and a pinwardend of the same version");
        }
    }
}

std::string advice_for(const std::string& cause)
{
    if (cause.starts_with("ring_full")) {
        return "start pinwardend with a larger ring: --ring-size";
    }
    if (cause == "subscriber_slow") {
        return "find the slow subscriber; `pinctl conflicts` and the audit log have what it missed of conflicts";
    }
    if (cause.starts_with("missed_")) {
        return "see `pinctl status` for which hook; add bpf to lsm=... where the kernel is 6.15 or later";
    }
    return "see docs/kernel.md for what it means";
}

void look_at_losses(const v1::GetStatusResponse& status, Report& report)
{
    std::uint64_t ring = 0;
    for (const v1::Loss& loss : status.losses()) {
        ring += loss.cause().starts_with("ring_full") ? loss.count() : 0;
        if (loss.count() > 0) {
            report.warn("loss " + loss.cause(), std::to_string(loss.count()) + " since the start",
                        loss.affects_ledger() ? "pins or releases were missed; the ledger was mended if it is certain"
                                              : "the ledger is not affected, reports are",
                        advice_for(loss.cause()));
        }
    }
    if (ring == 0) {
        report.ok("ring", "no record was lost to a full ring");
    }
    if (status.ledger_certain()) {
        report.ok("ledger",
                  "certain, " + std::to_string(status.pins()) + " pins, " + human_bytes(status.pinned_bytes()));
    } else {
        report.warn("ledger", "uncertain",
                    "pins may be missing or be gone already, and each policy's `unresolved` decides about all files",
                    "wait a moment, it mends itself; if it stays so, run `pinctl audit --repair`");
    }
    for (const std::string& notice : status.notices()) {
        report.warn("notice", notice, "", "");
    }
}

}  // namespace

v1::Diagnosis diagnose(const DoctorFacts& facts)
{
    Report report;
    report.diagnosis.set_worst(v1::SEVERITY_OK);
    report.diagnosis.set_daemon_answered(facts.status.has_value());
    look_at_daemon(facts, report);
    look_at_kernel(facts, report);
    look_at_security(facts, report);
    look_at_switches(facts, report);
    look_at_rights(facts, report);
    look_at_mounts(facts, report);
    look_at_left_behind(facts, report);
    look_at_counters(facts, report);
    look_at_clock(facts, report);
    if (facts.status) {
        look_at_hooks(*facts.status, report);
        look_at_losses(*facts.status, report);
    }
    return std::move(report.diagnosis);
}

}  // namespace pinwarden::cli
