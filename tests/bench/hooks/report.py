#!/usr/bin/env python3
"""What pinwarden_hook_bench measured, as tables, or beside the figures that are committed.

  report.py table FILE...                prints a table for each kernel, in Markdown
  report.py gate EXPECTED MEASURED...    fails when an operation cost over 3 % more than it is expected to each time it was
                                         measured
  report.py accept EXPECTED MEASURED...  makes the most that was measured the figures that are expected
"""
import json
import sys

CONFIGURATIONS = [
    ("none", "nothing attached"),
    ("empty", "empty programs"),
    ("bpftrace", "bpftrace"),
    ("listening", "observe, listening to pages"),
    ("observe", "observe"),
    ("monitor", "monitor"),
    ("enforce", "enforce"),
    ("fallocate", "enforce, fallocate too"),
]
GATED = ["observe", "enforce"]
MOST = 1.03


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError) as error:
        sys.exit(f"report.py: cannot read {path}: {error}")


def number(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}"


def table(measured):
    shown = [c for c in CONFIGURATIONS if any(c[0] in o["costs"] for o in measured["operations"])]
    print(f"### Linux {measured['kernel']}\n")
    print("| operation | unit | " + " | ".join(title for _, title in shown) + " |")
    print("|---|---|" + "--:|" * len(shown))
    for operation in measured["operations"]:
        costs = operation["costs"]
        base = costs.get("none")
        cells = []
        for name, _ in shown:
            if name not in costs:
                cells.append("–")
            elif name == "none" or base is None:
                cells.append(number(costs[name]["caller"]))
            else:
                added = costs[name]["caller"] - base["caller"]
                others = costs[name]["everything"] - base["everything"] - added
                cells.append(f"{added:+,.0f}" + (f" ({others:+,.0f})" if others >= 1 else ""))
        print(f"| {operation['name']} | {operation['unit']} | " + " | ".join(cells) + " |")
    print()


def callers(measured):
    """What each operation cost its caller, by name and configuration: one figure for each time it was measured."""
    operations = {}
    for one in measured:
        for operation in one["operations"]:
            costs = operations.setdefault(operation["name"], {})
            for configuration in ["none", *GATED]:
                if configuration in operation["costs"]:
                    costs.setdefault(configuration, []).append(operation["costs"][configuration]["caller"])
    return operations


def gate(expected, measured):
    failed = 0
    for name, costs in callers(measured).items():
        if name not in expected["operations"]:
            sys.exit(f"report.py: nothing is expected of '{name}': measure anew and accept the figures")
        wanted = expected["operations"][name]
        for configuration in GATED:
            if configuration not in costs:
                continue
            # A newer kernel of the series may need more by itself: only what is added counts.
            by_itself = costs.get("none", [0] * len(measured))
            total = min(cost - none for cost, none in zip(costs[configuration], by_itself)) + wanted.get("none", 0)
            share = total / wanted[configuration]
            failed += share > MOST
            print(
                f"{'FAILED' if share > MOST else 'passed'} {name}, {configuration}: "
                f"{number(total)} instructions, {number(wanted[configuration])} expected ({share - 1:+.1%})"
            )
    if failed:
        print(f"\n{failed} cost over {MOST - 1:.0%} more than expected. If that is meant: ./dev bench --accept")
    return failed


def accept(path, measured):
    operations = {
        name: {configuration: max(figures) for configuration, figures in costs.items()}
        for name, costs in callers(measured).items()
    }
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"kernel": measured[0]["kernel"], "operations": operations}, file, indent=2)
        file.write("\n")


def main(arguments):
    if len(arguments) >= 2 and arguments[0] == "table":
        for path in arguments[1:]:
            table(read(path))
        return 0
    if len(arguments) >= 3 and arguments[0] == "gate":
        return 1 if gate(read(arguments[1]), [read(path) for path in arguments[2:]]) else 0
    if len(arguments) >= 3 and arguments[0] == "accept":
        accept(arguments[1], [read(path) for path in arguments[2:]])
        return 0
    sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
