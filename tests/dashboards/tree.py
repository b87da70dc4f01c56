"""What the checks read of dashboards and rules."""
import json
import pathlib

import yaml

REPO = pathlib.Path(__file__).resolve().parent.parent.parent
DASHBOARDS, RULES, RUNBOOKS = REPO / "dashboards", REPO / "dashboards" / "rules", REPO / "docs" / "runbooks"

# The loader in C is ten times as fast, where PyYAML was built with it.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def dashboards():
    """{file's name: dashboard}"""
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(DASHBOARDS.glob("*.json"))}


def panels(dashboard):
    """Every panel that shows something, those of collapsed rows too."""
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            yield from panel.get("panels", [])
        else:
            yield panel


def rules():
    """[(file's name, group, rule)]"""
    found = []
    for path in sorted(RULES.glob("*.yaml")):
        for group in yaml.load(path.read_text(encoding="utf-8"), LOADER)["groups"]:
            found += [(path.name, group["name"], rule) for rule in group["rules"]]
    return found


def rule_tests():
    """[(file's name, test)] of promtool's."""
    return [(path.name, test) for path in sorted((RULES / "tests").glob("*.yaml"))
            for test in yaml.load(path.read_text(encoding="utf-8"), LOADER)["tests"]]
