"""What must hold for every rule and its tests; promtool has the last word on both."""
import os
import re
import subprocess

import tree
from catalogue import OTHERS, TARGET_LABELS
from promql import take_apart

SEVERITIES = {"page", "ticket", "info"}
# Alerts about no host in particular: no label says which.
FLEET = {"PinwardenAbsent", "PinwardenConfigDiffers"}


def free_labels(expression, known):
    """Labels by which one alert of a host differs from another: the reader must see them."""
    first = expression.selectors[0]
    fixed = {label for label, sign, _ in first.matchers if sign == "="}
    return (known.labels_of(first.metric) or set()) - fixed - TARGET_LABELS


def check_alert(rule, text, known):
    wrong, name = [], rule["alert"]
    notes = rule.get("annotations", {})
    if not re.fullmatch(r"Pinwarden[A-Z]\w+", name):
        wrong.append("its name does not begin with Pinwarden")
    if rule.get("labels", {}).get("severity") not in SEVERITIES:
        wrong.append(f"its severity is none of {', '.join(sorted(SEVERITIES))}")
    summary = notes.get("summary", "")
    if name not in FLEET:
        expression = take_apart(rule["expr"])
        wanted = free_labels(expression, known) | {"instance"}
        wrong += [f"its summary does not name {label}" for label in sorted(wanted) if f"{{{{ $labels.{label} }}}}" not in summary]
    if not summary or len(notes.get("description", "")) < 20:
        wrong.append("it needs a summary and a description")
    if notes.get("runbook_url") != f"docs/runbooks/{name}.md":
        wrong.append(f"its runbook_url is not docs/runbooks/{name}.md")
    if not (tree.RUNBOOKS / f"{name}.md").is_file():
        wrong.append("it has no runbook")
    if not re.search(rf"^ *#[^\n]*\n *- alert: {name}$", text, re.MULTILINE):
        wrong.append("no comment above it says why this threshold and this time")
    return wrong


def check_record(rule, used):
    name = rule["record"]
    match = re.fullmatch(r"([a-z_]+):[a-z_]+:[a-z0-9_]+", name)
    if match is None or match[1].split("_")[0] != "instance":
        return ["its name is not level:metric:operation with a level of instance and labels"]
    return [] if name in used else ["nothing uses it"]


def series_in(test):
    return [(re.match(r"[\w:]+", one["series"])[0], set(re.findall(r'(\w+)=', one["series"]))) for one in test["input_series"]]


def sources(rule, recordings):
    """The metrics an expression goes back to, through recorded ones."""
    found = set()
    for selector in take_apart(rule["expr"]).selectors:
        recorded = recordings.get(selector.metric)
        found |= sources(recorded, recordings) if recorded else {selector.metric}
    return found


def check_tests(alerts, recordings, known):
    wrong, fires, quiet = [], set(), set()
    for file, test in tree.rule_tests():
        series = series_in(test)
        for metric, labels in series:
            if (there := known.labels_of(metric)) is None:
                wrong.append(f"{file}: {test['name']}: there is no metric {metric}")
            elif labels != there - (TARGET_LABELS - labels):
                wrong.append(f"{file}: {test['name']}: {metric} has the labels {', '.join(sorted(there))}")
        for case in test.get("alert_rule_test", []):
            alert = alerts.get(case["alertname"])
            if alert is None:
                wrong.append(f"{file}: there is no alert {case['alertname']}")
            elif case["exp_alerts"]:
                fires.add(case["alertname"])
            elif {metric for metric, _ in series} & sources(alert, recordings):
                # Quiet only because nothing is there would be no test.
                quiet.add(case["alertname"])
    wrong += [f"{name} has no test in which it fires" for name in sorted(set(alerts) - fires)]
    wrong += [f"{name} has no test in which it stays quiet although its metrics are there" for name in sorted(set(alerts) - quiet)]
    return wrong


def promtool(*arguments):
    # Each of its tests makes a database and waits until it is on the disk: in memory that takes no time.
    environment = {**os.environ, "TMPDIR": "/dev/shm"} if os.access("/dev/shm", os.W_OK) else None
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, env=environment, check=False)
    return [] if done.returncode == 0 else [f"promtool {' '.join(map(str, arguments[:2]))}: {done.stdout}{done.stderr}".strip()]


def check(known):
    wrong, alerts, recordings = [], {}, {}
    texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(tree.RULES.glob("*.yaml"))}
    everywhere = [rule["expr"] for _, _, rule in tree.rules()]
    everywhere += [target["expr"] for board in tree.dashboards().values() for panel in tree.panels(board) for target in panel["targets"]]
    used = {selector.metric for expr in everywhere for selector in take_apart(expr).selectors}
    for file, _, rule in tree.rules():
        name = rule.get("alert") or rule["record"]
        mine = known.complaints(rule["expr"])
        if name in alerts or name in recordings:
            mine.append("there are two of this name")
        mine += [f"{selector.metric} of every job" for selector in take_apart(rule["expr"]).selectors if not known.told_apart(selector)]
        if "alert" in rule:
            alerts[name] = rule
            mine += check_alert(rule, texts[file], known)
        else:
            recordings[name] = rule
            mine += check_record(rule, used)
        wrong += [f"{file}: {name}: {what}" for what in mine]
    wrong += [f"nothing uses {metric} any more" for metric in OTHERS if metric not in used]
    wrong += check_tests(alerts, recordings, known)
    if not alerts or not recordings:
        wrong.append("there are no rules")
    # Which takes a while: after what is quickly told.
    wrong = wrong or promtool("check", "rules", "--lint=all", "--lint-fatal", *sorted(tree.RULES.glob("*.yaml")))
    wrong = wrong or promtool("test", "rules", *sorted((tree.RULES / "tests").glob("*.yaml")))
    return wrong, f"{len(alerts)} alerts, {len(recordings)} recording rules, {len(tree.rule_tests())} tests of them"
