#!/usr/bin/env python3
"""Serves every metric of catalogue.txt with plausible values that move, for several hosts that do not exist.

    fake_exporter.py PORT [METRIC...]     on loopback: /metrics?host=1 (2, 3, ...), and /node for what is taken of node_exporter;
                                          without these metrics

What a value is hangs on the time alone, so that with_prometheus.py can also write a history of it.
"""
import http.server
import math
import pathlib
import sys
import time
import urllib.parse
import zlib

HERE = pathlib.Path(__file__).resolve().parent
START = int(time.time() // 86400 - 3) * 86400  # of all daemons: some days ago
STOPPABLE = {"truncate", "punch_hole", "collapse_range", "zero_range", "insert_range", "madv_remove", "umount"}
BOUNDS = [0.001, 0.01, 0.1, 1, 10, 60, 600, 3600, 86400]
SHARES = [0.02, 0.1, 0.3, 0.55, 0.8, 0.9, 0.96, 0.99, 1]  # of pins' lives; all else is over soon
QUICK = [0.1, 0.4, 0.7, 0.9, 0.996, 1, 1, 1, 1]
MIB = 2.0 ** 20
OPEN = {"policy": ["datasets-under-rdma", "scratch", "vfio-images"], "cgroup": ["/system.slice/trainer.service", "/kubepods", "other"]}

# Gauges that are not just anything: value by metric, or by metric and one label's value.
GAUGES = {
    "pinwarden_pipeline_responding": 1, "pinwarden_ledger_certain": 1, "pinwarden_ring_size_bytes": 16 * MIB,
    "pinwarden_table_max_entries": 65536, "pinwarden_config_last_reload_successful": 1, "pinwarden_config_info": 1,
    "pinwarden_build_info": 1, "process_max_fds": 1024, "process_virtual_memory_bytes": 900 * MIB,
    "process_start_time_seconds": START, "pinwarden_config_last_reload_timestamp_seconds": START + 60,
    ("pinwarden_policies", "active"): 2, ("pinwarden_policies", "monitoring"): 1, ("pinwarden_hooks", "attached"): 9,
    ("pinwarden_hooks", "not_needed"): 2,
    ("pinwarden_pinned_bytes", "rdma_rxe"): 900 * MIB, ("pinwarden_pinned_bytes", "io_uring"): 200 * MIB,
    ("pinwarden_pinned_bytes", "vfio"): 4096 * MIB, ("pinwarden_pinned_bytes", "xdp"): 16 * MIB,
}
MOVING = {  # around these, up and down
    "pinwarden_pins": 40, "pinwarden_pins_by_age": 12, "pinwarden_orphans": 1, "pinwarden_orphaned_bytes": 2 * MIB,
    "pinwarden_notifiers": 3, "pinwarden_on_demand_bytes": 64 * MIB, "pinwarden_cgroup_pinned_bytes": 300 * MIB,
    "pinwarden_holds": 1, "pinwarden_reader_lag_seconds": 0.02, "pinwarden_ring_used_bytes": 1 * MIB,
    "pinwarden_table_entries": 9000, "pinwarden_subscribers": 2, "pinwarden_adopted_pins": 5,
    "process_resident_memory_bytes": 60 * MIB, "process_open_fds": 60,
}
RATES = {  # of counters, a second
    "pinwarden_pins_acquired_total": 4, "pinwarden_pins_released_total": 4, "pinwarden_conflicts_total": 0.02,
    "pinwarden_conflicts_by_driver_total": 0.03, "pinwarden_policy_decisions_total": 0.02, "pinwarden_audits_total": 1 / 60,
    "pinwarden_hook_runs_total": 900, "pinwarden_hook_run_seconds_total": 0.0009, "pinwarden_kernel_pins_acquired_total": 5000,
    "pinwarden_kernel_pins_released_total": 5000, "process_cpu_seconds_total": 0.04,
}


def read_catalogue():
    rows = [line.split() for line in (HERE / "catalogue.txt").read_text(encoding="utf-8").splitlines() if line[0] != "#"]
    return [(name, kind, labels) for name, kind, *labels in rows]


def read_values():
    values = {}
    for line in (HERE / "values.txt").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            metric, label, *words = line.split()
            values[metric, label] = words
    return values


def possible(name, labels):
    """Whether the daemon would have this combination."""
    if name == "pinwarden_conflicts_total":
        if labels["operation"] not in STOPPABLE and labels["verdict"] in ("deny", "hold"):
            return False
    if name in ("pinwarden_conflicts_total", "pinwarden_conflicts_by_driver_total"):
        return (labels["verdict"] == "allow") == (labels["mode"] == "none")
    if name in ("pinwarden_pinned_bytes", "pinwarden_pins"):
        return labels["driver"] != "unknown" and (labels["driver"] == "io_uring" or labels["backing"] in ("anonymous", "file"))
    return True


def combinations(name, labels, values, host):
    made = [{}]
    for label in labels:
        own = {"hash": ["3f9a" if host != 4 else "77c1"], "version": ["0.9.0"], "kernel": ["6.12.48" if host % 2 else "6.1.140"]}
        words = values.get((name, label)) or values.get(("*", label)) or own.get(label) or OPEN[label]
        made = [{**before, label: word} for before in made for word in words]
    return [one for one in made if possible(name, one)]


def series_of(host):
    """[(name, kind, labels, seed)]; a histogram is one entry."""
    values = read_values()
    return [(name, kind, labels, zlib.crc32(f"{host}{name}{sorted(labels.items())}".encode()))
            for name, kind, names in read_catalogue() for labels in combinations(name, names, values, host)]


def wave(seed, now, depth=0.4):
    return 1 + depth * math.sin(now / (400 + seed % 3000) + seed % 7)


def counted(seed, now, rate):
    """A counter with a rate that swings around rate and is never negative."""
    slow = 900 + seed % 2000
    return rate * ((now - START) - 0.8 * slow * math.cos((now - START) / slow))


def rate_of(name, labels, seed):
    rate = RATES.get(name, 0.002 if "cause" not in labels and "kind" not in labels else 0.0)
    if labels.get("mode") == "none":
        rate *= 0.05
    if labels.get("cause") in ("ring_full_pin", "missed_run", "subscriber_slow"):
        rate = 0.001
    if labels.get("kind"):
        rate = 0.0008  # differences and repairs alike
    return rate if labels.get("kind") or rate >= 1 or not labels else rate * (0.1 + seed % 10 / 5)


def gauge_at(name, labels, seed, host, now):
    for value in labels.values():
        if (name, value) in GAUGES:
            return GAUGES[name, value] * (wave(seed, now, 0.2) * (1 + host / 5) if name.endswith("bytes") else 1)
    if name in GAUGES:
        return GAUGES[name]
    if name == "pinwarden_oldest_orphan_timestamp_seconds":
        return now - 40 * wave(seed, now) if host != 2 else START + 3600
    if name in ("pinwarden_leaks", "pinwarden_leaked_bytes"):
        # One host leaks, one step every hour and a half.
        steps = int((now - START) // 5400) % 40 if host == 2 and labels["driver"] == "rdma_rxe" else 0
        return steps * (1 if name.endswith("leaks") else 4 * MIB)
    moving = MOVING.get(name, 0) * wave(seed, now) * (0.3 + seed % 10 / 6)
    return moving if name.endswith("seconds") else float(int(moving))


def samples(host, now, series):
    """(metric with suffix, labels, value) of everything, as it is at `now`."""
    for name, kind, labels, seed in series:
        if kind == "gauge":
            yield name, labels, gauge_at(name, labels, seed, host, now)
        elif kind == "counter":
            # What belongs together moves together: what is found is repaired, what is pinned is let go.
            count = counted(host if "kind" in labels or "kernel_pins" in name else seed, now, rate_of(name, labels, seed))
            count += 3.5e6 if name == "pinwarden_kernel_pins_acquired_total" else 0
            yield name, labels, count if name.endswith("seconds_total") else float(int(max(count, 0)))
        else:
            count = counted(seed, now, 0.05)
            for bound, share in zip(BOUNDS, SHARES if "lifetime" in name else QUICK):
                yield name + "_bucket", {**labels, "le": str(bound)}, float(int(max(count, 0) * share))
            yield name + "_bucket", {**labels, "le": "+Inf"}, float(int(max(count, 0)))
            yield name + "_sum", labels, max(count, 0) * 4.2
            yield name + "_count", labels, float(int(max(count, 0)))


def line(name, labels, value, when=""):
    inside = ",".join(f'{label}="{word}"' for label, word in labels.items())
    return f"{name}{{{inside}}} {value:.10g}{when}\n"


def page(host, now):
    text, last = [], ""
    series = series_of(host)
    kinds = {name: kind for name, kind, _ in read_catalogue()}
    for name, labels, value in samples(host, now, series):
        family = name if name in kinds else name.rsplit("_", 1)[0]
        if family in LEFT_OUT:
            continue
        if family != last:
            text.append(f"# HELP {family} Made up.\n# TYPE {family} {kinds[family]}\n")
            last = family
        text.append(line(name, labels, value))
    return "".join(text)


LEFT_OUT = set(sys.argv[2:]) if __name__ == "__main__" else set()
NODE = ("# HELP node_memory_MemTotal_bytes Made up.\n# TYPE node_memory_MemTotal_bytes gauge\n"
        f"node_memory_MemTotal_bytes {32768 * MIB:.0f}\n")


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        host = int(urllib.parse.parse_qs(url.query).get("host", ["1"])[0])
        body = (NODE if url.path == "/node" else page(host, time.time())).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except BrokenPipeError:
            pass  # Prometheus ends while it asks

    def log_message(self, format, *args):  # noqa: A002  the name is the base class's
        pass


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
