#!/usr/bin/env python3
"""Keeps a daemon under mixed load and looks whether anything of it grows.

    ./dev vm KERNEL -- tests/vm/soak/soak.py [--seconds 1800] [--planted]

The load is steady: processes that come, pin fresh files and other memory through io_uring and RDMA, let go or are killed;
truncates and holes that are denied, callers that are held; policies that come and go; subscribers, one of which never
reads; scrapes and listings. What the daemon takes is sampled all the time. The first quarter of the samples is dropped: caches
and histories fill until then. Of the rest, the median of the last third may exceed that of the first third by what BOUNDS says,
and no more. What a daemon with nothing to do has is counted exactly: before the load and after it.

The table is printed, and all samples are kept in build/soak/KERNEL.json. --planted shows that the test can fail: subscribers
come and never go.
"""
import argparse
import contextlib
import json
import os
import pathlib
import random
import signal
import statistics
import subprocess
import sys
import threading
import time
import urllib.request

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(REPOSITORY / 'tests/vm/support'))

from guest import Conflicts, Daemon, Failed, Pinner, end_with, eventually, metric_sum, mount_tmpfs, run, script  # noqa: E402

WARM_UP = 1 / 4
SAMPLES = 16  # at least, however slow the machine is
# What the median may grow by: a part of itself, so much besides, and so much for each new file that was pinned between the
# two: the daemon remembers the names of the last 65536 files that were (daemon/ledger/file_table.h). Half of the run lies
# between the two medians.
BOUNDS = {
    'resident KiB': (0.02, 1024, 2),  # 2 % are what malloc moves about
    'anonymous KiB': (0.02, 1024, 2),
    'descriptors': (0, 6, 0),         # connections of those who happen to ask at that moment
    'threads': (0, 3, 0),             # gRPC and the HTTP server keep some for those
    'BPF maps': (0, 0, 0),
    'BPF map KiB': (0.02, 64, 0),
    'BPF programs': (0, 2, 0),        # a hook comes with the first pin or policy that needs it
    'BPF links': (0, 2, 0),
    'files in bpffs': (0, 2, 0),
    'table entries': (0, 32, 1),      # owners and holds that happen to be
    'pins': (0.5, 16, 0),
    'reader lag ms': (1, 500, 0),     # the most in half a minute: of a machine that others use, too
    'ring used KiB': (1, 64, 0),
}
# A run shorter than that ends before all histories are full: it finds what grows by far more than they do.
LONG = 900  # seconds
SHORT_BESIDES = {'resident KiB': 6144, 'anonymous KiB': 6144}
# What may be left at rest besides: pollers and the like, which come with the first that need them.
LEFT = {'descriptors': 3}


class Load:
    """Threads, each doing one thing over and over until `stop`; what failed is in `wrong`."""

    QUESTIONS = ('pins', 'pins --by driver', 'leaks', 'conflicts', 'holds', 'failures', 'audit-log', 'policy list', 'status')

    def __init__(self, daemon, planted):
        self.daemon = daemon
        self.stopping = threading.Event()
        self.wrong = []
        self.counts = {}
        self.watchers = []
        self.planted = planted
        mount_tmpfs('/run/soak')
        self.conflicts = Conflicts(daemon, '/run/others', pause=0.1)
        # One reads what it is told, one does not.
        self.watch(subprocess.DEVNULL)
        self.watch(subprocess.PIPE)
        self.threads = [threading.Thread(target=self.repeat, args=(what,))
                        for what in (self.pin_and_let_go, self.pin_and_let_go, self.change_policies, self.look)]
        for thread in self.threads:
            thread.start()

    def repeat(self, what):
        try:
            while not self.stopping.is_set():
                what()
        except Exception as error:  # a thread that is gone must not look like one that was content
            self.wrong.append(f'{what.__name__}: {error!r}')

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    def pause(self, seconds):
        """Not to wait for something: how much of the machine this takes."""
        self.stopping.wait(seconds)

    def watch(self, output, *options):
        self.watchers.append(subprocess.Popen(['pinctl', '--socket', self.daemon.socket, '--json', 'watch', *options], stdout=output))

    def pin_and_let_go(self):
        pinner = Pinner()
        for _ in range(random.randint(1, 12)):
            size = 4096 * random.choice((1, 4, 16, 64, 256))
            path = f'/run/soak/{random.getrandbits(48):x}'
            memory = random.choice((f'file {path} {size}', f'anon {size}', f'memfd soak {size}'))
            pinner.ask(memory)
            if not memory.startswith('anon'):
                self.count('new files')
            for _ in range(random.randint(1, 3)):
                pinner.ask('pin ' + random.choice(('rdma rw', 'uring')))
                self.count('pins')
            self.pause(random.random() / 5)
            if random.random() < 0.2:
                break
            pinner.ask('release all')
            if os.path.exists(path):
                os.truncate(path, 0)
                os.unlink(path)
        self.count('processes')
        if random.random() < 0.3:
            pinner.process.kill()
            pinner.process.wait()
            self.count('killed')
        else:
            pinner.end()

    def change_policies(self):
        name = f'passing-{random.getrandbits(32):x}'
        action = random.choice(('deny: {errno: EPERM}', 'hold: {timeout: 200ms}', 'notify: {}'))
        self.daemon.asked('policy', 'apply', '-', text=f'''
name: {name}
mode: {random.choice(('monitor', 'enforce'))}
match: {{operations: [truncate], file: {{path_prefixes: [/run/passing/{name}]}}}}
action: {{{action}}}
''')
        self.pause(1)
        self.daemon.asked('policy', 'mode', name, 'off')
        self.pause(1)
        self.daemon.asked('policy', 'delete', name)
        self.count('policies')
        self.pause(1)

    def look(self):
        for address in ('metrics', ''):
            with urllib.request.urlopen(f'http://127.0.0.1:9877/{address}', timeout=60) as page:
                page.read()
            self.count('scrapes')
        self.daemon.asked('--json', *random.choice(self.QUESTIONS).split())
        self.count('listings')
        if random.random() < 0.2:
            # A subscriber that stays for a moment.
            self.daemon.asked('watch', '--count', '5')
            self.count('subscribers')
        if self.planted:
            for _ in range(4):
                self.watch(subprocess.DEVNULL, '--kind', 'leak')
        self.pause(1)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        self.conflicts.end()
        for watcher in self.watchers:
            watcher.send_signal(signal.SIGKILL)
            watcher.wait()
        self.wrong += self.conflicts.wrong
        self.counts |= self.conflicts.counts


def sample(daemon):
    process = pathlib.Path(f'/proc/{daemon.process.pid}')
    of_process = dict(line.split(':', 1) for line in (process / 'status').read_text(encoding='utf-8').splitlines())
    kinds = {'anon_inode:bpf-map': 0, 'anon_inode:bpf-prog': 0, 'anon_inode:bpf_link': 0}
    descriptors = list((process / 'fd').iterdir())
    map_bytes = 0
    for descriptor in descriptors:
        try:
            kind = os.readlink(descriptor)
            kinds[kind] = kinds.get(kind, 0) + 1
            if kind == 'anon_inode:bpf-map':
                for line in (process / 'fdinfo' / descriptor.name).read_text(encoding='utf-8').splitlines():
                    if line.startswith('memlock:'):
                        map_bytes += int(line.split()[1])
        except FileNotFoundError:
            pass  # closed meanwhile
    metrics = daemon.metrics()
    return {
        'resident KiB': int(of_process['VmRSS'].split()[0]),
        'anonymous KiB': int(of_process['RssAnon'].split()[0]),
        'descriptors': len(descriptors),
        'threads': int(of_process['Threads']),
        'BPF maps': kinds['anon_inode:bpf-map'],
        'BPF map KiB': map_bytes / 1024,
        'BPF programs': kinds['anon_inode:bpf-prog'],
        'BPF links': kinds['anon_inode:bpf_link'],
        'files in bpffs': sum(path.is_file() for path in pathlib.Path('/sys/fs/bpf').rglob('*')),
        'table entries': metric_sum(metrics, r'pinwarden_table_entries\{.*\}'),
        'pins': metric_sum(metrics, r'pinwarden_pins\{.*\}'),
        'reader lag ms': metrics['pinwarden_reader_lag_seconds'] * 1000,
        'ring used KiB': metrics['pinwarden_ring_used_bytes'] / 1024,
    }


def at_rest(daemon):
    """What must be the same before and after the load; also what the kernel has of the daemon that it has no descriptor for."""
    now = sample(daemon)
    counts = {name: now[name] for name in ('descriptors', 'files in bpffs', 'table entries', 'pins')}
    return counts | {f'BPF {kind}s of all the machine': len(json.loads(run('bpftool', '--json', kind, 'show')))
                     for kind in ('map', 'prog', 'link')}


def judge(samples, seconds):
    """A row for each thing that is sampled: median of the first and the last third, what it may be, whether it is."""
    kept = samples[int(len(samples) * WARM_UP):]
    third = len(kept) // 3

    def medians(name):
        return statistics.median(one[name] for one in kept[:third]), statistics.median(one[name] for one in kept[-third:])

    before, after = medians('new files')
    rows = []
    for name, (part, besides, for_each_file) in BOUNDS.items():
        if seconds < LONG:
            besides = SHORT_BESIDES.get(name, besides)
        first, last = medians(name)
        limit = first * (1 + part) + besides + for_each_file * (after - before)
        rows.append({'what': name, 'first third': first, 'last third': last, 'at most': limit,
                     'highest': max(one[name] for one in kept), 'holds': last <= limit})
    return rows


def show(rows):
    print(f'{"":16}{"first third":>14}{"last third":>14}{"at most":>14}{"highest":>14}')
    for row in rows:
        numbers = ''.join(f'{row[column]:14.1f}' for column in ('first third', 'last third', 'at most', 'highest'))
        print(f'{row["what"]:16}{numbers}{"" if row["holds"] else "  GROWS"}', flush=True)


def soak(seconds, planted):
    daemon = Daemon('/run/daemon', '--leak-after', '5s', '--quiet-after', '0s')
    # Everything that comes with the first pin and the first question is there before what is at rest is counted.
    pinner = Pinner()
    for device in ('uring', 'rdma rw'):
        pinner.ask('anon 4096')
        pinner.ask(f'pin {device}')
    pinner.end()
    daemon.expect_at_rest()
    before = at_rest(daemon)
    interval = max(1, min(10, seconds / 60))
    samples = []
    load = Load(daemon, planted)
    try:
        began = time.monotonic()
        while (time.monotonic() - began < seconds or len(samples) < SAMPLES) and not load.wrong:
            load.pause(interval)
            samples.append({'seconds': time.monotonic() - began, 'new files': load.counts.get('new files', 0)} | sample(daemon))
    finally:
        load.stop()
    # Before the judgement on what grows, which is no news after this.
    if load.wrong:
        raise Failed('; '.join(load.wrong[:5]))
    daemon.asked('policy', 'delete', 'others-denied')
    daemon.asked('policy', 'delete', 'others-held')
    daemon.expect_at_rest()
    rows = judge(samples, seconds)
    print(f'kernel {os.uname().release}, {seconds} s, {len(samples)} samples, every {interval:.0f} s or later')
    print(', '.join(f'{count} {what}' for what, count in load.counts.items()))
    show(rows)
    kept = REPOSITORY / 'build/soak' / f'{".".join(os.uname().release.split(".")[:2])}.json'
    kept.parent.mkdir(exist_ok=True)
    kept.write_text(json.dumps({'kernel': os.uname().release, 'seconds': seconds, 'counts': load.counts, 'before': before,
                                'rows': rows, 'samples': samples}, indent=1), encoding='utf-8')
    wrong = [f'{row["what"]}: from {row["first third"]:.1f} to {row["last third"]:.1f}' for row in rows if not row['holds']]
    def grown():
        left = LEFT | {'table entries': load.counts['new files'] + 2}  # and the two of the conflicts
        return {name: (before[name], count) for name, count in at_rest(daemon).items() if count > before[name] + left.get(name, 0)}
    with contextlib.suppress(Failed):
        eventually('nothing is left of the load', 60, lambda: not grown())
    wrong += [f'{name}: {first:.0f} before the load, {last:.0f} after it' for name, (first, last) in grown().items()]
    print(f'before the load and after it: {before}')
    losses = {name: value for name, value in daemon.metrics().items() if name.startswith('pinwarden_events_lost_total') and value}
    print(f'events lost: {losses or "none"}')
    daemon.stop()
    return wrong


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument('--seconds', type=int, default=1800)
    arguments.add_argument('--planted', action='store_true', help='with growth that must be found')
    chosen = arguments.parse_args()
    script('make-rdma.sh')
    end_with(lambda: soak(chosen.seconds, chosen.planted))


main()
