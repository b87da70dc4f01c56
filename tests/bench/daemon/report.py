#!/usr/bin/env python3
"""What pinwarden_daemon_bench measured.

  report.py table FILE IDLE   prints it, in Markdown; fails when events were lost that must not be, or the ledger is
                              uncertain; IDLE is what was measured where an instruction takes a nanosecond
"""
import json
import sys

MIB = 1 << 20
# Events a second at which nothing may be lost. Others are tried where the machine is too slow for one of these.
PROMISED = [10_000, 100_000]
# Less is the pace of another machine.
REACHED = 0.98


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError) as error:
        sys.exit(f"report.py: cannot read {path}: {error}")


def time(seconds):
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1e3:.2f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f} µs"


def spread(measured):
    return f"{time(measured['median'])}, at worst {time(measured['worst'])}"


def mib(size):
    return f"{size / MIB:.1f} MiB"


def resident(memory):
    parts = ("heap", "maps", "libraries", "program")
    made_of = ", ".join(f"{part} {memory[part] / MIB:.1f}" for part in parts)
    return f"{mib(memory['resident'])} ({made_of})"


def idle_rows(idle, where):
    yield f"processor time, nothing to do{where}", f"{idle['share']:.3%} of one processor", "under 0.1 %" if where else ""
    yield "the same of its guardian", f"{idle['guardian_share']:.3%}", ""


def rows(measured, exactly):
    if "start" in measured:
        yield "start, to all hooks attached and the API answering", spread(measured["start"]), ""
    yield from idle_rows(exactly["idle"], ", an instruction in a nanosecond")
    if "idle" in measured:
        yield from idle_rows(measured["idle"], "")
    for load in measured.get("loads", []):
        asked = f"{load['wanted']:,} events/s"
        if not reached(load):
            asked += f" asked for, {load['reached']:,.0f} reached"
        used = f"{load['share']:.1%} of one processor, {load['nanoseconds'] / 1e3:.1f} µs for each"
        yield f"processor time at {asked}", used, ""
        yield f"events lost at {asked}", f"{load['lost']:,} of {load['events']:,}", "0" if load["wanted"] in PROMISED else ""
        yield "how far behind the daemon was at the end of it", time(load["behind"]), ""
    if "memory" in measured:
        memory = measured["memory"]
        yield "resident, nothing pinned", resident(memory["empty"]), "at most 40 MiB"
        yield "the same, pages shared with other processes by their parts", mib(memory["empty"]["proportional"]), ""
        yield "the kernel's memory for the daemon's BPF maps and programs", mib(memory["empty"]["kernel"]), ""
        yield "the same of its guardian, by parts", mib(memory["guardian"]["proportional"]), ""
    if "full" in measured.get("memory", {}):
        more = memory["full"]["resident"] - memory["empty"]["resident"]
        yield f"resident, {memory['extents']:,} extents", resident(memory["full"]), ""
        yield "more than empty, for each extent", f"{more / memory['extents']:.0f} bytes", ""
        yield "resident, all let go again and given back", resident(memory["after"]), ""
    if "gone" in measured:
        yield "held truncate: from the release of the last pin until it returns", spread(measured["gone"]), ""
    if "resolved" in measured and measured["resolved"]["count"]:
        yield "truncate held until a new pin is known, all of it", spread(measured["resolved"]), ""


def reached(load):
    return load["reached"] >= load["wanted"] * REACHED


def table(measured, exactly):
    processors = "emulated processors" if measured["emulated"] else "hardware virtualisation"
    print(f"### Linux {measured['kernel']}, {processors}\n")
    print("| | measured | must be |")
    print("|---|---|---|")
    for name, value, must in rows(measured, exactly):
        print(f"| {name} | {value} | {must} |")


def faults(measured):
    """On emulated processors a rate that is not reached, and others than those promised, say nothing about the daemon."""
    for load in measured.get("loads", []):
        counts = not measured["emulated"] or (load["wanted"] in PROMISED and reached(load))
        if load["lost"] and counts:
            yield f"{load['lost']} events were lost at {load['reached']:.0f} a second"
        elif load["seen"] < load["events"] and not load["lost"]:
            yield f"{load['events'] - load['seen']} events went unseen and were not counted as lost"
    if measured["lost"] > sum(load["lost"] for load in measured.get("loads", [])):
        yield "events were lost besides those under load"
    if not measured["certain"]:
        yield "the ledger was uncertain at the end"


def main(arguments):
    if len(arguments) != 3 or arguments[0] != "table":
        sys.exit(__doc__)
    measured, exactly = read(arguments[1]), read(arguments[2])
    table(measured, exactly)
    found = [*faults(measured), *faults(exactly)]
    for fault in found:
        print(f"report.py: {fault}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
