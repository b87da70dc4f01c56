#!/usr/bin/env python3
"""Evaluates every expression of the dashboards and rules against a live Prometheus.

    evaluate.py PROMETHEUS_URL [--range 1h] [--rate-interval 1m] [--instance REGEX]

Fails on an error, and on an empty answer unless may_be_empty.txt has it with a reason. Of an alert the answer is empty as long
as all is well, so there each series it selects must be there instead. What Prometheus says of rules it has loaded itself must
be "ok", and all of ours must be loaded.
"""
import argparse
import json
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

import promql
import tree


class Prometheus:
    def __init__(self, url):
        self.url = url.rstrip("/")

    def get(self, path, **arguments):
        try:
            with urllib.request.urlopen(f"{self.url}{path}?{urllib.parse.urlencode(arguments, doseq=True)}", timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise ValueError(json.load(error).get("error", str(error))) from error

    def count(self, expression):
        data = self.get("/api/v1/query", query=expression)
        # A scalar is an answer, too.
        return len(data["result"]) if data["resultType"] != "scalar" else 1


def substitute(text, given):
    """What Grafana does with variables, before Prometheus sees them. Longer names first."""
    for name, value in (("$__rate_interval", given.rate_interval), ("$__range", given.range), ("$__interval", given.rate_interval),
                        ("$cluster", ".*"), ("$job", ".+"), ("$instance", given.instance)):
        text = text.replace(name, value)
    if "$" in text:
        raise ValueError(f"a variable that is not known: {text}")
    return text


def variable_answers(prometheus, query, given):
    match = re.fullmatch(r"label_values\((.+), (\w+)\)", query)
    if match is None:
        raise ValueError(f"not label_values(...): {query}")
    return len(prometheus.get(f"/api/v1/label/{match[2]}/values", **{"match[]": substitute(match[1], given)}))


def questions(prometheus, given):
    """(file, name, a call that gives how many answers there are)"""
    def ask(expression):
        return lambda: prometheus.count(substitute(expression, given))

    for file, dashboard in tree.dashboards().items():
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                yield file, f"variable {variable['name']}", \
                    lambda query=variable["query"]["query"]: variable_answers(prometheus, query, given)
        for annotation in dashboard["annotations"]["list"]:
            yield file, f"annotation {annotation['name']}", ask(annotation["expr"])
        for panel in tree.panels(dashboard):
            for target in panel["targets"]:
                yield file, panel["title"], ask(target["expr"])
    for file, _, rule in tree.rules():
        if "record" in rule:
            # The rule's expression, and what has been recorded by it. A $ in it is no variable.
            for expression in (rule["expr"], rule["record"]):
                yield file, rule["record"], lambda expression=expression: prometheus.count(expression)
            continue
        yield file, rule["alert"], lambda expr=rule["expr"]: (prometheus.count(expr), 1)[1]  # only errors
        for selector in promql.take_apart(rule["expr"]).selectors:
            yield file, rule["alert"], lambda text=selector.text(): prometheus.count(text)


def read_allowed():
    allowed = {}
    for line in (tree.REPO / "tests/dashboards/may_be_empty.txt").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            place, reason = line.rsplit(": ", 1)
            allowed[place] = reason
    return allowed


def loaded_rules(prometheus):
    """Complaints about the rules that Prometheus itself has loaded."""
    ours = {(group, rule.get("alert") or rule["record"]) for _, group, rule in tree.rules()}
    found = {}
    for group in prometheus.get("/api/v1/rules")["groups"]:
        for rule in group["rules"]:
            found[group["name"], rule["name"]] = rule
    wrong = [f"rule {name} of {group} is not loaded" for group, name in sorted(ours - set(found))]
    wrong += [f"rule {name} of {group}: {found[group, name].get('health')} {found[group, name].get('lastError', '')}"
              for group, name in sorted(ours & set(found)) if found[group, name].get("health") not in ("ok", "unknown")]
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", metavar="PROMETHEUS_URL")
    parser.add_argument("--range", default="1h")
    parser.add_argument("--rate-interval", default="1m")
    parser.add_argument("--instance", default=".+")
    given = parser.parse_args()
    prometheus, allowed = Prometheus(given.url), read_allowed()
    wrong, empty, asked, places = [], set(), 0, set()
    for file, name, ask in questions(prometheus, given):
        place = f"{file}: {name}"
        places.add(place)
        asked += 1
        try:
            if ask() == 0:
                empty.add(place)
        except (ValueError, OSError) as error:
            wrong.append(f"{place}: {error}")
    wrong += [f"{place}: empty" for place in sorted(empty - set(allowed))]
    wrong += [f"may_be_empty.txt: there is no {place}" for place in sorted(set(allowed) - places)]
    wrong += loaded_rules(prometheus)
    for complaint in wrong:
        print(f"evaluate: {complaint}", file=sys.stderr)
    for place in sorted(empty & set(allowed)):
        print(f"evaluate: empty, as it may be: {place} ({allowed[place]})")
    print(f"evaluate: {asked} questions, {len(wrong)} wrong, {len(empty)} panels or rules empty")
    return 1 if wrong or not asked else 0


if __name__ == "__main__":
    sys.exit(main())
