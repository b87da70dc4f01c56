"""What must hold for every dashboard: the rules of Grafana's own linter, and ours."""
import re
import subprocess
import sys

import tree
from catalogue import OPEN_LABELS
from promql import take_apart

MATCHERS = {("cluster", "=~", "$cluster"), ("job", "=~", "$job"), ("instance", "=~", "$instance")}
WINDOWS = {"$__rate_interval", "$__range"}
AGGREGATIONS = {"sum", "min", "max", "avg", "count", "topk"}
# A counter that is shown as it is, with the reason.
BARE_COUNTERS = {"pinwarden_kernel_pins_acquired_total": "the difference of the two is what is pinned",
                 "pinwarden_kernel_pins_released_total": "the difference of the two is what is pinned"}
# Boards about one host: All would draw the same picture of several.
ONE_HOST = {"host.json"}
ALL_VALUES = {"cluster": ".*", "job": ".+", "instance": ".+"}


def check_variables(file, dashboard):
    wrong, found = [], {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    source = found.get("datasource", {})
    if (source.get("type"), source.get("query")) != ("datasource", "prometheus"):
        wrong.append("there is no variable datasource for Prometheus")
    for name, all_value in ALL_VALUES.items():
        variable = found.get(name)
        if variable is None or variable["type"] != "query":
            wrong.append(f"there is no variable {name}")
            continue
        if variable["datasource"].get("uid") != "${datasource}":
            wrong.append(f"variable {name} has a data source of its own")
        if not variable.get("label") or variable.get("refresh") != 2:
            wrong.append(f"variable {name} needs a label, and to be read again when the time changes")
        single = name == "instance" and file in ONE_HOST
        if variable["multi"] == single or variable["includeAll"] == single:
            wrong.append(f"variable {name}: {'one value only' if single else 'several values and All'} must be possible")
        if not single and variable.get("allValue") != all_value:
            wrong.append(f"variable {name}: All must stand for {all_value}")
    if found.get("runbooks", {}).get("type") != "constant":
        wrong.append("there is no constant runbooks")
    return wrong


def check_expression(expr, legend, known):
    wrong, expression = known.complaints(expr), take_apart(expr)
    for selector in expression.selectors:
        missing = MATCHERS - set(selector.matchers)
        if missing:
            wrong.append(f"{selector.metric} is not limited to what is chosen: {', '.join(sorted(label for label, _, _ in missing))}")
        if not known.told_apart(selector):
            wrong.append(f"{selector.metric} of every job")
        if selector.function in ("rate", "increase", "irate") and selector.window not in WINDOWS:
            wrong.append(f"{selector.function} over [{selector.window}], not over $__rate_interval or $__range")
        counter = known.kinds.get(selector.metric) == "counter"
        if counter and selector.function not in ("rate", "increase", "irate") and selector.metric not in BARE_COUNTERS:
            wrong.append(f"{selector.metric} is a counter: a rate of it says something")
        if not AGGREGATIONS & set(selector.around):
            wrong.append(f"{selector.metric} is shown one by one: as many lines as there are")
    used = expression.grouped | set(re.findall(r"{{\s*(\w+)\s*}}", legend))
    if used & OPEN_LABELS and "topk" not in {call for selector in expression.selectors for call in selector.around}:
        wrong.append(f"one line for each {', '.join(sorted(used & OPEN_LABELS))} without topk: nobody limits how many")
    labels = set.union(*(known.labels_of(selector.metric) or set() for selector in expression.selectors)) if expression.selectors else set()
    wrong += [f"the legend names {label}, which is not there" for label in re.findall(r"{{\s*(\w+)\s*}}", legend)
              if label not in labels or (expression.grouped and label not in expression.grouped)]
    return wrong


def check_panel(panel, known):
    wrong = [f"no {field}" for field in ("title", "description") if not panel.get(field)]
    defaults = panel["fieldConfig"]["defaults"]
    if not defaults.get("unit"):
        wrong.append("no unit")
    steps = defaults["thresholds"]["steps"]
    if not steps or steps[0]["value"] is not None or any(
            step["value"] is None or step["value"] <= before["value"] for before, step in zip(steps[1:], steps[2:])):
        wrong.append("thresholds do not go up")
    if not panel.get("targets"):
        wrong.append("nothing is asked")
    if len({target["refId"] for target in panel["targets"]}) != len(panel["targets"]):
        wrong.append("two queries have the same refId")
    for place in (panel, *panel["targets"]):
        if place["datasource"].get("uid") != "${datasource}":
            wrong.append("a data source of its own")
    for target in panel["targets"]:
        wrong += check_expression(target["expr"], target["legendFormat"], known)
    for link in panel["links"]:
        match = re.fullmatch(r"\$\{runbooks\}/(\w+)\.md", link["url"])
        if match is None or not (tree.RUNBOOKS / f"{match[1]}.md").is_file():
            wrong.append(f"no such runbook: {link['url']}")
    for transformation in panel.get("transformations", []):
        # Columns are labels of the answer.
        expressions = [take_apart(target["expr"]) for target in panel["targets"]]
        there = {"Value"}.union(*(known.labels_of(selector.metric) or set() for one in expressions for selector in one.selectors))
        wrong += [f"no column {name}" for name in transformation["options"].get("renameByName", {}) if name not in there]
    return wrong


def check_places(dashboard):
    """Nothing beside the screen, nothing on top of something else."""
    wrong, taken = [], {}
    for panel in dashboard["panels"]:
        grid = panel["gridPos"]
        if grid["x"] + grid["w"] > 24:
            wrong.append(f"{panel['title']}: wider than the screen")
        for x in range(grid["x"], grid["x"] + grid["w"]):
            for y in range(grid["y"], grid["y"] + grid["h"]):
                other = taken.setdefault((x, y), panel["title"])
                if other != panel["title"]:
                    wrong.append(f"{panel['title']} stands on {other}")
    return sorted(set(wrong))


def check(known):
    wrong, uids, count = [], {}, 0
    boards = tree.dashboards()
    for file, dashboard in boards.items():
        mine = check_variables(file, dashboard) + check_places(dashboard)
        if dashboard.get("editable") is not False:
            mine.append("it can be edited: what is changed there is lost with the next version")
        if dashboard.get("id") is not None or "pinwarden" not in dashboard["tags"] or not dashboard.get("description"):
            mine.append("it needs a description, the tag pinwarden, and no id")
        if uids.setdefault(dashboard["uid"], file) != file:
            mine.append(f"its uid is that of {uids[dashboard['uid']]}")
        titles = [panel["title"] for panel in tree.panels(dashboard)]
        mine += [f"two panels are called {title}" for title in sorted({title for title in titles if titles.count(title) > 1})]
        for panel in tree.panels(dashboard):
            count += 1
            mine += [f"{panel.get('title') or panel['id']}: {what}" for what in check_panel(panel, known)]
        for annotation in dashboard["annotations"]["list"]:
            mine += [f"annotation: {what}" for what in known.complaints(annotation["expr"])]
        wrong += [f"{file}: {what}" for what in mine]
    made = subprocess.run([sys.executable, "-B", tree.DASHBOARDS / "generate.py", "--check"], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        wrong.append(made.stderr.strip() or "generate.py --check failed")
    if not boards or not count:
        wrong.append("there are no dashboards")
    return wrong, f"{len(boards)} dashboards with {count} panels"
