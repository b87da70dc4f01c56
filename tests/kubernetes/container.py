#!/usr/bin/env python3
"""Runs a container of a manifest as a node's runtime does, for tests in a guest, where the container's root is this machine's.

  container.py SPEC.json -- PROGRAM [ARGUMENT...]

SPEC.json: {"cgroup": folder, "network": name of a network namespace, "root": empty folder to make the root in,
"mounts": [{"from": path, "to": path, "read_only": bool, "slave": bool}], "capabilities": [names without CAP_],
"read_only_root": bool, "no_new_privileges": bool}. Must be root. Becomes the program.
"""
import ctypes
import json
import os
import pathlib
import sys

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWNET = 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC = 1, 2, 4, 8, 32, 4096, 16384
MS_PRIVATE, MS_SLAVE = 1 << 18, 1 << 19
MNT_DETACH = 2
PR_CAPBSET_READ, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 23, 24, 38
SYS_PIVOT_ROOT = 155  # x86-64

# Of include/uapi/linux/capability.h, those that manifests of ours name.
CAPABILITIES = {'DAC_READ_SEARCH': 2, 'KILL': 5, 'SYS_PTRACE': 19, 'SYS_ADMIN': 21, 'SYSLOG': 34, 'PERFMON': 38, 'BPF': 39}

# What runtimes hide of /proc and /sys, and what of them they let nobody write to (the OCI runtime's defaults).
MASKED = ['/proc/kcore', '/proc/keys', '/proc/timer_list', '/proc/sched_debug', '/proc/scsi', '/proc/acpi', '/sys/firmware']
READ_ONLY = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger']

libc = ctypes.CDLL(None, use_errno=True)


def checked(what, status):
    if status != 0:
        error = ctypes.get_errno()
        raise OSError(error, f'{what}: {os.strerror(error)}')


def mount(source, target, kind, flags, data=None):
    def text(value):
        return None if value is None else str(value).encode()
    checked(f'mount {source} at {target}', libc.mount(text(source), text(target), text(kind), flags, text(data)))


def bind(source, target, read_only=False, slave=False):
    """With all that is mounted below; what comes there later is seen where `slave`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if os.path.isdir(source):
        target.mkdir(exist_ok=True)
    elif not target.exists():
        target.touch()
    mount(source, target, None, MS_BIND | MS_REC)
    mount(None, target, None, (MS_SLAVE if slave else MS_PRIVATE) | MS_REC)
    if read_only:
        mount(None, target, None, MS_BIND | MS_REMOUNT | MS_RDONLY)


def make_root(root, spec):
    mount('tmpfs', root, 'tmpfs', 0, 'mode=755')
    for folder in ('usr', 'etc', 'bin', 'sbin', 'lib', 'lib64'):
        if os.path.islink(f'/{folder}'):
            os.symlink(os.readlink(f'/{folder}'), root / folder)
        else:
            bind(f'/{folder}', root / folder, read_only=True)
    (root / 'tmp').mkdir()
    for folder, kind in (('proc', 'proc'), ('sys', 'sysfs')):
        (root / folder).mkdir()
        mount(kind, root / folder, kind, MS_NOSUID | MS_NODEV | MS_NOEXEC | (MS_RDONLY if kind == 'sysfs' else 0))
    mount('cgroup', root / 'sys/fs/cgroup', 'cgroup2', MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY)
    (root / 'dev').mkdir()
    mount('tmpfs', root / 'dev', 'tmpfs', MS_NOSUID, 'mode=755')
    for device in ('null', 'zero', 'full', 'random', 'urandom'):
        bind(f'/dev/{device}', root / 'dev' / device)
    os.symlink('/proc/self/fd', root / 'dev/fd')
    for one in spec['mounts']:
        bind(one['from'], root / one['to'].lstrip('/'), one.get('read_only', False), one.get('slave', False))
    for path in MASKED:
        hidden = root / path[1:]
        if hidden.is_dir():
            mount('tmpfs', hidden, 'tmpfs', MS_RDONLY)
        elif hidden.exists():
            mount('/dev/null', hidden, None, MS_BIND)
    for path in READ_ONLY:
        if (root / path[1:]).exists():
            mount(root / path[1:], root / path[1:], None, MS_BIND | MS_REC)
            mount(None, root / path[1:], None, MS_BIND | MS_REMOUNT | MS_RDONLY)


def enter(root, read_only):
    os.chdir(root)
    checked('pivot_root', libc.syscall(SYS_PIVOT_ROOT, b'.', b'.'))
    checked('umount of the old root', libc.umount2(b'.', MNT_DETACH))
    os.chdir('/')
    if read_only:
        mount(None, '/', None, MS_BIND | MS_REMOUNT | MS_RDONLY)


def main():
    split = sys.argv.index('--')
    spec = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding='utf-8'))
    command = sys.argv[split + 1:]
    pathlib.Path(spec['cgroup'], 'cgroup.procs').write_text(str(os.getpid()), encoding='utf-8')
    with open(f'/run/netns/{spec["network"]}', encoding='utf-8') as network:
        checked('setns', libc.setns(network.fileno(), CLONE_NEWNET))
    checked('unshare', libc.unshare(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC))
    mount(None, '/', None, MS_SLAVE | MS_REC)
    root = pathlib.Path(spec['root'])
    make_root(root, spec)
    enter(root, spec['read_only_root'])
    kept = {CAPABILITIES[name] for name in spec['capabilities']}
    capability = 0
    while libc.prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0:
        if capability not in kept:
            checked('drop a capability', libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0))
        capability += 1
    if spec['no_new_privileges']:
        checked('no_new_privs', libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    os.execve(command[0], command, {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'HOSTNAME': 'node'})


if __name__ == '__main__':
    main()
