"""Programs that nobody here wrote, and what each of their runs came to: names and outcomes that do not depend on time.

Each function runs one in an empty folder of its own and answers with a dictionary.
"""
import gzip
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

from guest import Failed, Pinner, eventually

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
LIBURING = REPOSITORY / '.cache/liburing'
RDMA_TESTS = pathlib.Path('/usr/share/doc/rdma-core/tests')
ADDRESS = '10.9.9.1'  # of make-rdma.sh
PATIENCE = 900  # seconds for one program


def start(command, folder, said):
    """In a session of its own; what it says goes to that file."""
    with open(folder / said, 'w', encoding='utf-8') as file:
        return subprocess.Popen([str(word) for word in command], cwd=folder, stdin=subprocess.DEVNULL, stdout=file,
                                stderr=subprocess.STDOUT, start_new_session=True)


def finish(process, patience=PATIENCE):
    """How it ended. Nothing that it started stays."""
    try:
        status = process.wait(timeout=patience)
        ended = f'status {status}' if status >= 0 else signal.Signals(-status).name
    except subprocess.TimeoutExpired:
        ended = 'timed out'
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    return ended


def said(folder, name):
    return (folder / name).read_text(encoding='utf-8', errors='replace')


def call(command, folder, name, patience=PATIENCE):
    return finish(start(command, folder, name), patience)


def fio(*options):
    def run(folder):
        common = ['--output=report', '--output-format=json', '--allow_file_create=1', '--randseed=1', '--verify=crc32c',
                  '--verify_fatal=1', f'--directory={folder}']
        found = {'ends with': call(['fio', *common, *options], folder, 'said')}
        report = said(folder, 'report') if (folder / 'report').exists() else ''
        # Warnings may stand before it.
        jobs = json.loads(report[report.index('{\n'):])['jobs'] if '{\n' in report else []
        for job in jobs:
            found[job['jobname']] = ', '.join(
                [f'error {job["error"]}', *(f'{way} {job[way]["total_ios"]} of which short {job[way]["short_ios"]}, '
                                            f'dropped {job[way]["drop_ios"]}' for way in ('read', 'write'))])
        return found
    return run


def listening(port):
    wanted = f':{port:04X}'
    for table in ('/proc/net/tcp', '/proc/net/tcp6'):
        for line in pathlib.Path(table).read_text(encoding='ascii').splitlines()[1:]:
            _, local, _, state = line.split()[:4]
            if local.endswith(wanted) and state == '0A':
                return True
    return False


def perftest(program, *options, port=18515):
    def run(folder):
        command = [program, '-d', 'rxe0', '-F', '-p', port, *options]
        server = start(command, folder, 'server')
        try:
            eventually(f'{program} waits for its client', 60, lambda: listening(port) or server.poll() is not None)
            client = call([*command, ADDRESS], folder, 'client', 300)
        finally:
            ended = finish(server, 60)
        rows = re.findall(r'^ (\d+) +(\d+) +\d+\.', said(folder, 'client'), re.MULTILINE)
        return {'client ends with': client, 'server ends with': ended,
                'bytes and iterations': ', '.join(' '.join(row) for row in rows) or 'none'}
    return run


def stress_ng(stressors, *options):
    """Stressors, one after the other, with the number of operations after which each ends."""
    def run(folder):
        found = {}
        for name, operations in stressors.items():
            report = folder / f'{name}.yaml'
            command = ['stress-ng', f'--{name}', 1, f'--{name}-ops', operations, '--verify', '--metrics', '--yaml', report,
                       '--timeout', PATIENCE, '--temp-path', folder, *options]
            ended = call(command, folder, name)
            done = re.search(r'bogo-ops: (\d+)', report.read_text(encoding='utf-8') if report.exists() else '')
            count = int(done[1]) if done else 0
            complaints = len(re.findall(r'^stress-ng: (?:fail|error):', said(folder, name), re.MULTILINE))
            # Some count a little beyond their limit.
            found[name] = f'{ended}, {"all" if count >= operations else count} operations, {complaints} complaints'
        return found
    return run


UNITTEST = re.compile(r'^(\w+) \(([\w.]+)\)(?:\n[^\n]*?)?? \.\.\. (?:.*?\n?)?(ok|skipped|FAIL|ERROR|expected failure)\b', re.MULTILINE)


def rdma_core(*tests):
    """Of rdma-core's own tests, these, or all."""
    def run(folder):
        target = folder / 'tests'
        shutil.copytree(RDMA_TESTS, target)
        for packed in target.glob('*.py.gz'):
            packed.with_suffix('').write_bytes(gzip.decompress(packed.read_bytes()))
        ended = call(['python3', 'tests/run_tests.py', '--verbose', '--dev', 'rxe0', *tests], folder, 'said')
        text = said(folder, 'said')
        found = {test: result for _, test, result in UNITTEST.findall(text)}
        number = re.search(r'^Ran (\d+) tests?', text, re.MULTILINE)
        if not number or int(number[1]) != len(found):
            raise Failed(f'rdma-core: {len(found)} results are understood, of what it says:\n{text[-2000:]}')
        found['ends with'] = ended
        return found
    return run


# What these come to depends on how fast the machine is, or they take minutes on one that is emulated.
SLOW = {'fdinfo-sqpoll', 'futex', 'io-wq-unused-exit', 'link_drain', 'min-timeout', 'min-timeout-wait', 'mshot-shutdown-race',
        'multicqes_drain', 'pipe-bug', 'poll-many', 'poll-mshot-update'}


def liburing(folder):
    if not (LIBURING / 'test').is_dir():
        raise Failed("liburing's tests are not there: tests/vm/programs/liburing.sh fetches and builds them")
    found = {}
    for test in sorted((LIBURING / 'test').glob('*.t')):
        if test.stem in SLOW:
            continue
        place = folder / test.stem
        place.mkdir()
        ended = call([test], place, 'said', 120)
        found[test.stem] = {'status 0': 'ok', 'status 77': 'skipped'}.get(ended, ended)
        shutil.rmtree(place)
    return found


def cut(folder):
    """truncate and fallocate on a file that somebody has pinned, and that no policy is about."""
    pinner = Pinner()
    # In memory: from 6.5 on nothing else can be pinned for writing.
    file = f'/run/programs/{time.monotonic_ns()}'
    os.makedirs('/run/programs', exist_ok=True)
    pinner.ask(f'file {file} 65536')
    pinner.ask('pin rdma rw')
    pinner.ask('pin uring')
    try:
        return {' '.join(command): call([*command, file], folder, 'said')
                for command in (['fallocate', '-p', '-o', '0', '-l', '8192'], ['truncate', '-s', '16384'], ['truncate', '-s', '65536'],
                                ['cp', '/etc/hostname'])}
    finally:
        pinner.end()
        os.unlink(file)


URING = ('--ioengine=io_uring', '--fixedbufs=1', '--registerfiles=1', '--direct=1', '--iodepth=8')
SHORT = {
    'truncate, fallocate, cp': cut,
    'fio, io_uring': fio('--name=fixed', *URING, '--rw=randrw', '--bs=16k', '--size=4m'),
    'ib_write_bw': perftest('ib_write_bw', '-n', 50, '-s', 65536),
    'ib_read_lat': perftest('ib_read_lat', '-n', 50),
    'ib_send_bw': perftest('ib_send_bw', '-n', 50, '-s', 65536),
    'stress-ng': stress_ng({'io-uring': 2, 'memfd': 2, 'fallocate': 1, 'mmap': 1, 'vm-splice': 500}, '--memfd-bytes', '4m',
                           '--fallocate-bytes', '4m', '--mmap-bytes', '4m'),
    'rdma-core tests': rdma_core('tests.test_mr'),
}
LONG = {
    'truncate, fallocate, cp': cut,
    'fio, io_uring': fio('--name=fixed', *URING, '--rw=randrw', '--bs=16k', '--size=64m'),
    'fio, io_uring, processes': fio('--name=four', *URING, '--rw=randwrite', '--bs=4k', '--size=8m', '--numjobs=4', '--group_reporting=0'),
    'fio, io_uring, threads': fio('--name=threads', *URING, '--thread', '--rw=rw', '--bs=64k', '--size=16m', '--numjobs=2'),
    'fio, io_uring, buffered': fio('--name=cached', *URING, '--direct=0', '--rw=randrw', '--bs=8k', '--size=32m'),
    'fio, io_uring, polling thread': fio('--name=polled', *URING, '--sqthread_poll=1', '--rw=randrw', '--bs=16k', '--size=16m'),
    'fio, libaio': fio('--name=aio', '--ioengine=libaio', '--direct=1', '--iodepth=8', '--rw=randrw', '--bs=16k', '--size=32m'),
    'fio, mmap': fio('--name=mapped', '--ioengine=mmap', '--rw=randrw', '--bs=4k', '--size=16m'),
    'ib_write_bw': perftest('ib_write_bw', '-n', 500, '-s', 65536),
    'ib_write_bw, all sizes': perftest('ib_write_bw', '-n', 10, '-a'),
    'ib_write_lat': perftest('ib_write_lat', '-n', 500),
    'ib_read_bw': perftest('ib_read_bw', '-n', 500, '-s', 65536),
    'ib_read_lat': perftest('ib_read_lat', '-n', 500),
    'ib_send_bw': perftest('ib_send_bw', '-n', 500, '-s', 65536),
    'ib_send_lat': perftest('ib_send_lat', '-n', 500),
    'ib_atomic_lat': perftest('ib_atomic_lat', '-n', 500),
    'stress-ng': stress_ng({'io-uring': 20, 'memfd': 20, 'fallocate': 10, 'mmap': 10, 'vm-splice': 50000, 'aio': 200, 'hdd': 200,
                            'mlock': 200, 'shm': 10, 'userfaultfd': 1000}, '--memfd-bytes', '16m', '--fallocate-bytes', '16m',
                           '--mmap-bytes', '16m', '--hdd-bytes', '16m', '--hdd-opts', 'direct'),
    'rdma-core tests': rdma_core(),
    'liburing tests': liburing,
}
