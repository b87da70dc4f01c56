"""What tests in a guest that are scripts share: a daemon, processes that pin, and others that run into them.

Needs: ./dev vm KERNEL -- ..., which has the built programs in PATH.
"""
import contextlib
import ctypes
import errno
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request

SCRIPTS = pathlib.Path(__file__).resolve().parent.parent
FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE = 1, 2
LIBC = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    pass


def eventually(what, seconds, ask):
    """What `ask` returns as soon as that is true."""
    end = time.monotonic() + seconds
    while True:
        found = ask()
        if found:
            return found
        if time.monotonic() > end:
            raise Failed(f'{what}: not so after {seconds} s')
        time.sleep(0.1)


def end_with(find):
    """Ends the program by what `find` says is wrong, or fails with."""
    try:
        wrong = find()
    except Failed as failure:
        wrong = [str(failure)]
    for one in wrong:
        print(f'NOT SO: {one}')
    sys.exit(1 if wrong else 0)


def run(*command):
    """What it prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f'{" ".join(command)}: status {done.returncode}: {done.stdout}{done.stderr}')
    return done.stdout


def script(name, *arguments):
    return run('bash', str(SCRIPTS / name), *arguments).strip()


def mount_tmpfs(folder):
    os.makedirs(folder)
    run('mount', '-t', 'tmpfs', 'tmpfs', folder)


class Daemon:
    START = 120  # seconds; an emulated machine is slow

    def __init__(self, folder, *options):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.socket = str(self.folder / 'run/operator.sock')
        command = ['pinwardend', '--socket', self.socket, '--audit-log', str(self.folder / 'audit.log'),
                   '--state-dir', str(self.folder / 'state'), *options]
        with open(self.folder / 'messages', 'w', encoding='utf-8') as messages:
            self.process = subprocess.Popen(command, stderr=messages)
        eventually('pinwardend is ready', self.START, self.ready)

    def messages(self):
        return (self.folder / 'messages').read_text(encoding='utf-8')

    def ready(self):
        if self.process.poll() is not None:
            raise Failed(f'pinwardend did not start: {self.messages()}')
        return 'pinwardend ready' in self.messages()

    def pinctl(self, *words, text=None):
        return subprocess.run(['pinctl', '--socket', self.socket, *words], input=text, capture_output=True, text=True, check=False)

    def asked(self, *words, text=None):
        """What pinctl answers; it must not fail."""
        done = self.pinctl(*words, text=text)
        if done.returncode:
            raise Failed(f'pinctl {" ".join(words)}: status {done.returncode}: {done.stdout}{done.stderr}')
        return done.stdout

    def status(self):
        return json.loads(self.asked('--json', 'status'))

    def metrics(self):
        """By name and labels, as they are written."""
        with urllib.request.urlopen('http://127.0.0.1:9877/metrics', timeout=60) as page:
            lines = page.read().decode().splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(' ') for line in lines if not line.startswith('#'))}

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(timeout=self.START):
            raise Failed(f'pinwardend ended with status {self.process.returncode}: {self.messages()}')

    def expect_at_rest(self):
        """Nothing is pinned, the ledger is certain, and the kernel says the same."""
        eventually('nothing is pinned any more', 60, lambda: not int(self.status().get('pins', 0)))
        eventually('the ledger is certain', 60, lambda: self.status().get('ledger_certain'))
        self.asked('audit')


class Pinner:
    """The program of that name: see pinner/main.cpp."""

    def __init__(self):
        self.process = subprocess.Popen(['pinner'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def ask(self, line):
        self.process.stdin.write(line + '\n')
        answer = self.process.stdout.readline()
        if not answer.startswith('ok'):
            raise Failed(f'pinner: {line}: {answer or "it is gone"}')
        return answer[2:].strip()

    def end(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)


def outcome(call):
    """The name of the errno that it fails with, or 'ok'."""
    try:
        call()
    except OSError as error:
        return errno.errorcode[error.errno]
    return 'ok'


def punch(path, offset, length):
    with open(path, 'r+b') as file:
        mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
        if LIBC.fallocate(file.fileno(), mode, ctypes.c_long(offset), ctypes.c_long(length)):
            raise OSError(ctypes.get_errno(), path)


class Conflicts:
    """Files that are pinned, and a thread that truncates and punches one and has another process held at the other.

    Every one of these must fail as the policies say. Whatever else happened is kept in `wrong`.
    """
    SIZE = 65536
    POLICIES = '''
name: others-denied
mode: enforce
match: {{operations: [truncate, punch_hole], file: {{path_prefixes: [{denied}]}}}}
action: {{deny: {{errno: EBUSY}}}}
---
name: others-held
mode: enforce
match: {{operations: [truncate], file: {{path_prefixes: [{held}]}}}}
action: {{hold: {{timeout: 500ms, on_timeout: deny, errno: EPERM}}}}
'''

    def __init__(self, daemon, folder, pause):
        mount_tmpfs(folder)
        self.denied, self.held = f'{folder}/denied', f'{folder}/held'
        self.pause = pause
        self.counts = {'denied': 0, 'punch denied': 0, 'held': 0}
        self.wrong = []
        self.stopping = threading.Event()
        self.pinners = [self.pinned(self.denied, 'rdma rw'), self.pinned(self.held, 'uring')]
        daemon.asked('policy', 'apply', '-', text=self.POLICIES.format(denied=self.denied, held=self.held))
        self.thread = threading.Thread(target=self.collide)
        self.thread.start()

    def pinned(self, path, device):
        pinner = Pinner()
        pinner.ask(f'file {path} {self.SIZE}')
        pinner.ask(f'pin {device}')
        return pinner

    def count(self, what, wanted, seen):
        if seen == wanted:
            self.counts[what] += 1
        else:
            self.wrong.append(f'{what}: {seen}')

    def collide(self):
        try:
            while not self.stopping.is_set():
                for _ in range(4):
                    self.count('denied', 'EBUSY', outcome(lambda: os.truncate(self.denied, 0)))
                    self.count('punch denied', 'EBUSY', outcome(lambda: punch(self.denied, 0, 4096)))
                    # Not to wait for something: how much of the machine this takes.
                    self.stopping.wait(self.pause)
                said = run('caller', 'truncate', self.held, '0')
                self.count('held', 'EPERM', said.split()[1])
        except Exception as error:  # whatever it is, a thread that is gone must not look like one that was content
            self.wrong.append(repr(error))

    def end(self):
        self.stopping.set()
        self.thread.join()
        for pinner in self.pinners:
            with contextlib.suppress(OSError):
                pinner.end()


def metric_sum(metrics, pattern):
    """Of all series that the pattern matches whole."""
    return sum(value for name, value in metrics.items() if re.fullmatch(pattern, name))
