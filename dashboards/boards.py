"""What is on the dashboards. How it is written down: generate.py, which is also what to run."""
from generate import (ALARM, GREEN, NEEDED, NOTE, RED, YELLOW, Row, bars, board, graph, heat, stat, table, thresholds)

S = 'cluster=~"$cluster", job=~"$job", instance=~"$instance"'
# up and process_... are served by every job, and All stands for every job.
OURS = f'{S}, job=~"pinwarden.*"'
# Operations that can be stopped; the others take pages from addresses, and can only be told about.
STOPPABLE = "truncate|punch_hole|collapse_range|zero_range|insert_range|madv_remove|umount"
UNCOVERED = f'pinwarden_conflicts_total{{{S}, verdict="allow", mode="none", operation=~"{STOPPABLE}"}}'
SHARE = thresholds([(None, GREEN), (0.8, YELLOW), (0.9, RED)])
FILL = thresholds([(None, GREEN), (0.6, YELLOW), (0.8, RED)])


def total(metric, by="", extra=""):
    """The sum of a gauge over what is chosen."""
    return f"sum{f' by ({by})' if by else ''} ({metric}{{{S}{extra}}})"


def per_second(metric, by="", extra=""):
    return f"sum{f' by ({by})' if by else ''} (rate({metric}{{{S}{extra}}}[$__rate_interval]))"


def in_range(metric, by="", extra=""):
    """How many in the stretch of time that is shown."""
    return f"sum{f' by ({by})' if by else ''} (increase({metric}{{{S}{extra}}}[$__range]))"


def quantile(share, metric):
    return f"histogram_quantile({share}, sum by (le) (rate({metric}_bucket{{{S}}}[$__rate_interval])))"


def buckets(metric):
    return f"sum by (le) (increase({metric}_bucket{{{S}}}[$__rate_interval]))"


def fleet():
    return board("pinwarden-fleet", "pinwarden / Fleet", "All hosts at a glance: is data at risk, who pins, can it be trusted", [
        Row("At a glance",
            stat("Hosts watched", "Hosts whose pinwardend is scraped.", f"count(up{{{OURS}}} == 1) or vector(0)", steps=NEEDED,
                 runbooks=["PinwardenAbsent"]),
            stat("Hosts down", "Hosts whose pinwardend cannot be scraped. Policies with when_unattended keep stay in force there.",
                 f"sum(up{{{OURS}}} == bool 0)", steps=ALARM, runbooks=["PinwardenDown", "PinwardenUnattended"]),
            stat("Alerts", "Alerts of severity page or ticket that fire.",
                 f'sum(ALERTS{{{S}, alertname=~"Pinwarden.+", alertstate="firing", severity=~"page|ticket"}}) or vector(0)',
                 steps=ALARM),
            stat("Not covered", "Operations in this time that took pages from under live pins, and no policy had anything to say.",
                 f"sum(increase({UNCOVERED}[$__range]))", decimals=0, steps=ALARM, runbooks=["PinwardenDataAtRisk"]),
            stat("Pinned", "Memory pinned now on all hosts.", total("instance:pinwarden_pinned_bytes:sum"), "bytes"),
            stat("Leaked", "Memory pinned by processes that are gone for longer than --leak-after.",
                 total("instance:pinwarden_leaked_bytes:sum"), "bytes", steps=NOTE, runbooks=["PinwardenLeaks"])),
        Row("What is pinned",
            graph("Pinned, by driver", "Memory pinned on all hosts, by who pinned it. Recorded once a minute.",
                  [(total("instance_driver:pinwarden_pinned_bytes:sum", "driver"), "{{driver}}")], "bytes", stack=True, width=10),
            bars("Most pinned", "The ten hosts with most memory pinned. A click shows the host.",
                 [(f"topk(10, instance:pinwarden_pinned_bytes:sum{{{S}}})", "{{instance}}")], "bytes", width=7, host_link=True),
            bars("Largest share of memory", "The ten hosts with the largest share of their memory pinned. Empty where node_exporter is "
                 "not scraped.", [(f"topk(10, instance:pinwarden_pinned_memory:ratio{{{S}}})", "{{instance}}")], "percentunit",
                 width=7, maximum=1, steps=SHARE, runbooks=["PinwardenPinnedMemoryLarge"], host_link=True)),
        Row("What collided, and what was done",
            graph("Conflicts, by verdict", "Operations on files that met live pins. Mode none: no policy had anything to say. "
                  "monitor: what a policy would have done.",
                  [(total("instance_verdict_mode:pinwarden_conflicts:rate5m", "verdict, mode"), "{{verdict}} ({{mode}})")], "cps",
                  width=10, many=True, runbooks=["PinwardenDataAtRisk", "PinwardenDenials"]),
            bars("Not covered, by host", "The ten hosts with most such operations in this time. Empty is good.",
                 [(f"topk(10, sum by (instance) (increase({UNCOVERED}[$__range])) > 0)", "{{instance}}")], "short", width=7,
                 decimals=0, steps=ALARM, runbooks=["PinwardenDataAtRisk"], host_link=True),
            graph("Policies, by state", "Policies on all hosts. refused enforces nothing; degraded only monitors.",
                  [(total("pinwarden_policies", "state"), "{{state}}")], "short", width=7,
                  runbooks=["PinwardenPolicyRefused", "PinwardenPolicyDegraded", "PinwardenPolicyPending"])),
        Row("Can it be trusted",
            graph("Hosts in doubt", "Hosts where something keeps pinwardend from seeing everything.", [
                (f"sum(pinwarden_pipeline_responding{{{S}}} == bool 0)", "pipeline does not answer"),
                (f"sum(pinwarden_ledger_certain{{{S}}} == bool 0)", "ledger uncertain"),
                (f"sum(instance:pinwarden_hooks_missing:sum{{{S}}} > bool 0)", "hooks missing"),
                (f"sum(instance:pinwarden_events_lost:rate5m{{{S}}} > bool 0)", "events lost"),
                (f"sum(pinwarden_config_last_reload_successful{{{S}}} == bool 0)", "reload failed")], "short", width=10,
                  decimals=0, runbooks=["PinwardenLedgerUncertain", "PinwardenHooksMissing", "PinwardenEventsLost"]),
            table("Alerts that fire", "At most 50, of every severity.",
                  f'topk(50, ALERTS{{{S}, alertname=~"Pinwarden.+", alertstate="firing"}})', "short", width=14,
                  columns={"severity": "Severity", "alertname": "Alert", "instance": "Host", "cluster": "Cluster"}),
            bars("Versions", "Hosts, by version of pinwardend and kernel; the twelve most frequent.",
                 [(f"topk(12, count by (version, kernel) (pinwarden_build_info{{{S}}}))", "{{version}} on {{kernel}}")], "short",
                 width=10, height=6),
            bars("Configurations", "Hosts, by hash of their configuration; the twelve most frequent. One bar is what most fleets want.",
                 [(f"topk(12, count by (job, hash) (pinwarden_config_info{{{S}}}))", "{{job}} {{hash}}")], "short", width=7, height=6,
                 runbooks=["PinwardenConfigDiffers"]),
            bars("Busiest daemons", "The ten hosts whose pinwardend takes most processor, in cores.",
                 [(f"topk(10, instance:process_cpu_seconds:rate5m{{{S}}})", "{{instance}}")], "short", width=7, height=6, decimals=3,
                 steps=thresholds([(None, GREEN), (0.25, YELLOW), (0.5, RED)]), runbooks=["PinwardenCpuHigh"], host_link=True)),
    ])


def host():
    ages = [("1m", "under 1 min"), ("10m", "1 to 10 min"), ("1h", "10 min to 1 h"),
            ("6h", "1 to 6 h"), ("1d", "6 h to 1 day"), ("7d", "1 to 7 days"), ("older", "older")]
    yes_no = {1: ("Yes", GREEN), 0: ("No", RED)}
    return board("pinwarden-host", "pinwarden / Host", "One host: what is pinned, by what, since when, and what collided with it", [
        Row("Now",
            stat("Answers", "Whether the daemon's pipeline answers. At No nothing else is shown.",
                 f"min(pinwarden_pipeline_responding{{{S}}})", width=3, steps=NEEDED, text=yes_no,
                 runbooks=["PinwardenPipelineNotResponding"]),
            stat("Exact", "Whether the list of pins is known to be exact. No for some milliseconds is everyday.",
                 f"min(pinwarden_ledger_certain{{{S}}})", width=3, steps=NEEDED, text=yes_no, runbooks=["PinwardenLedgerUncertain"]),
            stat("Pinned", "Memory pinned now.", total("pinwarden_pinned_bytes"), "bytes", width=3),
            stat("Share of memory", "Pinned, of all memory. Empty where node_exporter is not scraped.",
                 f"max(instance:pinwarden_pinned_memory:ratio{{{S}}})", "percentunit", width=3, steps=SHARE, decimals=1,
                 runbooks=["PinwardenPinnedMemoryLarge"]),
            stat("Leaks", "Pins whose owner has been gone for longer than --leak-after.", total("pinwarden_leaks"), width=3,
                 steps=NOTE, runbooks=["PinwardenLeaks"]),
            stat("Held now", "Callers that are stopped and wait for pins to go.", total("pinwarden_holds"), width=3, steps=NOTE,
                 runbooks=["PinwardenHoldsLong"]),
            stat("Policies in force", "Policies that enforce. Those that monitor, wait or are refused do not count.",
                 total("pinwarden_policies", extra=', state="active"'), width=3),
            stat("Not covered", "Operations in this time that took pages from under live pins, and no policy had anything to say.",
                 f"sum(increase({UNCOVERED}[$__range]))", width=3, decimals=0, steps=ALARM, runbooks=["PinwardenDataAtRisk"])),
        Row("What is pinned",
            graph("Pinned, by driver", "Memory pinned, by who pinned it.",
                  [(total("pinwarden_pinned_bytes", "driver"), "{{driver}}")], "bytes", stack=True, width=8),
            graph("Pinned, by what it is", "Memory pinned, by what is behind it. Of file and shmem an operation can take pages away.",
                  [(total("pinwarden_pinned_bytes", "backing"), "{{backing}}")], "bytes", stack=True, width=8),
            bars("Age of the pins", "How many pins are how old now. pinctl pins --order oldest has them.",
                 [(total("pinwarden_pins_by_age", extra=f', age="{age}"'), words) for age, words in ages], "short"),
            graph("Pins", "Pins there are, by driver.", [(total("pinwarden_pins", "driver"), "{{driver}}")], "short", width=8),
            graph("Pinning and letting go", "Calls that pinned, and pins let go, a second.",
                  [(per_second("pinwarden_pins_acquired_total"), "pinned"), (per_second("pinwarden_pins_released_total"), "let go")],
                  "cps", width=8),
            graph("Calls that could not pin", "Calls that tried to pin for long and failed, by what they failed with. pinctl failures "
                  "has the last ones.", [(per_second("pinwarden_pins_failed_total", "errno"), "{{errno}}")], "cps", width=8,
                  runbooks=["PinwardenPinsFail"]),
            heat("How long pins lived", "Pins that are gone, by how long they had lived.", buckets("pinwarden_pin_lifetime_seconds")),
            graph("Largest owners", "Memory pinned by cgroup. Empty unless the daemon is told to count by cgroup: off by default.",
                  [(f"topk(20, {total('pinwarden_cgroup_pinned_bytes', 'cgroup')})", "{{cgroup}}")], "bytes", many=True)),
        Row("What is never let go",
            graph("Pins without an owner", "Pins whose owner has exited. Each process that leaves its pins to the kernel makes some for "
                  "a moment; leaks are those that stay.",
                  [(total("pinwarden_orphans"), "orphans"), (total("pinwarden_leaks"), "leaks")], "short", width=8,
                  runbooks=["PinwardenLeaks"]),
            graph("Leaked, by driver", "Memory that processes which are gone have left pinned. pinctl leaks shows the call stacks.",
                  [(total("pinwarden_leaked_bytes", "driver"), "{{driver}}")], "bytes", width=8, stack=True,
                  runbooks=["PinwardenLeaksGrowing"]),
            stat("Oldest without an owner", "How long the owner of the oldest orphan has been gone; 0 when there is none.",
                 f"max((time() - pinwarden_oldest_orphan_timestamp_seconds{{{S}}}) * "
                 f"(pinwarden_oldest_orphan_timestamp_seconds{{{S}}} > bool 0))", "s", height=8,
                 steps=thresholds([(None, GREEN), (3600, YELLOW), (86400, RED)]), runbooks=["PinwardenOrphanOld"]),
            stat("Let go after exit", "Time in which 99 of 100 pins went after their owner's exit, over the time shown.",
                 f"histogram_quantile(0.99, sum by (le) (increase(pinwarden_orphan_release_seconds_bucket{{{S}}}[$__range])))",
                 "s", height=8, steps=thresholds([(None, GREEN), (5, YELLOW), (30, RED)]), runbooks=["PinwardenLeaks"])),
        Row("What collided with it",
            graph("Operations on files", "Operations that can be stopped and met live pins, a second.",
                  [(per_second("pinwarden_conflicts_total", "operation", f', operation=~"{STOPPABLE}"'), "{{operation}}")], "cps",
                  many=True, runbooks=["PinwardenDataAtRisk"]),
            graph("Pages taken from addresses", "munmap and the like, which nothing can stop, where memory was pinned.",
                  [(per_second("pinwarden_conflicts_total", "operation", f', operation!~"{STOPPABLE}"'), "{{operation}}")], "cps",
                  many=True),
            graph("Conflicts, by driver", "Whose pins were met. What meets pins of two drivers counts for both.",
                  [(per_second("pinwarden_conflicts_by_driver_total", "driver"), "{{driver}}")], "cps"),
            graph("On demand", "Memory that devices have without pinning it. No operation collides with that.",
                  [(total("pinwarden_on_demand_bytes", "driver"), "{{driver}}")], "bytes", width=6),
            graph("Mmu notifiers", "Who listens for pages that go away, in place of pinning them.",
                  [(total("pinwarden_notifiers", "driver"), "{{driver}}")], "short", width=6)),
    ], one_host=True)


def enforcement():
    enforced, monitored = ', mode="enforce"', ', mode="monitor"'
    return board("pinwarden-enforcement", "pinwarden / Enforcement review", "What policies did, and what they would have done", [
        Row("In this time",
            stat("Denied", "Operations that a policy failed.", in_range("pinwarden_conflicts_total", extra=f', verdict="deny"{enforced}'),
                 decimals=0, runbooks=["PinwardenDenials"]),
            stat("Held", "Operations whose callers were stopped for a while.",
                 in_range("pinwarden_conflicts_total", extra=f', verdict="hold"{enforced}'), decimals=0),
            stat("Would have acted", "Decisions of policies that only monitor: what enforcing would come to.",
                 in_range("pinwarden_policy_decisions_total", extra=monitored), decimals=0, steps=NOTE,
                 runbooks=["PinwardenWouldHaveActed"]),
            stat("Signals sent", "Signals to processes that pinned what was in the way, or to callers.",
                 in_range("pinwarden_signals_total", extra=', outcome="sent"'), decimals=0, steps=NOTE),
            stat("Not covered", "Operations that took pages from under live pins, and no policy had anything to say.",
                 f"sum(increase({UNCOVERED}[$__range]))", decimals=0, steps=ALARM, runbooks=["PinwardenDataAtRisk"]),
            stat("Not in the audit log", "Denials and holds that are counted only.", in_range("pinwarden_audit_log_left_out_total"),
                 decimals=0, steps=NOTE, runbooks=["PinwardenAuditLogLeftOut"])),
        Row("Policies",
            graph("Decisions", "How often policies decided, and would have decided.",
                  [(per_second("pinwarden_policy_decisions_total", "mode"), "{{mode}}")], "cps", width=8,
                  runbooks=["PinwardenWouldHaveActed"]),
            table("Decisions, by policy", "In the time shown; the 25 that decided most. other: beyond twelve on a host.",
                  f"topk(25, {in_range('pinwarden_policy_decisions_total', 'policy, mode')})", "short", width=8,
                  columns={"policy": "Policy", "mode": "Mode", "Value": "Decisions"}, decimals=0,
                  runbooks=["PinwardenWouldHaveActed"]),
            graph("Policies, by state", "refused enforces nothing; degraded only monitors; pending waits for its paths.",
                  [(total("pinwarden_policies", "state"), "{{state}}")], "short", width=8, decimals=0,
                  runbooks=["PinwardenPolicyRefused", "PinwardenPolicyDegraded", "PinwardenPolicyPending"])),
        Row("Conflicts",
            graph("What was done", "Conflicts that an enforcing policy decided, by verdict.",
                  [(per_second("pinwarden_conflicts_total", "verdict", enforced), "{{verdict}}")], "cps", width=8,
                  runbooks=["PinwardenDenials"]),
            graph("What would have been done", "Conflicts that a monitoring policy decided. They went ahead.",
                  [(per_second("pinwarden_conflicts_total", "verdict", monitored), "{{verdict}}")], "cps", width=8,
                  runbooks=["PinwardenWouldHaveActed"]),
            graph("Not covered, by operation", "Pages taken from under live pins without a policy that is about it.",
                  [(f"sum by (operation) (rate({UNCOVERED}[$__rate_interval]))", "{{operation}}")], "cps", width=8,
                  runbooks=["PinwardenDataAtRisk"]),
            table("Whose pins were met", "In the time shown, by driver, verdict and mode.",
                  f"topk(25, {in_range('pinwarden_conflicts_by_driver_total', 'driver, verdict, mode')} > 0)", "short",
                  columns={"driver": "Driver", "verdict": "Verdict", "mode": "Mode", "Value": "Conflicts"}, decimals=0),
            table("Which operations", "In the time shown, by operation, verdict and mode.",
                  f"topk(25, {in_range('pinwarden_conflicts_total', 'operation, verdict, mode')} > 0)", "short",
                  columns={"operation": "Operation", "verdict": "Verdict", "mode": "Mode", "Value": "Conflicts"}, decimals=0)),
        Row("Holds",
            graph("Held now", "Callers that are stopped.", [(total("pinwarden_holds"), "held")], "short", width=8, decimals=0,
                  runbooks=["PinwardenHoldsLong"]),
            graph("How holds ended", "pins_gone is what they are for. timed_out_allow and let_go_allow went ahead over live pins.",
                  [(per_second("pinwarden_holds_ended_total", "outcome"), "{{outcome}}")], "cps", width=16, many=True,
                  runbooks=["PinwardenHoldsTimedOut", "PinwardenHeldOperationsAllowed"]),
            heat("How long holds lasted", "Holds that have ended, by how long the caller was stopped.", buckets("pinwarden_hold_seconds"),
                 runbooks=["PinwardenHoldsLong"]),
            graph("How long callers waited", "Half of the holds were over in the first time, 95 of 100 in the second.",
                  [(quantile(0.5, "pinwarden_hold_seconds"), "half"), (quantile(0.95, "pinwarden_hold_seconds"), "95 %")], "s",
                  runbooks=["PinwardenHoldsLong"])),
        Row("Owners that were made to let go",
            graph("Revocations, by end", "answered and released are what they are for.",
                  [(per_second("pinwarden_revocations_total", "outcome"), "{{outcome}}")], "cps", width=8,
                  runbooks=["PinwardenRevocationsExhausted", "PinwardenRevocationsIneffective"]),
            graph("From signal to release", "Time from the last signal a process was sent until its last pin in the way was gone.",
                  [(quantile(0.5, "pinwarden_revocation_release_seconds"), "half"),
                   (quantile(0.95, "pinwarden_revocation_release_seconds"), "95 %")], "s", width=8),
            graph("Signals, by what became of them", "sent, or why not: nobody is signalled by guess, nor too many.",
                  [(per_second("pinwarden_signals_total", "outcome"), "{{outcome}}")], "cps", width=8,
                  runbooks=["PinwardenSignalsFailed", "PinwardenSignalsLimited"])),
    ], since="now-24h")


def trust():
    limit = thresholds([(None, GREEN), (1, RED)])
    outstanding = f"sum(pinwarden_kernel_pins_acquired_total{{{S}}}) - sum(pinwarden_kernel_pins_released_total{{{S}}})"
    return board("pinwarden-trust", "pinwarden / Trust and health", "Whether what pinwarden says is all there is, and what it costs", [
        Row("Now",
            stat("Do not answer", "Hosts whose daemon's pipeline does not answer.",
                 f"sum(pinwarden_pipeline_responding{{{S}}} == bool 0)", steps=ALARM, runbooks=["PinwardenPipelineNotResponding"]),
            stat("Uncertain", "Hosts whose ledger is in doubt right now. For some milliseconds that is everyday.",
                 f"sum(pinwarden_ledger_certain{{{S}}} == bool 0)", steps=NOTE, runbooks=["PinwardenLedgerUncertain"]),
            stat("Hooks missing", "Hooks that are needed and not attached.", total("pinwarden_hooks", extra=', state="failed"'),
                 steps=ALARM, runbooks=["PinwardenHooksMissing"]),
            stat("Events lost", "In the time shown, of all causes but slow subscribers.",
                 in_range("pinwarden_events_lost_total", extra=', cause!="subscriber_slow"'), decimals=0, steps=NOTE,
                 runbooks=["PinwardenEventsLost"]),
            stat("Differences found", "Pins on pages in which ledger and kernel differed, in the time shown.",
                 in_range("pinwarden_audit_differences_total"), decimals=0, steps=NOTE,
                 runbooks=["PinwardenAuditDifferencesUnrepaired"]),
            stat("Reloads failed", "Hosts whose last reload failed, so that files say another thing than what is in force.",
                 f"sum(pinwarden_config_last_reload_successful{{{S}}} == bool 0)", steps=ALARM,
                 runbooks=["PinwardenConfigReloadFailed"])),
        Row("From the kernel to the ledger",
            graph("Events lost, by cause", "Lost, or recorded with doubt. Each loss is audited and repaired.",
                  [(per_second("pinwarden_events_lost_total", "cause") + " > 0", "{{cause}}")], "cps", many=True, columns=True,
                  runbooks=["PinwardenEventsLost"]),
            graph("Hooks, by state", "attached; idle: no pin or policy needs it now; missing.",
                  [(total("pinwarden_hooks", "state"), "{{state}}")], "short", width=6, decimals=0, runbooks=["PinwardenHooksMissing"]),
            graph("Runs missed, by purpose", "Runs of hooks that the kernel skipped, also those that a second program made good.",
                  [(per_second("pinwarden_hook_missed_total", "purpose"), "{{purpose}}")], "cps", width=6,
                  runbooks=["PinwardenHookRunsMissed"]),
            graph("Behind the kernel", "How old the oldest record is that has not been read, on the host where it is oldest.",
                  [(f"max(pinwarden_reader_lag_seconds{{{S}}})", "oldest")], "s", width=8, steps=limit, line=True,
                  runbooks=["PinwardenReaderLag"]),
            graph("Ring", "How full the ring between kernel and daemon is, on the host where it is fullest.",
                  [(f"max(pinwarden_ring_used_bytes{{{S}}} / pinwarden_ring_size_bytes{{{S}}})", "fullest")], "percentunit", width=8,
                  maximum=1, steps=FILL, line=True, runbooks=["PinwardenRingNearlyFull"]),
            graph("Tables", "How full the kernel's tables are, each on the host where it is fullest.",
                  [(f"max by (table) (pinwarden_table_entries{{{S}}} / pinwarden_table_max_entries{{{S}}})", "{{table}}")],
                  "percentunit", width=8, maximum=1, steps=FILL, line=True, runbooks=["PinwardenTableNearlyFull"])),
        Row("The ledger beside the kernel",
            graph("Audits", "Comparisons of the ledger with the kernel's own pin counts, a minute. One a minute is usual.",
                  [(f"60 * {per_second('pinwarden_audits_total')}", "audits")], "short", width=8, runbooks=["PinwardenAuditsStopped"]),
            graph("Differences and repairs", "What audits found, and what of it was put right: missing is adopted, surplus dropped.",
                  [(per_second("pinwarden_audit_differences_total", "kind"), "{{kind}}"),
                   (per_second("pinwarden_audit_repairs_total", "kind"), "{{kind}}")], "cps", width=8,
                  runbooks=["PinwardenAuditDifferencesUnrepaired"]),
            graph("Pages pinned", "The kernel's own sum (all pins since boot less all let go, short ones included) and the ledger's, in "
                  "pages of 4 KiB. Far apart for long: somebody pins in a way that is not hooked. pinctl census finds it.",
                  [(outstanding, "kernel"), (f"sum(pinwarden_pinned_bytes{{{S}}}) / 4096", "ledger")], "short", width=8),
            graph("Adopted pins", "Pins now in the ledger that were found by a census: made before the daemon started, or repaired.",
                  [(total("pinwarden_adopted_pins"), "adopted")], "short", width=8, decimals=0),
            graph("Releases in doubt", "Pages let go that could have been several pins', and pages the ledger did not have.",
                  [(per_second("pinwarden_releases_ambiguous_total"), "several pins'"),
                   (per_second("pinwarden_releases_unmatched_total"), "nobody's")], "cps", width=8),
            graph("Who watches", "Subscribers to events now, and events they were too slow for.",
                  [(total("pinwarden_subscribers"), "subscribers"),
                   (per_second("pinwarden_subscriber_events_dropped_total"), "dropped a second")], "short", width=8,
                  runbooks=["PinwardenSubscriberDrops"])),
        Row("What it costs",
            graph("Hook runs, by purpose", "How often hooks ran. 0 unless the kernel counts: sysctl kernel.bpf_stats_enabled=1.",
                  [(per_second("pinwarden_hook_runs_total", "purpose"), "{{purpose}}")], "cps", many=True),
            graph("Time of a run, by purpose", "Mean time of a hook's run. Empty unless the kernel counts (see Hook runs).",
                  [(f"{per_second('pinwarden_hook_run_seconds_total', 'purpose')} / "
                    f"({per_second('pinwarden_hook_runs_total', 'purpose')} > 0)", "{{purpose}}")], "s", many=True),
            graph("Processor", "Cores that the daemon takes: the mean, and the host where it takes most.",
                  [(f"avg(rate(process_cpu_seconds_total{{{OURS}}}[$__rate_interval]))", "mean"),
                   (f"max(rate(process_cpu_seconds_total{{{OURS}}}[$__rate_interval]))", "most")], "short", width=6, line=True,
                  steps=thresholds([(None, GREEN), (0.5, RED)]), runbooks=["PinwardenCpuHigh"]),
            graph("Memory", "Resident memory of the daemon: the mean, and the host where it takes most.",
                  [(f"avg(process_resident_memory_bytes{{{OURS}}})", "mean"), (f"max(process_resident_memory_bytes{{{OURS}}})", "most")],
                  "bytes", width=6, line=True, steps=thresholds([(None, GREEN), (512 * 1024 * 1024, RED)]),
                  runbooks=["PinwardenMemoryHigh"]),
            graph("File descriptors", "Open, of those the daemon may have, on the host where that is most.",
                  [(f"max(process_open_fds{{{OURS}}} / process_max_fds{{{OURS}}})", "most")], "percentunit", width=6, maximum=1, steps=FILL,
                  line=True, runbooks=["PinwardenFdsNearLimit"]),
            graph("Starts", "Starts of the daemon within the hour before, on all hosts together.",
                  [(f"sum(changes(process_start_time_seconds{{{OURS}}}[1h]))", "starts")], "short", width=6, decimals=0,
                  runbooks=["PinwardenRestarts"])),
    ])


def all_boards():
    return {"fleet.json": fleet(), "host.json": host(), "enforcement.json": enforcement(), "trust.json": trust()}
