#!/usr/bin/env python3
"""Runs programs that nobody here wrote without pinwarden, then with it attached and enforcing on other files, and compares.

    ./dev vm KERNEL -- tests/vm/programs/run.py [--short] [--turns N] [--only NAME]... [--planted]

A program must not come to anything with pinwarden that it does not come to without. What differs is run without it some times
more before it counts: some programs are not steady by themselves. --planted shows that the test can fail: the policies are
then about the programs' files, too. The status is 0 only if nothing differs, everything that a policy forbids was stopped
meanwhile, and in the end nothing is pinned, with the kernel's pin counts saying so as well.
"""
import argparse
import os
import pathlib
import shutil
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'support'))

from guest import Conflicts, Daemon, end_with, metric_sum, script  # noqa: E402
import programs  # noqa: E402

PLACE = pathlib.Path('/mnt/programs')
TURNS_AGAIN = 5
PLANTED = '''
name: programs-denied
mode: enforce
match: {operations: [truncate, punch_hole], file: {path_prefixes: [/run/programs]}}
action: {deny: {errno: EBUSY}}
'''


class Outcomes:
    """Of one program: what each thing that it reports came to, in all of its runs."""

    def __init__(self):
        self.seen = {}
        self.runs = 0
        self.seconds = 0

    def add(self, run):
        folder = PLACE / 'run'
        folder.mkdir()
        began = time.monotonic()
        found = run(folder)
        self.seconds += time.monotonic() - began
        shutil.rmtree(folder)
        self.runs += 1
        for name, outcome in found.items():
            self.seen.setdefault(name, set()).add(outcome)
        # One that was reported in some runs only.
        for name, outcomes in self.seen.items():
            if name not in found:
                outcomes.add('not reported')

    def new(self, other):
        """What came to something that it did not come to in the other's runs."""
        return {name: outcomes - other.seen.get(name, {'not reported'}) for name, outcomes in self.seen.items()
                if not outcomes <= other.seen.get(name, {'not reported'})} | {
                    name: {'not reported'} for name, outcomes in other.seen.items()
                    if name not in self.seen and 'not reported' not in outcomes}

    def unsteady(self):
        return [name for name, outcomes in self.seen.items() if len(outcomes) > 1]

    def text(self):
        """How many came to what, of those that report many things, or all of it."""
        if len(self.seen) < 8:
            return '; '.join(f'{name}: {" or ".join(sorted(outcomes))}' for name, outcomes in self.seen.items())
        counts = {}
        for outcomes in self.seen.values():
            outcome = ' or '.join(sorted(outcomes))
            counts[outcome] = counts.get(outcome, 0) + 1
        return ', '.join(f'{count} {outcome}' for outcome, count in sorted(counts.items(), key=lambda one: -one[1]))


def pinned_calls(daemon):
    return metric_sum(daemon.metrics(), r'pinwarden_pins_acquired_total\{.*\}')


def compare(chosen, turns, planted):
    before = {name: Outcomes() for name in chosen}
    after = {name: Outcomes() for name in chosen}
    pins = {}
    for name, run in chosen.items():
        for _ in range(turns):
            before[name].add(run)
        print(f'without  {name} ({before[name].seconds:.0f} s): {before[name].text()}', flush=True)

    daemon = Daemon('/run/daemon')
    conflicts = Conflicts(daemon, '/run/others', pause=0.1)
    if planted:
        daemon.asked('policy', 'apply', '-', text=PLANTED)
    try:
        for name, run in chosen.items():
            seen, refused = pinned_calls(daemon), sum(conflicts.counts.values())
            for _ in range(turns):
                after[name].add(run)
            pins[name] = pinned_calls(daemon) - seen
            refused = sum(conflicts.counts.values()) - refused
            print(f'with     {name} ({after[name].seconds:.0f} s): {after[name].text()}; {pins[name]:.0f} pins seen, '
                  f'{refused} truncates and holes in other files stopped', flush=True)
        losses = metric_sum(daemon.metrics(), r'pinwarden_events_lost_total\{.*\}')
    finally:
        conflicts.end()
    daemon.expect_at_rest()
    daemon.stop()

    wrong = list(conflicts.wrong)
    for what, count in conflicts.counts.items():
        if not count:
            wrong.append(f'{what}: never')
    for name, run in chosen.items():
        again = 0
        while after[name].new(before[name]) and again < TURNS_AGAIN:
            before[name].add(run)
            again += 1
        unsteady = f' (not steady by themselves: {", ".join(before[name].unsteady())})' if before[name].unsteady() else ''
        new = after[name].new(before[name])
        for thing, outcomes in new.items():
            wrong.append(f'{name}: {thing}: {" or ".join(outcomes)} with pinwarden, never in {before[name].runs} runs without')
        print(f'{"DIFFERS" if new else "same":8} {name}: {len(before[name].seen)} things, {before[name].runs} runs without, '
              f'{after[name].runs} with{unsteady}', flush=True)
    if not sum(pins.values()):
        wrong.append('pinwarden saw none of the programs\' pins')
    print(f'stopped meanwhile: {conflicts.counts}; {losses:.0f} events lost, the ledger is certain, nothing is pinned')
    return wrong


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument('--short', action='store_true', help='few and little, for every day')
    arguments.add_argument('--turns', type=int, help='how often each program runs, each way')
    arguments.add_argument('--only', action='append', help='only programs whose names begin like this')
    arguments.add_argument('--planted', action='store_true', help='with a difference that must be found')
    chosen = arguments.parse_args()
    table = programs.SHORT if chosen.short else programs.LONG
    table = {name: run for name, run in table.items() if not chosen.only or name.startswith(tuple(chosen.only))}
    if not table:
        arguments.error('no such program')
    os.environ['LC_ALL'] = 'C'
    script('make-rdma.sh')
    script('make-loopfs.sh', 'ext4', str(PLACE), '1G')
    end_with(lambda: compare(table, chosen.turns or (1 if chosen.short else 2), chosen.planted))


main()
