"""Which metrics there are, which labels they have, and what those can be."""
import re

import tree
from promql import take_apart

HERE = tree.REPO / "tests" / "dashboards"
# What Prometheus puts there itself. cluster is a label of the site's targets and may be missing.
TARGET_LABELS = {"cluster", "job", "instance"}
# Series that are not pinwardend's.
OTHERS = {"up": set(), "ALERTS": {"alertname", "alertstate", "severity"}, "node_memory_MemTotal_bytes": set()}
OTHER_VALUES = {("ALERTS", "alertstate"): ["firing", "pending"], ("ALERTS", "severity"): ["page", "ticket", "info"]}
# Labels whose values nobody limits over many hosts.
OPEN_LABELS = {"instance", "policy", "cgroup", "hash", "version", "kernel"}


class Catalogue:
    def __init__(self):
        self.kinds, self.labels, self.values = {}, {}, {}
        for line in (HERE / "catalogue.txt").read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                name, kind, *labels = line.split()
                self.kinds[name], self.labels[name] = kind, set(labels)
                if kind == "histogram":
                    for suffix in ("_bucket", "_sum", "_count"):
                        self.kinds[name + suffix] = "counter"
                        self.labels[name + suffix] = set(labels) | ({"le"} if suffix == "_bucket" else set())
        for line in (HERE / "values.txt").read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                metric, label, *values = line.split()
                self.values[metric, label] = values
        self.recorded = {rule["record"] for _, _, rule in tree.rules() if "record" in rule}

    def labels_of(self, metric):
        """None when there is no such metric. Of recorded ones the level says it: instance_verdict_mode:..."""
        if metric in self.recorded:
            return set(metric.split(":")[0].split("_")) | TARGET_LABELS
        labels = self.labels.get(metric, OTHERS.get(metric))
        return None if labels is None else labels | TARGET_LABELS

    def values_of(self, metric, label):
        """None when it can be anything."""
        if metric in self.recorded or metric in OTHERS:
            return OTHER_VALUES.get((metric, label))
        return self.values.get((metric, label)) or self.values.get(("*", label))

    @staticmethod
    def told_apart(selector):
        """Whether series that every job has are limited to pinwarden's."""
        common = selector.metric == "up" or selector.metric.startswith("process_")
        return not common or ("job", "=~", "pinwarden.*") in selector.matchers

    def complaints(self, text):
        """What is wrong with an expression's metrics and labels."""
        found, every = [], set(TARGET_LABELS)
        expression = take_apart(text)
        for selector in expression.selectors:
            labels = self.labels_of(selector.metric)
            if labels is None:
                found.append(f"there is no metric {selector.metric}")
                continue
            if self.kinds.get(selector.metric) == "histogram":
                found.append(f"{selector.metric} is a histogram: use its _bucket, _sum or _count")
            every |= labels
            for label, sign, value in selector.matchers:
                if label not in labels:
                    found.append(f"{selector.metric} has no label {label}")
                    continue
                known = self.values_of(selector.metric, label)
                # A regular expression is looked at where it only lists words.
                words = [value] if sign in ("=", "!=") else value.split("|") if re.fullmatch(r"[\w|]+", value) else []
                found += [f"{label} of {selector.metric} is never {word!r}" for word in words if known and word not in known]
        found += [f"no metric of {text!r} has the label {label}" for label in sorted(expression.grouped - every - expression.made)]
        return found
