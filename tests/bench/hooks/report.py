#!/usr/bin/env python3
"""What pinwarden_hook_bench measured, as tables, or beside the figures that are committed.

  report.py table FILE...             prints a table for each kernel, in Markdown
  report.py gate MEASURED EXPECTED    fails when an operation costs over 3 % more than it is expected to
  report.py accept MEASURED EXPECTED  makes what was measured the figures that are expected
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


def gate(measured, expected):
    failed = 0
    for operation in measured["operations"]:
        name = operation["name"]
        if name not in expected["operations"]:
            sys.exit(f"report.py: nothing is expected of '{name}': measure anew and accept the figures")
        costs = {c: v["caller"] for c, v in operation["costs"].items()}
        wanted = expected["operations"][name]
        for configuration in GATED:
            if configuration not in costs:
                continue
            # A newer kernel of the series may need more by itself: only what is added counts.
            total = costs[configuration]
            if "none" in costs:
                total += wanted["none"] - costs["none"]
            share = total / wanted[configuration]
            failed += share > MOST
            print(
                f"{'FAILED' if share > MOST else 'passed'} {name}, {configuration}: "
                f"{number(total)} instructions, {number(wanted[configuration])} expected ({share - 1:+.1%})"
            )
    if failed:
        print(f"\n{failed} cost over {MOST - 1:.0%} more than expected. If that is meant: ./dev bench --accept")
    return failed


def accept(measured, path):
    operations = {}
    for operation in measured["operations"]:
        kept = ["none", *GATED]
        operations[operation["name"]] = {c: v["caller"] for c, v in operation["costs"].items() if c in kept}
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"kernel": measured["kernel"], "operations": operations}, file, indent=2)
        file.write("\n")


def main(arguments):
    if len(arguments) >= 2 and arguments[0] == "table":
        for path in arguments[1:]:
            table(read(path))
        return 0
    if len(arguments) == 3 and arguments[0] == "gate":
        return 1 if gate(read(arguments[1]), read(arguments[2])) else 0
    if len(arguments) == 3 and arguments[0] == "accept":
        accept(read(arguments[1]), arguments[2])
        return 0
    sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
