#!/usr/bin/env python3
"""Plays a node with deploy/kubernetes in a guest: what a kubelet and a runtime do with the manifests, read from them, and a pod
beside it that pins. Needs: ./dev vm KERNEL -- tests/kubernetes/node.py. Not played: the image, seccomp, AppArmor, SELinux.
"""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import yaml

from container import CAPABILITIES

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
BIN = REPOSITORY / 'build/bin'
POD = '0d6f2c3e-58a4-4b1f-9d4e-7a1b2c3d4e5f'
CONTAINER = 'c0ffee' + '0' * 58
SLICE = pathlib.Path('/sys/fs/cgroup/kubepods.slice/kubepods-burstable.slice')
ADDRESS = '10.244.0.2'

passed, failed = 0, 0


def check(what, so, seen=''):
    global passed, failed
    if so:
        passed += 1
    else:
        failed += 1
    print(f'{"ok" if so else "NOT SO"}: {what}' + ('' if so else f'\n  {seen}'), flush=True)


def eventually(what, seconds, ask):
    """What `ask` returns as soon as that is true."""
    end = time.monotonic() + seconds
    while True:
        found = ask()
        if found:
            check(what, True)
            return found
        if time.monotonic() > end:
            check(what, False, f'not after {seconds} s')
            return found
        time.sleep(0.2)


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False)


def manifests():
    found = {}
    for file in sorted((REPOSITORY / 'deploy/kubernetes').glob('*.yaml')):
        for document in yaml.safe_load_all(file.read_text(encoding='utf-8')):
            found[document['kind'], document.get('metadata', {}).get('name')] = document
    return found


class ConfigVolume:
    """As the kubelet keeps it: keys are links through one that is exchanged for another version."""

    def __init__(self, folder, data):
        self.folder, self.version = pathlib.Path(folder), 0
        self.folder.mkdir(parents=True)
        subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', self.folder], check=True)
        self.write(data)

    def write(self, data):
        self.version += 1
        version = self.folder / f'..2026_11_27_{self.version}'
        version.mkdir()
        for key, text in data.items():
            (version / key).write_text(text, encoding='utf-8')
        (self.folder / '..new').symlink_to(version.name)
        os.rename(self.folder / '..new', self.folder / '..data')
        for key in data:
            if not (self.folder / key).is_symlink():
                (self.folder / key).symlink_to(f'..data/{key}')


def make_cgroup(pod, container, memory=None):
    folder = SLICE / f'kubepods-burstable-pod{pod.replace("-", "_")}.slice' / f'cri-containerd-{container}.scope'
    folder.mkdir(parents=True)
    if memory:
        for above in (folder.parents[3], folder.parents[2], folder.parents[1], folder.parents[0]):
            (above / 'cgroup.subtree_control').write_text('+memory', encoding='utf-8')
        (folder / 'memory.max').write_text(memory.replace('Mi', 'M'), encoding='utf-8')
    return folder


def make_network():
    for command in ('ip netns add pod', 'ip link add node type veth peer name eth0 netns pod', 'ip addr add 10.244.0.1/24 dev node',
                    'ip link set node up', f'ip -n pod addr add {ADDRESS}/24 dev eth0', 'ip -n pod link set eth0 up',
                    'ip -n pod link set lo up'):
        subprocess.run(command.split(), check=True)


class Container:
    """The DaemonSet's, on this node."""

    def __init__(self, found):
        pod = found['DaemonSet', 'pinwarden']['spec']['template']['spec']
        self.one = pod['containers'][0]
        self.grace = pod['terminationGracePeriodSeconds']
        volumes = pathlib.Path('/var/lib/kubelet/pods/daemon/volumes')
        self.config = {}
        sources = {}
        for volume in pod['volumes']:
            if 'hostPath' in volume:
                path = volume['hostPath']['path']
                if volume['hostPath']['type'] == 'DirectoryOrCreate':
                    pathlib.Path(path).mkdir(parents=True, exist_ok=True)
                sources[volume['name']] = path
            else:
                name = volume['configMap']['name']
                self.config[name] = ConfigVolume(volumes / name, found['ConfigMap', name]['data'])
                sources[volume['name']] = str(volumes / name)
        security = self.one['securityContext']
        self.spec = {
            'cgroup': str(make_cgroup('11111111-2222-3333-4444-555555555555', 'd' * 64, self.one['resources']['limits']['memory'])),
            'network': 'pod',
            'root': '/run/container-root',
            'mounts': [{'from': sources[one['name']], 'to': one['mountPath'], 'read_only': one.get('readOnly', False),
                        'slave': one.get('mountPropagation') == 'HostToContainer'} for one in self.one['volumeMounts']],
            'capabilities': security['capabilities']['add'],
            'read_only_root': security['readOnlyRootFilesystem'],
            'no_new_privileges': not security['allowPrivilegeEscalation'],
        }
        for program in ('/usr/sbin/pinwardend', '/usr/bin/pinctl'):
            shutil.copy(BIN / os.path.basename(program), program)
        pathlib.Path('/etc/pinwarden').mkdir(exist_ok=True)
        for folder in ('config', 'policies'):
            pathlib.Path('/etc/pinwarden', folder).mkdir(exist_ok=True)
        os.mkdir(self.spec['root'])
        pathlib.Path('/run/container.json').write_text(json.dumps(self.spec), encoding='utf-8')
        self.log = pathlib.Path('/run/container.log')
        self.process = None

    def start(self):
        with self.log.open('w', encoding='utf-8') as log:
            # pylint: disable-next=consider-using-with  # it outlives this
            self.process = subprocess.Popen(
                [sys.executable, HERE / 'container.py', '/run/container.json', '--', *self.one['command'], *self.one['args']],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(self.grace)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return None

    def run(self, *command):
        """As the kubelet runs a probe's command."""
        return run('nsenter', f'--target={self.process.pid}', '--mount', '--net', '--cgroup', f'--root=/proc/{self.process.pid}/root',
                   '--wd=/', *command)

    def probe(self, name):
        probe = self.one[name]
        if 'exec' in probe:
            return self.run(*probe['exec']['command']).returncode == 0
        ports = {port['name']: port['containerPort'] for port in self.one['ports']}
        with contextlib.suppress(OSError, urllib.error.URLError):
            with urllib.request.urlopen(f'http://{ADDRESS}:{ports[probe["httpGet"]["port"]]}{probe["httpGet"]["path"]}',
                                        timeout=probe.get('timeoutSeconds', 30)) as answer:
                return answer.read().decode()
        return ''

    def started(self):
        probe = self.one['startupProbe']
        if not eventually('it passes its startup probe', probe['periodSeconds'] * probe['failureThreshold'],
                          lambda: self.process.poll() is not None or self.probe('startupProbe')):
            return False
        return self.process.poll() is None


class Pinner:
    """A pod that pins a file of the node."""

    def __init__(self):
        folder = make_cgroup(POD, CONTAINER)
        # pylint: disable-next=consider-using-with  # it outlives this
        self.process = subprocess.Popen([BIN / 'pinner'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        (folder / 'cgroup.procs').write_text(str(self.process.pid), encoding='utf-8')

    def ask(self, command):
        print(command, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer.startswith('ok'):
            raise RuntimeError(f'{command}: {answer}')


def pinned(container):
    answer = container.run('/usr/bin/pinctl', 'pins', '--json', '--comm', 'pinner')
    return json.loads(answer.stdout).get('pins', []) if answer.returncode == 0 else []


def denied(path):
    try:
        os.truncate(path, 0)
    except OSError as error:
        return error.errno
    return 0


DENY = '''name: data-of-the-node
mode: enforce
match:
  operations: [truncate]
  file: {path_prefixes: [/data]}
action: {deny: {errno: EBUSY}}
'''


def play():
    found = manifests()
    subprocess.run(['mount', '--make-rshared', '/'], check=True)  # as systemd does
    make_network()
    container = Container(found)
    container.start()
    if not container.started():
        print(container.log.read_text(encoding='utf-8'), file=sys.stderr)
        return
    check('its readiness probe passes', container.probe('readinessProbe').startswith('# HELP'))
    check('its liveness probe passes', container.probe('livenessProbe'), container.run('/usr/bin/pinctl', 'status').stderr)
    status = pathlib.Path(f'/proc/{container.process.pid}/status').read_text(encoding='utf-8')
    effective = next(line.split()[1] for line in status.splitlines() if line.startswith('CapEff'))
    expected = sum(1 << CAPABILITIES[name] for name in container.spec['capabilities'])
    check('it has the manifest\'s capabilities and no others', int(effective, 16) == expected, effective)
    text = container.run('/usr/bin/pinctl', 'status').stdout
    print(text)
    check('the policy of the ConfigMap is in force', 'watch-everything' in container.run('/usr/bin/pinctl', 'policy', 'list').stdout)

    # Mounted after the start: what the node mounts later is seen.
    os.mkdir('/data')
    subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', '/data'], check=True)
    pathlib.Path('/data/other').write_bytes(b'x' * 4096)
    pinner = Pinner()
    pinner.ask('file /data/model 65536')
    pinner.ask('pin uring')
    pins = eventually('a pod\'s pin is listed', 20, lambda: pinned(container))
    print(json.dumps(pins, indent=1))
    said = json.dumps(pins)
    check('with the path that the file has on the node', '"/data/model"' in said)
    check('with the pod', POD in said)
    check('with the container', CONTAINER in said)

    container.config['pinwarden-policies'].write({'watch.yaml': DENY})
    eventually('a changed ConfigMap is in force without anybody saying so', 30,
               lambda: 'data-of-the-node' in container.run('/usr/bin/pinctl', 'policy', 'list').stdout)
    check('a truncate of the pinned file is denied', denied('/data/model') == 16)
    check('another file is not concerned', denied('/data/other') == 0)
    tested = container.run('/usr/bin/pinctl', 'policy', 'test', '--file', '/data/model', '--operation', 'truncate:0')
    check('pinctl policy test finds the file by its path on the node', 'EBUSY' in tested.stdout, tested.stdout + tested.stderr)

    container.config['pinwarden-policies'].write({'watch.yaml': 'name: data-of-the-node\nmode: perhaps\n'})
    eventually('a ConfigMap with a mistake is refused, and that is told', 30,
               lambda: 'refused' in container.run('/usr/bin/pinctl', 'status').stdout)
    check('and what was in force stays', denied('/data/model') == 16)
    container.config['pinwarden-policies'].write({'watch.yaml': DENY})

    events = eventually('the node\'s log shipper finds the denial', 10, lambda: [
        line for line in pathlib.Path('/var/log/pinwarden/events.json').read_text(encoding='utf-8').splitlines()
        if '"/data/model"' in line])
    print(events[:1])
    metrics = container.probe('readinessProbe')
    check('a metric tells the pod\'s cgroup', f'cri-containerd-{CONTAINER}.scope' in metrics)

    check('it ends in time', container.stop() == 0, container.log.read_text(encoding='utf-8'))
    container.start()
    if not container.started():
        return
    again = eventually('another one finds what was pinned before it came', 30, lambda: pinned(container))
    check('and whose that is', POD in json.dumps(again), json.dumps(again))
    check('the policy is in force', denied('/data/model') == 16)
    check('it ends in time again', container.stop() == 0, container.log.read_text(encoding='utf-8'))
    check('and leaves nothing in force', denied('/data/model') == 0)
    left = [str(path) for path in pathlib.Path('/sys/fs/bpf').rglob('*') if path.is_file()]
    check('nor anything in the kernel', not left, left)
    pinner.process.kill()


play()
print(f'{passed} passed, {failed} failed')
sys.exit(1 if failed or not passed else 0)
