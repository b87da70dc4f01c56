#include "app/daemon.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/sinks/systemd_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>

#include "act/audit_file.h"
#include "act/audit_recorder.h"
#include "app/api_sockets.h"
#include "app/audit_syncer.h"
#include "app/config_book.h"
#include "app/config_watch.h"
#include "app/confinement.h"
#include "app/daemon_signals.h"
#include "app/engine.h"
#include "app/event_writer.h"
#include "app/former_daemon.h"
#include "app/free_memory.h"
#include "app/guardian.h"
#include "app/kernel_adapters.h"
#include "app/kernel_watch.h"
#include "app/pin_keeper.h"
#include "app/pipeline_thread.h"
#include "app/recording_desk.h"
#include "app/reload.h"
#include "app/repair.h"
#include "app/service_notify.h"
#include "kernel/kept_links.h"
#include "kernel/preemption.h"
#include "kernel/privileges.h"
#include "kernel/programs.h"
#include "kernel/scopes.h"
#include "policy/path_resolver.h"
#include "policy/policy_store.h"
#include "policy/suggest.h"
#include "proc/holder_search.h"
#include "proc/page_owners.h"
#include "proc/pidfd_signals.h"
#include "proc/process_table.h"
#include "proc/stopped_process.h"
#include "publish/api_server.h"
#include "publish/audit_history.h"
#include "publish/conflict_history.h"
#include "publish/metrics_server.h"

namespace pinwarden {
namespace {

constexpr std::size_t kMaxSubscribers = 96;
constexpr std::size_t kSubscriberQueue = 4096;

void set_log_level(const std::string& level)
{
    spdlog::set_level(spdlog::level::from_str(level));
}

void start_log(const std::string& level)
{
    // The journal gets levels as its own, and keeps the time.
    auto log = stderr_is_journal() ? spdlog::systemd_logger_mt("pinwardend") : spdlog::stderr_color_mt("pinwardend");
    log->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l: %v");
    spdlog::set_default_logger(log);
    set_log_level(level);
}

// `reload` is called on SIGHUP, `now_and_then` when there was no signal for as long as it said the last time.
void wait_for_stop(const DaemonSignals& signals, const std::function<void()>& reload,
                   const std::function<std::chrono::seconds()>& now_and_then)
{
    for (std::chrono::seconds between = now_and_then();;) {
        switch (signals.next(between)) {
            case DaemonSignals::Told::kStop: return;
            case DaemonSignals::Told::kReload: reload(); break;
            case DaemonSignals::Told::kNothing: between = now_and_then(); break;
        }
    }
}

// Nothing is known to the kernel yet: a policy that would be refused is refused before anything is attached.
Result<std::vector<Policy>> policies_of_files(const Configuration& configuration)
{
    const LoadedPolicies loaded = load_policies(configuration);
    if (!loaded.errors.empty()) {
        std::string all;
        for (const Error& error : loaded.errors) {
            all += (all.empty() ? "" : "\n") + error.message;
        }
        return fail(all, loaded.errors.front().code);
    }
    std::vector<Policy> policies = loaded.policies();
    PolicySet trial;
    if (auto valid = trial.apply(policies); !valid) {
        return std::unexpected(valid.error());
    }
    return policies;
}

Result<std::unique_ptr<Programs>> load_programs(const KernelBtf& btf, const Options& options)
{
    return Programs::load(btf, ProgramOptions{.ring_bytes = options.ring_bytes,
                                              .files = options.max_files,
                                              .track_short_term = options.track_short_term,
                                              .user_stacks = options.user_stacks});
}

Result<KernelBtf> checked_btf()
{
    if (auto allowed = check_privileges(); !allowed) {
        return std::unexpected(allowed.error());
    }
    return KernelBtf::load();
}

// Where the table of held operations is found by whoever comes after a daemon that was killed.
constexpr const char* kKeptHolds = "/sys/fs/bpf/pinwarden/holds";

// Nobody is held for a daemon that is gone.
Result<std::size_t> continue_left_behind()
{
    const auto left = HoldTable::list_kept(kKeptHolds);
    if (!left) {
        return std::unexpected(left.error());
    }
    std::vector<pw_hold> stopped = *left;
    std::erase_if(
        stopped, [](const pw_hold& hold) { return !is_stopped(hold.operation.caller.pid, hold.operation.caller.tid); });
    continue_callers(stopped);
    return stopped.size();
}

}  // namespace

Result<void> release_holds()
{
    if (auto allowed = check_privileges(); !allowed) {
        return allowed;
    }
    const auto continued = continue_left_behind();
    if (!continued) {
        return std::unexpected(continued.error());
    }
    std::printf("callers that were left stopped, and continued: %zu\n", *continued);
    return {};
}

Result<void> release_kept()
{
    if (auto allowed = check_privileges(); !allowed) {
        return allowed;
    }
    const auto ended = forget_kept_links();
    if (!ended) {
        return std::unexpected(ended.error());
    }
    std::printf("daemons that are gone and whose policies were still in force, and are no longer: %zu\n", *ended);
    return {};
}

Result<void> mend(const Options& options)
{
    const auto repairs = repair({.state = options.state_dir});
    if (!repairs) {
        return std::unexpected(repairs.error());
    }
    for (const std::string& line : repairs->done) {
        std::printf("%s\n", line.c_str());
    }
    for (const std::string& line : repairs->left) {
        std::printf("%s\n", line.c_str());
    }
    if (repairs->done.empty() && repairs->left.empty()) {
        std::printf("nothing to mend\n");
    }
    return {};
}

Result<void> probe()
{
    auto btf = checked_btf();
    if (!btf) {
        return std::unexpected(btf.error());
    }
    auto programs = load_programs(*btf, Options());
    if (!programs) {
        return std::unexpected(programs.error());
    }
    std::printf("%-45s %-12s %9s  %s\n", "PROGRAM", "PURPOSE", "VERIFIED", "HOOK, OR WHY NOT");
    for (const ProgramVerdict& verdict : (*programs)->verdicts()) {
        const std::string verified = verdict.reason.empty() ? std::to_string(verdict.verified) : "-";
        const std::string purpose = verdict.purpose.empty() ? "-" : verdict.purpose;
        const std::string hook = verdict.hook.empty() ? "run by the daemon" : verdict.hook;
        std::printf("%-40s %-12s %9s  %s\n", verdict.program.c_str(), purpose.c_str(), verified.c_str(),
                    (verdict.reason.empty() ? hook : verdict.reason).c_str());
    }
    return {};
}

Result<void> run_daemon(const CommandLine& line, const Configuration& configuration)
{
    const Options& options = configuration.options;
    start_log(options.log_level);
    ConfigWatch config_watch(line);
    FreeMemory::keep_what_is_given_back();
    const auto signals = DaemonSignals::block();
    if (!signals) {
        return std::unexpected(signals.error());
    }
    auto policies = policies_of_files(configuration);
    if (!policies) {
        return std::unexpected(policies.error());
    }
    auto engine_settings = engine_options(options);
    if (!engine_settings) {
        return std::unexpected(engine_settings.error());
    }
    auto checked = checked_btf();
    if (!checked) {
        return std::unexpected(checked.error());
    }
    join_groups(reader_groups(options));
    if (auto kept = keep_capabilities(kDaemonCapabilities); !kept) {
        return std::unexpected(kept.error());
    }
    // Some megabytes: let go when the programs are fitted to the kernel.
    std::optional<KernelBtf> btf = std::move(*checked);
    auto programs = load_programs(*btf, options);
    if (!programs) {
        return std::unexpected(programs.error());
    }
    // While there is one thread, and before anybody can be held.
    const HoldTable holds((*programs)->maps(), (*programs)->shared());
    auto guardian = Guardian::start(holds, kKeptHolds);
    if (!guardian) {
        return std::unexpected(guardian.error());
    }
    auto maps = VerdictMaps::open((*programs)->maps(), (*programs)->shared());
    if (!maps) {
        return std::unexpected(maps.error());
    }
    const PageArray pages = (*programs)->page_array();
    const PageGeometry geometry{pages.start, btf->struct_size("page").value_or(64)};
    auto runner = AuditRunner::open((*programs)->audit());
    if (!runner) {
        return std::unexpected(runner.error());
    }
    // Without the start of the array its pages cannot be walked, only those the ledger knows.
    KernelTruth truth(**runner, **maps, ObjectTable((*programs)->maps()), geometry, pages.start == 0 ? 0 : pages.limit);
    const SystemClock clock;
    KernelVerdicts verdicts(**maps, **programs, geometry);
    auto entries = FileEntryMaps::open((*programs)->maps(), (*programs)->shared());
    if (!entries) {
        return std::unexpected(entries.error());
    }
    KernelFiles files(std::move(*entries));
    KernelHolds held(holds, **guardian, geometry);
    const HostRoot root(options.host_root);
    SystemPathResolver paths(root);
    PidfdSignals signals_sent;
    AuditTail audit_tail(kMaxAuditReaders, kSubscriberQueue, kTooManyAuditReaders);
    AuditFile audit_file(options.audit_log);
    AuditSyncer audit_syncer(audit_file, [](const std::string& text) { spdlog::warn("{}", text); });
    audit_file.on_written([&](const std::string& written) {
        audit_tail.publish(written);
        audit_syncer.wake();
    });
    AuditRecorder audit_log(audit_file, clock);
    const AuditLogSource audit_source{audit_file, audit_tail};
    FilePolicyStore store(options.state_dir);
    ProcProcesses processes;
    ProcHolders holders;
    ProcOwners owners;
    KernelNames names;
    KernelCgroups cgroups;
    Fanout fanout(kMaxSubscribers, kSubscriberQueue);
    AuditFile event_file(options.event_log, {.bytes = options.event_log_bytes}, "event log");
    std::vector<EventWriter::Sink> event_sinks;
    if (!options.event_log.empty()) {
        if (auto opened = event_file.open(); !opened) {
            return std::unexpected(opened.error());
        }
        event_sinks.push_back(to_file(event_file));
    }
    if (options.event_journal) {
        event_sinks.push_back(to_journal());
    }
    std::unique_ptr<EventWriter> events;
    if (!event_sinks.empty()) {
        auto started = EventWriter::start(fanout, std::move(event_sinks),
                                          [](const std::string& text) { spdlog::warn("{}", text); });
        if (!started) {
            return std::unexpected(started.error());
        }
        events = std::move(*started);
    }
    ConflictHistory conflicts;
    Engine engine({.clock = clock,
                   .verdicts = verdicts,
                   .holds = held,
                   .signals = signals_sent,
                   .audit_log = audit_log,
                   .paths = paths,
                   .truth = truth,
                   .processes = processes,
                   .owners = owners,
                   .names = names,
                   .cgroups = cgroups,
                   .fanout = fanout,
                   .log_warning = [](const std::string& text) { spdlog::warn("{}", text); },
                   .memory_in_use = FreeMemory::in_use,
                   .policies = options.state ? &store : nullptr,
                   .conflicts = &conflicts,
                   .files = &files},
                  geometry, kernel_release(), std::move(*engine_settings));
    if (!KernelNames::available()) {
        const std::string notice =
            "the kernel hides its symbols (kernel.kptr_restrict, or CAP_SYSLOG is missing): drivers "
            "are shown as \"unknown\" and stacks without names";
        spdlog::warn("{}", notice);
        engine.add_notice(notice);
    }
    if (tasks_preempt(*btf, kernel_release()) != 0 && !decides_by_lsm(*btf)) {
        const std::string notice =
            "bpf is not among the active security modules (lsm=... on the kernel's command line), and this kernel lets "
            "tasks preempt programs: now and then an operation may go through without being looked at; "
            "pinwarden_events_lost_total{cause=\"missed_report\"} counts such moments";
        spdlog::warn("{}", notice);
        engine.add_notice(notice);
    }
    if (auto left = continue_left_behind(); !left) {
        spdlog::warn("who was held by an earlier daemon is not known: {}", left.error().message);
    }
    if (auto kept = holds.keep_at(kKeptHolds); !kept) {
        spdlog::warn(
            "{}: should this daemon and its guardian be killed together, whoever is held then must be continued "
            "by hand",
            kept.error().message);
    }
    // Before pins are followed, so that each has its object.
    Scopes scopes((*programs)->maps(), *btf);
    btf.reset();
    scopes.refresh();
    // In force before anything is attached, so that the first operation seen is decided by them.
    if (auto started = engine.start_policies(*policies); !started) {
        return std::unexpected(started.error());
    }
    RecordingDesk recordings(
        {.clock = clock, .names = names, .cgroups = cgroups, .geometry = geometry, .version = PINWARDEN_VERSION});
    auto ring = RingReader::open((*programs)->maps().events, (*programs)->shared().reader_waits,
                                 [&](std::span<const std::byte> record) {
                                     recordings.record(engine, record);
                                     engine.step(record);
                                 });
    if (!ring) {
        return std::unexpected(ring.error());
    }
    KernelWatch watch(**programs, scopes, clock);
    auto pipeline = PipelineThread::start(engine, **ring, holders, watch, root);
    if (!pipeline) {
        return std::unexpected(pipeline.error());
    }
    PinKeeper pins_kept(
        options.state_dir,
        {.programs = **programs, .ring = **ring, .clock = clock, .geometry = geometry, .on_engine = [&](auto act) {
             (*pipeline)->on_engine(std::move(act));
         }});
    FormerDaemon former(options.state ? &pins_kept : nullptr, processes);
    ConfigBook book(configuration);
    auto metrics = MetricsServer::start(
        options.metrics_address, **pipeline,
        {.config = &book, .conflicts = &conflicts, .clock = &clock, .reader_groups = reader_groups(options)});
    if (!metrics) {
        return std::unexpected(metrics.error());
    }
    recordings.use([&](auto act) { (*pipeline)->on_engine(std::move(act)); });
    auto api = ApiServer::start(
        api_sockets(options), **pipeline, fanout,
        {.audit_log = &audit_source, .conflicts = &conflicts, .config = &book, .recordings = &recordings});
    if (!api) {
        return std::unexpected(api.error());
    }
    former.ends_at(clock.now());
    // Last: whoever cannot be served must not be enforced upon.
    if (auto attached = (*programs)->attach(); !attached) {
        return std::unexpected(attached.error());
    }
    scopes.follow();
    (*pipeline)->follow();
    // Now, so that the first pin is decided upon without waiting for it.
    names.reload();
    former.hand_over(**pipeline, options.census);
    if (auto forbidden = forbid_system_calls(); !forbidden) {
        spdlog::warn("{}: all are allowed", forbidden.error().message);
    }
    std::string missing;
    for (const HookState& hook : KernelWatch(**programs, scopes, clock).read().hooks) {
        missing += hook.attached || !hook.needed ? "" : " " + hook.name;
    }
    spdlog::info("configuration files: {}", configuration.files.empty() ? "none" : join(configuration.files));
    spdlog::info("kernel {}, {} policies of files; not attached:{}", kernel_release(), policies->size(),
                 missing.empty() ? " none" : missing);
    // For whoever waits for it, whatever the log level.
    const std::string tls = options.tls.address.empty() ? "" : " and, over TLS, " + options.tls.address;
    dprintf(STDERR_FILENO, "pinwardend ready: API on %s%s, metrics on http://%s/metrics\n", options.socket.c_str(),
            tls.c_str(), options.metrics_address.c_str());
    ServiceNotifier service(**pipeline);

    FreeMemory memory;
    memory.give_back();
    Reloader reloader(line, {.clock = clock,
                             .book = book,
                             .on_engine = [&](auto act) { (*pipeline)->on_engine(std::move(act)); },
                             .set_log_level = set_log_level,
                             .log_info = [](const std::string& text) { spdlog::info("{}", text); },
                             .log_warning = [](const std::string& text) { spdlog::warn("{}", text); },
                             .log_error = [](const std::string& text) { spdlog::error("{}", text); }});
    const auto look_after_memory = [&] {
        // Nobody who is held waits for this.
        if (holds.under_way() == 0) {
            memory.look();
        }
    };
    const auto reload = [&] {
        ServiceNotifier::reloading();
        reloader.reload();
        // What it left to the pipeline is done by then.
        (*pipeline)->on_engine([](Engine& /*engine*/) { ServiceNotifier::reloaded(); });
    };
    const auto look_after_kept = [&] {
        if (access(kKeptHolds, F_OK) != 0 && errno == ENOENT) {
            static_cast<void>(holds.keep_at(kKeptHolds));  // where it cannot be, that was said at the start
        }
        const auto mended = (*programs)->mend_kept();
        if (!mended) {
            spdlog::warn("what is to stay in force without a daemon would not: {}", mended.error().message);
        } else if (*mended > 0) {
            spdlog::warn(
                "somebody removed {} of what is to stay in force without a daemon from the BPF file system; it "
                "is there again",
                *mended);
        }
    };
    const auto keep_pins = [&](const Result<void>& kept) {
        if (!kept) {
            spdlog::warn("what is known of pins is not kept for the next daemon: {}", kept.error().message);
        }
    };
    constexpr std::chrono::seconds kSoon{1};
    constexpr std::chrono::seconds kLook{10};
    wait_for_stop(*signals, reload, [&] {
        look_after_memory();
        look_after_kept();
        if (options.state && former.is_over()) {
            keep_pins(pins_kept.look());
        }
        if (options.watch_config && config_watch.changed()) {
            spdlog::info("files of the configuration or of policies have changed");
            reload();
        }
        return former.is_over() ? kLook : kSoon;
    });
    service.stopping();
    spdlog::info("stopping");
    look_after_kept();
    // While those who ask again can still be answered.
    if (!(*pipeline)->stop_holding()) {
        spdlog::warn("somebody is held still; the guardian continues them");
    }
    // Enforcement ends first: a decision nobody could explain any more must not be made, but for what is to be kept.
    HoldTable(holds).leave();
    (*programs)->detach();
    (*pipeline)->stop();
    // Until then what the daemon before wrote is worth more.
    if (options.state && former.is_over()) {
        keep_pins(pins_kept.end(engine));
    }
    scopes.detach();
    fanout.close();
    holds.forget_kept(kKeptHolds);
    return {};
}

}  // namespace pinwarden
