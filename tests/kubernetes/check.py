#!/usr/bin/env python3
"""What the manifests say against what else says it: the unit, the version, and pinwardend itself.

  check.py PINWARDEND VERSION
"""
import pathlib
import re
import subprocess
import sys
import tempfile

import yaml

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
FOLDER = REPOSITORY / 'deploy/kubernetes'


def manifest(kind, name):
    for file in FOLDER.glob('*.yaml'):
        for document in yaml.safe_load_all(file.read_text(encoding='utf-8')):
            if document['kind'] == kind and document['metadata']['name'] == name:
                return document
    raise LookupError(f'no {kind} {name} in {FOLDER}')


def capabilities_of_unit():
    unit = (REPOSITORY / 'systemd/pinwardend.service.in').read_text(encoding='utf-8')
    return set(re.search(r'^CapabilityBoundingSet=(.*)$', unit, re.MULTILINE)[1].replace('CAP_', '').split())


def check_container(pod, container, version):
    security = container['securityContext']
    if set(security['capabilities']['add']) != capabilities_of_unit():
        yield f'capabilities: {security["capabilities"]["add"]}, the unit has {sorted(capabilities_of_unit())}'
    for what in (container['image'], (FOLDER / 'Dockerfile').read_text(encoding='utf-8')):
        if f'pinwarden:{version}' not in what:
            yield f'the version is {version}, not as in: {what}'
    mounted = {mount['name'] for mount in container['volumeMounts']}
    if mounted != {volume['name'] for volume in pod['volumes']}:
        yield 'volumes and what is mounted of them differ'


def check_configuration(pinwardend, container):
    """As in the container, but that the node's files are this machine's and its paths are below a folder of the test's."""
    with tempfile.TemporaryDirectory() as folder:
        for name, to in (('pinwarden', 'config'), ('pinwarden-policies', 'policies')):
            (pathlib.Path(folder) / to).mkdir()
            for key, text in manifest('ConfigMap', name)['data'].items():
                (pathlib.Path(folder) / to / key).write_text(text.replace('/etc/pinwarden', folder), encoding='utf-8')
        arguments = [argument.replace('/etc/pinwarden', folder).replace('=/host', '=/') for argument in container['args']]
        checked = subprocess.run([pinwardend, '--check-config', *arguments], capture_output=True, text=True, check=False)
        if checked.returncode != 0:
            yield f'pinwardend refuses its configuration: {checked.stderr.strip()}'
        for name in re.findall(r'^name: (\S+)', ''.join(manifest('ConfigMap', 'pinwarden-policies')['data'].values()), re.MULTILINE):
            if name not in checked.stdout:
                yield f'pinwardend does not find the policy {name}: {checked.stdout}'


def main():
    pinwardend, version = sys.argv[1:]
    pod = manifest('DaemonSet', 'pinwarden')['spec']['template']['spec']
    container = pod['containers'][0]
    wrong = [*check_container(pod, container, version), *check_configuration(pinwardend, container)]
    for what in wrong:
        print(f'{FOLDER.name}: {what}', file=sys.stderr)
    sys.exit(1 if wrong else 0)


main()
