#!/usr/bin/env python3
"""A real Prometheus and a real Alertmanager look at a real daemon in a guest, where guest.sh gives it something to tell.

    live.py [--kernel 6.12] [--keep-open] [--pictures FOLDER]

Fails when the daemon's metrics are not those of catalogue.txt, when an expression of a dashboard or rule fails or has no answer
(evaluate.py says which may), when the status page does not hold what tests/page asks of it, or when an alert that must come does
not reach Alertmanager, with what it has to say. Every panel of every dashboard is drawn in a headless browser; --pictures keeps
what was drawn. With --keep-open everything runs on until a line is read: for who wants to look at it.

Needs prometheus and prometheus-alertmanager in PATH. Closes with "N passed, N failed".
"""
import argparse
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import catalogue
import with_prometheus

HERE = pathlib.Path(__file__).resolve().parent
REPO = HERE.parent.parent
# Something that happened in each round; each fires at once.
MUST_FIRE = ["PinwardenDataAtRisk", "PinwardenHoldsTimedOut"]
BOOT = 600  # seconds, on an emulated machine that shares its host


def get(url):
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read().decode()


def wait_until(what, seconds, true):
    until = time.monotonic() + seconds
    last = None
    while time.monotonic() < until:
        try:
            if true():
                return
        except (OSError, urllib.error.URLError, ValueError) as error:
            last = error
        time.sleep(2)
    raise SystemExit(f"live: {what} did not come within {seconds} s ({last})")


@contextlib.contextmanager
def running(command, log):
    process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def samples(text):
    """name -> set of label names; of histograms by their base name."""
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    # Of one that has no series at this moment its type is told.
    found = {name: set() for name in types}
    for name, labels in re.findall(r"^([a-z_:]+)(?:\{(.*)\})? ", text, re.M):
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        if types.get(base) == "histogram":
            name = base
        names = set(re.findall(r'([a-z_]+)="', labels)) - {"le"}
        found.setdefault(name, set()).update(names)
    return found


def check_catalogue(text, results):
    """Both ways: what is told is in the catalogue, and what is in the catalogue is told."""
    told = samples(text)
    listed = catalogue.Catalogue()
    derived = {name + suffix for name, kind in listed.kinds.items() if kind == "histogram" for suffix in ("_bucket", "_sum", "_count")}
    known = {name: labels for name, labels in listed.labels.items() if name not in derived}
    for name, labels in sorted(told.items()):
        results(f"{name} is in the catalogue with its labels", known.get(name) == labels or (name in known and not labels))
    for name in sorted(known):
        results(f"{name} is told", name in told)


def prometheus_configuration(target, node, alertmanager):
    # JSON is YAML.
    return json.dumps({
        "global": {"scrape_interval": "5s", "evaluation_interval": "5s"},
        "rule_files": [str(REPO / "dashboards" / "rules" / "*.yaml")],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": [{"job_name": "pinwarden",
                            "static_configs": [{"targets": [target], "labels": {"instance": "guest:9877"}}]},
                           {"job_name": "node", "static_configs": [{"targets": [node], "labels": {"instance": "guest:9100"}}]}]})


ALERTMANAGER = json.dumps({"route": {"receiver": "nobody", "group_wait": "1s"}, "receivers": [{"name": "nobody"}]})


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--kernel", default="6.12")
    parser.add_argument("--keep-open", action="store_true")
    parser.add_argument("--pictures", type=pathlib.Path)
    given = parser.parse_args()
    counts = {True: 0, False: 0}

    def results(what, good):
        counts[bool(good)] += 1
        if not good:
            print(f"live: FAILED: {what}", flush=True)

    metrics_port, node_port, prometheus_port, alert_port, gossip_port = (with_prometheus.free_port() for _ in range(5))
    with tempfile.TemporaryDirectory() as folder, open(f"{folder}/log", "w+", encoding="utf-8") as log, contextlib.ExitStack() as stack:
        stack.enter_context(running([str(REPO / "dev"), "vm", given.kernel, "--port", f"{metrics_port}:9876", "--port",
                                     f"{node_port}:9875", "--timeout", "3000", "--", str(HERE / "guest.sh"), "9876", "9875"], log))
        metrics = f"http://127.0.0.1:{metrics_port}/metrics"
        wait_until("the daemon's metrics", BOOT, lambda: "pinwarden_pipeline_responding 1" in get(metrics))
        pathlib.Path(f"{folder}/prometheus.json").write_text(
            prometheus_configuration(f"127.0.0.1:{metrics_port}", f"127.0.0.1:{node_port}", f"127.0.0.1:{alert_port}"), encoding="utf-8")
        pathlib.Path(f"{folder}/alertmanager.json").write_text(ALERTMANAGER, encoding="utf-8")
        stack.enter_context(running(["prometheus-alertmanager", f"--config.file={folder}/alertmanager.json",
                                     f"--storage.path={folder}/alerts", f"--web.listen-address=127.0.0.1:{alert_port}",
                                     f"--cluster.listen-address=127.0.0.1:{gossip_port}"], log))
        server = stack.enter_context(running(["prometheus", f"--config.file={folder}/prometheus.json",
                                     f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{prometheus_port}",
                                     "--log.level=warn"], log))
        prometheus = f"http://127.0.0.1:{prometheus_port}"

        # A round of the guest's work ends with an orphan that is let go.
        wait_until("a whole round of work", BOOT,
                   lambda: re.search(r"^pinwarden_orphan_release_seconds_count [1-9]", get(metrics), re.M) is not None)
        # Rates look back some minutes: what Prometheus itself made of that much.
        with_prometheus.wait_for(prometheus, "instance:process_cpu_seconds:rate5m offset 2m", BOOT, server)
        if given.keep_open:
            input(f"metrics {metrics}, Prometheus {prometheus}, Alertmanager http://127.0.0.1:{alert_port}; return ends it: ")
        check_catalogue(get(metrics), results)
        query = urllib.parse.urlencode({"query": 'changes(process_start_time_seconds{job="pinwarden"}[10m])'})
        starts = json.loads(get(f"{prometheus}/api/v1/query?{query}"))["data"]["result"]
        results("the daemon looks as if it had started once", [one["value"][1] for one in starts] == ["0"])
        evaluated = subprocess.run([str(HERE / "evaluate.py"), prometheus, "--range", "2m"], check=False)
        results("every expression has an answer", evaluated.returncode == 0)
        alerts = {alert["labels"]["alertname"]: alert
                  for alert in json.loads(get(f"http://127.0.0.1:{alert_port}/api/v2/alerts"))}
        for name in MUST_FIRE:
            alert = alerts.get(name)
            results(f"{name} reached Alertmanager; there are {sorted(alerts)}", alert is not None)
            if alert is not None:
                results(f"{name} names the host", "guest:9877" in alert["annotations"].get("summary", ""))
                results(f"{name} has a runbook", name in alert["annotations"].get("runbook_url", ""))
        drawn = subprocess.run([str(HERE / "preview" / "screenshot.py"), prometheus, str(given.pictures or f"{folder}/pictures"),
                                "--hours", "0.1"], check=False)
        results("every panel of every dashboard can be drawn", drawn.returncode == 0)
        page = subprocess.run([str(REPO / "tests" / "page" / "run.sh"), "--url", f"http://127.0.0.1:{metrics_port}/"], check=False)
        results("the status page of a real daemon in a browser", page.returncode == 0)
        if counts[False]:
            log.seek(0)
            print(log.read()[-3000:])
    print(f"{counts[True]} passed, {counts[False]} failed")
    return 1 if counts[False] else 0


if __name__ == "__main__":
    sys.exit(main())
