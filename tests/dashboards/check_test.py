#!/usr/bin/env python3
"""Makes one mistake after another in a copy of the tree, and sees that check.py finds each and says so.

    tests/dashboards/check_test.py [WORD]       only mistakes whose name has WORD in it
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

REPO = pathlib.Path(__file__).resolve().parent.parent.parent
R, B, K, T = "dashboards/rules/", "dashboards/boards.py", "docs/runbooks/", "dashboards/rules/tests/"
PINS, TRUST = R + "alerts-pins.yaml", R + "alerts-trust.yaml"

# (what is wrong, file, text to look for (None: the file is removed), text in its place, what check.py must say)
MISTAKES = [
    ("alert without a severity", PINS, "          severity: ticket\n", "          team: x\n", "its severity is none of"),
    ("alert of an unknown severity", PINS, "severity: info", "severity: warning", "its severity is none of"),
    ("summary without the host", PINS, '"{{ $labels.instance }}: a pin', '"A pin', "its summary does not name instance"),
    ("summary without the cause", TRUST, ", by {{ $labels.cause }}", "", "its summary does not name cause"),
    ("alert without a description", PINS, "          description: Calls that", "          note: Calls that", "a summary and a description"),
    ("runbook_url of another alert", PINS, "runbook_url: docs/runbooks/PinwardenLeaks.md",
     "runbook_url: docs/runbooks/PinwardenDown.md", "its runbook_url is not"),
    ("threshold without a reason", PINS, "      # A leak is an orphan older than --leak-after (30 s). After half an hour it is none that a slow "
     "device still lets go.\n", "", "no comment above it"),
    ("alert by another kind of name", PINS, "alert: PinwardenLeaks\n", "alert: Leaks\n", "does not begin with Pinwarden"),
    ("metric that is not there", PINS, "expr: pinwarden_leaks > 0", "expr: pinwarden_leaked > 0", "there is no metric pinwarden_leaked"),
    ("label that is not there", TRUST, 'pinwarden_hooks{state="failed"}', 'pinwarden_hooks{hook="missing"}', "has no label hook"),
    ("value that is never there", TRUST, 'pinwarden_hooks{state="failed"}', 'pinwarden_hooks{state="gone"}', "is never 'gone'"),
    ("value that is never there, in a list", R + "alerts-enforcement.yaml", "timed_out_allow|let_go_allow", "timed_out|let_go_allow",
     "is never 'timed_out'"),
    ("grouped by what is not there", R + "recording.yaml", "without (driver, backing) (pinwarden_pins)", "without (drivers) (pinwarden_pins)",
     "has the label drivers"),
    ("processes of every job", R + "alerts-health.yaml", 'process_open_fds{job=~"pinwarden.*"}', "process_open_fds", "process_open_fds of every job"),
    ("recording rule that nobody uses", R + "recording.yaml", "      - record: instance:pinwarden_pins:sum\n",
     "      - record: instance:pinwarden_unused:sum\n        expr: sum without (driver, backing) (pinwarden_pins)\n"
     "      - record: instance:pinwarden_pins:sum\n", "instance:pinwarden_unused:sum: nothing uses it"),
    ("recording rule by another kind of name", R + "recording.yaml", "record: instance_table:", "record: by_table:", "its name is not level"),
    ("two rules that are the same", R + "recording.yaml", "      - record: instance:pinwarden_pins:sum\n",
     "      - record: instance:pinwarden_pins:sum\n        expr: vector(1)\n      - record: instance:pinwarden_pins:sum\n", "two of this name"),
    ("rule that Prometheus does not read", PINS, "expr: pinwarden_leaks > 0", "expr: sum(pinwarden_leaks > 0", "promtool check rules"),
    ("threshold of which a test knows", PINS, "expr: pinwarden_leaks > 0", "expr: pinwarden_leaks > 3", "promtool test rules"),
    ("time of which a test knows", PINS, "for: 30m\n        labels:\n          severity: ticket\n        annotations:\n"
     '          summary: "{{ $labels.instance }}: {{ $value }} pins', "for: 5m\n        labels:\n          severity: ticket\n        annotations:\n"
     '          summary: "{{ $labels.instance }}: {{ $value }} pins', "promtool test rules"),
    ("test of firing left out", T + "pins.yaml", "alertname: PinwardenPinsFail\n        exp_alerts:\n", "alertname: PinwardenPinsFail\n"
     "        exp_alerts: []\n        unused:\n", "PinwardenPinsFail has no test in which it fires"),
    ("test of staying quiet left out", T + "pins.yaml", r"(?s)  - name: 'PinwardenLeaks stays.*?\n\n", "",
     "PinwardenLeaks has no test in which it stays quiet"),
    ("test that is quiet because nothing is there", T + "pins.yaml", r"(?s)(stays quiet: let go.*?)pinwarden_leaks\{", r"\1pinwarden_orphans{",
     "PinwardenLeaks has no test in which it stays quiet"),
    ("test of series that are not there", T + "pins.yaml", "pinwarden_leaks{driver=", "pinwarden_leaks{drivers=", "has the labels"),
    ("alert without a runbook", K + "PinwardenLeaks.md", None, None, "it has no runbook"),
    ("runbook without an alert", K + "PinwardenLeaks.md", "# PinwardenLeaks\n", "# Leaks\n", "its title is not the alert's name"),
    ("runbook that names no metric", K + "PinwardenLeaks.md", "pinwarden_leaked_bytes", "pinwarden_lost_bytes", "no metric pinwarden_lost_bytes"),
    ("runbook that names no alert", K + "PinwardenLeaks.md", "PinwardenLeaksGrowing", "PinwardenLeaksGrown", "no alert PinwardenLeaksGrown"),
    ("runbook with another command", K + "PinwardenLeaks.md", "pinctl leaks", "pinctl leak", "pinctl has no command leak"),
    ("runbook with another option", K + "PinwardenLeaks.md", "--leaked --stack", "--leaky --stack", "there is no --leaky"),
    ("runbook without a part", K + "PinwardenLeaks.md", "## What to do", "## Things to do", "there is no part"),
    ("runbook with a dead link", K + "PinwardenDataAtRisk.md", "](../policy.md)", "](../policies.md)", "there is no ../policies.md"),
    ("runbook that the index does not list", K + "README.md", "(PinwardenLeaks.md)", "(PinwardenDown.md)", "does not list PinwardenLeaks"),
    ("JSON changed by hand", "dashboards/host.json", '"title": "Pinned, by driver"', '"title": "By driver"', "not what boards.py says"),
    ("board that is made no more", B, '"trust.json": trust()', "", "not what boards.py says: trust.json"),
    ("panel without a title", B, '"Mmu notifiers",', '"",', "no title"),
    ("panel without a description", B, '"Who listens for pages that go away, in place of pinning them."', '""', "no description"),
    ("panel without a unit", B, '"{{state}}")], "short", width=6', '"{{state}}")], "", width=6', "no unit"),
    ("two panels of one title", B, '"Mmu notifiers",', '"On demand",', "two panels are called On demand"),
    ("query of all hosts", B, 'f"max(pinwarden_reader_lag_seconds{{{S}}})"', '"max(pinwarden_reader_lag_seconds)"', "not limited to what is chosen"),
    ("counter as it is", B, 'total("pinwarden_holds"), "held"', 'total("pinwarden_audits_total"), "held"', "is a counter"),
    ("rate over a fixed time", B, "{extra}}}[$__rate_interval]))", "{extra}}}[5m]))", "not over $__rate_interval"),
    ("one line for each host", B, '"min(pinwarden_ledger_certain{{{S}}})"', '"pinwarden_ledger_certain{{{S}}}"', "shown one by one"),
    ("one line for each policy", B, 'topk(25, {in_range(', '(({in_range(', "nobody limits how many"),
    ("legend of a label that is gone", B, '"backing"), "{{backing}}"', '"backing"), "{{driver}}"', "the legend names driver"),
    ("column that is not there", B, '"alertname": "Alert"', '"alert": "Alert"', "no column alert"),
    ("link to no runbook", B, 'runbooks=["PinwardenRestarts"]', 'runbooks=["PinwardenRestart"]', "no such runbook"),
    ("harmless change", B, "\"Memory pinned by cgroup. Empty", "\"Memory by cgroup. Empty", None),
    ("data source of its own", "dashboards/generate.py", '"uid": "${datasource}"', '"uid": "prom-1"', "a data source of its own"),
    ("variable without All", "dashboards/generate.py", 'all_value=".*"', 'all_value="x"', "All must stand for"),
    ("thresholds that go down", B, "(0.6, YELLOW), (0.8, RED)", "(0.9, YELLOW), (0.8, RED)", "thresholds do not go up"),
    ("board that can be edited", "dashboards/generate.py", '"editable": False', '"editable": True', "it can be edited"),
    ("panel on another one", "dashboards/generate.py", "x, deepest = x + panel.width, max", "x, deepest = x + panel.width - 1, max", "stands on"),
]


def copy_tree(folder):
    left_out = shutil.ignore_patterns("node_modules", "__pycache__")
    for name in ("dashboards", "docs", "cli", "tests/dashboards"):
        shutil.copytree(REPO / name, folder / name, ignore=left_out)


def run(folder, *command):
    done = subprocess.run([sys.executable, "-B", *command], cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def mend(folder, file):
    path = folder / file
    path.write_bytes((REPO / file).read_bytes())


def attempt(folder, what, file, old, new, said):
    """What is wrong with how check.py took this mistake, or nothing."""
    path = folder / file
    if old is None:
        path.unlink()
    else:
        text = path.read_text(encoding="utf-8")
        changed = re.sub(old, new, text, count=1) if old.startswith("(?s)") else text.replace(old, new)
        if changed == text:
            return f"{what}: {file} has no {old!r} to make the mistake in"
        path.write_text(changed, encoding="utf-8")
    generated = file.endswith(".py") and "not what boards.py says" not in (said or "")
    if generated:
        status, output = run(folder, "dashboards/generate.py")
        if status != 0:
            return f"{what}: generate.py: {output}"
    part = "rules" if file.startswith(R) or said == "it has no runbook" else "runbooks" if file.startswith(K) else "boards"
    status, output = run(folder, "tests/dashboards/check.py", part)
    mend(folder, file)
    if generated:
        for path in sorted((REPO / "dashboards").glob("*.json")):
            mend(folder, path.relative_to(REPO))
    if said is None:
        return "" if status == 0 else f"{what}: is no mistake, and check.py says: {output}"
    if status == 0 or said not in output:
        return f"{what}: check.py ends with {status} and does not say {said!r}: {output[-600:]}"
    return ""


def main(word):
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    chosen = [mistake for mistake in MISTAKES if word in mistake[0]]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        copy_tree(folder)
        status, output = run(folder, "tests/dashboards/check.py")
        if status != 0:
            sys.exit(f"check_test: without a mistake already:\n{output}")
        wrong = [complaint for mistake in chosen if (complaint := attempt(folder, *mistake))]
    for complaint in wrong:
        print(f"check_test: {complaint}", file=sys.stderr)
    print(f"check_test: {len(chosen)} mistakes, {len(wrong)} not found as they should be")
    return 1 if wrong or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
