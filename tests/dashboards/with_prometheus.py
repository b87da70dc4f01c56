#!/usr/bin/env python3
"""Runs a command while a real Prometheus scrapes fake_exporter.py with our rules, and ends both.

    with_prometheus.py [--history 6h] [--hosts 4] [--without METRIC] COMMAND...

The command finds the address in PROMETHEUS_URL, and as an argument that is just {}. With --history there is a past, also of
the recording rules, so that there is something to draw. Prometheus and promtool are taken from PATH.
"""
import argparse
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

import fake_exporter

HERE = pathlib.Path(__file__).resolve().parent
RULES = HERE.parent.parent / "dashboards" / "rules"
STEP = 30  # seconds between two samples of the history


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def configuration(exporter_port, hosts):
    target = [f"127.0.0.1:{exporter_port}"]
    pinwarden = [{"targets": target, "labels": {"__param_host": str(host), "instance": f"host{host}:9877"}} for host in hosts]
    node = [{"targets": target, "labels": {"instance": f"host{host}:9100"}} for host in hosts]
    # JSON is YAML.
    return json.dumps({
        "global": {"scrape_interval": "2s", "evaluation_interval": "5s"},
        "rule_files": [str(RULES / "*.yaml")],
        "scrape_configs": [{"job_name": "pinwarden", "static_configs": pinwarden},
                           {"job_name": "node", "metrics_path": "/node", "static_configs": node}]})


def write_history(path, hosts, begin, end):
    """In OpenMetrics, as promtool takes it: all samples of a time together."""
    series = {host: fake_exporter.series_of(host) for host in hosts}
    with open(path, "w", encoding="utf-8") as out:
        for now in range(begin, end, STEP):
            for host in hosts:
                labels = {"job": "pinwarden", "instance": f"host{host}:9877"}
                out.writelines(fake_exporter.line(name, {**own, **labels}, value, f" {now}")
                               for name, own, value in fake_exporter.samples(host, now, series[host]))
                out.write(fake_exporter.line("up", labels, 1, f" {now}"))
                out.write(fake_exporter.line("node_memory_MemTotal_bytes", {"job": "node", "instance": f"host{host}:9100"},
                                             32768 * 2 ** 20, f" {now}"))
        out.write("# EOF\n")


def start_prometheus(folder, port, log):
    return subprocess.Popen(["prometheus", f"--config.file={folder}/prometheus.json", f"--storage.tsdb.path={folder}/data",
                             f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=10d",
                             "--log.level=warn"], stdout=log, stderr=log)


def end(process):
    if process and process.poll() is None:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(url, what, seconds, process):
    """Until the query `what` has an answer."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            sys.exit("with_prometheus: Prometheus has ended")
        try:
            query = urllib.parse.urlencode({"query": what})
            with urllib.request.urlopen(f"{url}/api/v1/query?{query}", timeout=5) as answer:
                if json.load(answer)["data"]["result"]:
                    return
        except OSError:
            pass
        time.sleep(0.5)
    sys.exit(f"with_prometheus: no answer to {what} after {seconds} s")


def promtool(*arguments):
    done = subprocess.run(["promtool", "tsdb", "create-blocks-from", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"with_prometheus: promtool: {done.stdout}{done.stderr}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--history", metavar="HOURSh", default="")
    parser.add_argument("--hosts", type=int, default=4)
    parser.add_argument("--without", action="append", default=[], metavar="METRIC", help="which the hosts do not have; may be repeated")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    if not given.command:
        parser.error("say which command")
    folder, hosts = tempfile.mkdtemp(prefix="pinwarden-prometheus-"), range(1, given.hosts + 1)
    exporter = prometheus = None
    try:
        with open(f"{folder}/log", "w", encoding="utf-8") as log:
            exporter_port, port = free_port(), free_port()
            url = f"http://127.0.0.1:{port}"
            pathlib.Path(folder, "prometheus.json").write_text(configuration(exporter_port, hosts), encoding="utf-8")
            exporter = subprocess.Popen([sys.executable, "-B", HERE / "fake_exporter.py", str(exporter_port), *given.without])
            if given.history:
                now = int(time.time())
                begin = now - int(given.history.rstrip("h")) * 3600
                write_history(f"{folder}/history", hosts, begin, now)
                promtool("openmetrics", "-q", f"{folder}/history", f"{folder}/data")
                prometheus = start_prometheus(folder, port, log)
                wait_for(url, "up", 60, prometheus)
                promtool("rules", f"--start={begin}", f"--end={now - 60}", f"--url={url}", "--eval-interval=60s",
                         f"--output-dir={folder}/data", str(RULES / "recording.yaml"))
                end(prometheus)  # a start looks for blocks that others made
            prometheus = start_prometheus(folder, port, log)
            # A rate needs two samples, and the recording rules their first minute.
            wait_for(url, "instance:process_cpu_seconds:rate5m offset 1s", 150, prometheus)
            command = [url if word == "{}" else word for word in given.command]
            return subprocess.run(command, env={**os.environ, "PROMETHEUS_URL": url}, check=False).returncode
    finally:
        end(prometheus)
        end(exporter)
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
