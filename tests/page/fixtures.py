"""What a daemon may answer, sparse: schema.py adds what protobuf does. Times are seconds from now on."""
KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40
DAY = 86400

CAUSES = {'ring_full_pin': True, 'ring_full_pages': True, 'ring_full_release': True, 'ring_full_operation': False,
          'ring_full_rename': False, 'owner_table_full': False, 'missed_run': True, 'missed_report': False}

HOOKS = [('pin_user_pages', 'acquire'), ('pin_user_pages_fast', 'acquire'), ('pin_user_pages_remote', 'acquire'),
         ('__gup_longterm_locked', 'acquire'), ('unpin_user_pages', 'release'), ('unpin_user_pages_dirty_lock', 'release'),
         ('unpin_user_page_range_dirty_lock', 'release'), ('security_inode_setattr', 'operation'),
         ('security_file_truncate', 'operation'), ('security_sb_umount', 'operation'), ('madvise_vma_behavior', 'operation'),
         ('zap_page_range_single', 'invalidation'), ('unmap_region', 'invalidation'), ('mmu_interval_notifier_insert', 'notifier'),
         ('sched_process_exit', 'owner'), ('sched_process_exec', 'owner'), ('module_load', 'lifecycle')]


def hooks(failed=None):
    listed = [{'name': name, 'purpose': purpose, 'attached': True, 'state': 'HOOK_STATE_ATTACHED'} for name, purpose in HOOKS]
    listed[5]['missed'] = 3
    listed += [{'name': 'memfd_pin_folios', 'purpose': 'acquire', 'reason': 'this kernel has no such function',
                'state': 'HOOK_STATE_UNAVAILABLE'},
               {'name': 'vfs_fallocate', 'purpose': 'operation', 'reason': 'no policy decides about fallocate',
                'state': 'HOOK_STATE_NOT_NEEDED'}]
    if failed:
        listed.append({'name': failed, 'purpose': 'release', 'reason': 'attach: No such file or directory',
                       'state': 'HOOK_STATE_FAILED'})
    return listed


def status(pins, pinned, certain=True, lost=None, up=9 * DAY + 4 * 3600, failed=None, notices=(), holds=0, **more):
    lost = lost or {}
    return {'version': '0.9.0', 'kernel_release': '6.12.57+deb13-amd64', 'pid': 4711, 'start_time': -up, 'hooks': hooks(failed),
            'losses': [{'cause': cause, 'count': lost.get(cause, 0), 'affects_ledger': affects}
                       for cause, affects in CAUSES.items()],
            'ledger_certain': certain, 'pins': pins, 'pinned_bytes': pinned, 'policy_generation': 7, 'notices': list(notices),
            'holds': holds, **more}


def process(comm, pid, uid=1000, **more):
    return {'pid': pid, 'tid': pid, 'uid': uid, 'comm': comm, 'start_time': -2 * DAY, 'cgroup_path': f'/system.slice/{comm}.service',
            'executable': f'/usr/bin/{comm}', **more}


def file(path, inode, minor=1, filesystem='ext4', **more):
    return {'path': path, 'device_major': 253, 'device_minor': minor, 'inode': inode, 'generation': 1, 'filesystem': filesystem, **more}


def group(pinned, pins, oldest, **more):
    return {'bytes': pinned, 'pins': pins, 'calls': pins, 'owners': 1, 'oldest_acquire_time': -oldest, 'oldest_age': oldest,
            'ages': [0, 0, pins], **more}


def groups(listed, certain=True, lost=0, ambiguous=0, adopted=0, more_groups=0, pins=None, pinned=None):
    return {'groups': listed, 'more_groups': more_groups,
            'total_pins': sum(item['pins'] for item in listed) if pins is None else pins,
            'total_bytes': sum(item['bytes'] for item in listed) if pinned is None else pinned,
            'trust': {'ledger_certain': certain, 'lost': lost, 'ambiguous_pages': ambiguous, 'adopted_pins': adopted}}


TRAINER = process('trainer', 812)
STORAGE = process('nvmf_tgt', 1290, 0)
DATABASE = process('pgwriter', 2044, 105)
GUEST = process('qemu-system-x86', 3310, 64055)
ROTATE = process('logrotate', 90210, 0)
CLEANER = process('rsync', 81002, 0)

WEIGHTS = file('/mnt/datasets/llm/shard-00017.bin', 1203)
SHARDS = file('/mnt/datasets/llm/shard-00018.bin', 1204)
TABLE = file('/var/lib/db/base/16384/24601', 884, 2, 'xfs')
SCRATCH = file('/mnt/scratch/checkpoint.tmp', 77, 3, 'xfs', deleted=True)


def owner_in_conflict(who, driver, pins, size):
    return {'process': who, 'driver': driver, 'pins': pins, 'bytes': size}


def past(number, ago, operation, verdict, caller, owners, at=None, policy='', reason='', outcome='', held=None, **more):
    """A conflict that was."""
    conflict = {'operation': operation, 'caller': caller, 'verdict': verdict, 'policy': policy, 'reason': reason, **more}
    if at:
        conflict['file'] = at
    result = {'number': number, 'time': -ago, 'age': ago, 'conflict': conflict, 'owners': owners,
              'pin_count': sum(owner['pins'] for owner in owners), 'pinned_bytes': sum(owner['bytes'] for owner in owners),
              'hold_outcome': outcome}
    if held is not None:
        result['held'] = held
    return result


def conflicts(listed, forgotten=0, matched=None):
    number = len(listed) if matched is None else matched
    return {'conflicts': listed, 'matched': number, 'remembered': number, 'forgotten': forgotten}


DENY = {'policy': {'name': 'datasets-under-rdma', 'mode': 'MODE_ENFORCE',
                   'match': {'operations': ['OPERATION_TRUNCATE', 'OPERATION_PUNCH_HOLE', 'OPERATION_UMOUNT'],
                             'file': {'path_prefixes': ['/mnt/datasets']}, 'pin': {'drivers': ['mlx5_ib', 'rdma_rxe']}},
                   'action': {'deny': {'error': 'EBUSY'}}},
        'state': 'active', 'source': '/etc/pinwarden/policies/10-datasets.yaml', 'matched': 14, 'denied': 14}
HOLD = {'policy': {'name': 'database-waits', 'mode': 'MODE_ENFORCE',
                   'match': {'operations': ['OPERATION_TRUNCATE'], 'file': {'path_prefixes': ['/var/lib/db']},
                             'pin': {'min_bytes': MIB}},
                   'action': {'hold': {'timeout': 30, 'on_timeout': 'OUTCOME_DENY', 'error': 'EBUSY',
                                       'revoke': {'notify': 'SIGUSR1', 'grace': 5, 'then': ['SIGTERM', '5s', 'SIGKILL']}}}},
        'state': 'active', 'source': 'grpc', 'matched': 6, 'held': 6, 'denied': 1}
WATCH = {'policy': {'name': 'watch-scratch', 'mode': 'MODE_MONITOR',
                    'match': {'operations': ['OPERATION_TRUNCATE'], 'file': {'mounts': ['/mnt/scratch']}},
                    'action': {'deny': {'error': 'EBUSY'}}},
         'state': 'monitoring', 'source': '/etc/pinwarden/policies/20-watch.yaml', 'matched': 31, 'would_have_denied': 31}
DEGRADED = {'policy': {'name': 'kill-the-leaky', 'mode': 'MODE_ENFORCE',
                       'match': {'operations': ['OPERATION_MUNMAP'], 'owner': {'comms': ['leaky']}},
                       'action': {'signal': {'target': 'SIGNAL_TARGET_OWNERS', 'signals': ['SIGTERM', '5s', 'SIGKILL']}}},
            'state': 'degraded', 'source': 'grpc', 'matched': 44, 'signalled': 10,
            'reason': 'it sent 10 signals in a row and only monitors until its mode is set to enforce or it is applied again'}
ABSENT = {'policy': {'name': 'vm-images', 'mode': 'MODE_ENFORCE',
                     'match': {'operations': ['OPERATION_UMOUNT'], 'file': {'path_prefixes': ['/srv/images']}},
                     'action': {'deny': {'error': 'EBUSY'}}},
          'state': 'pending', 'source': 'grpc', 'reason': '/srv/images does not exist yet'}

DRIVERS = [group(192 * GIB, 24, 2 * DAY, name='mlx5_ib', owners=2),
           group(32 * GIB, 12, 9 * DAY, name='vfio'),
           group(2 * GIB, 64, 5 * 3600, name='io_uring', owners=3)]
FILES = [group(128 * GIB, 16, 2 * DAY, file=WEIGHTS, drivers=['mlx5_ib']),
         group(64 * GIB, 8, DAY, file=SHARDS, drivers=['mlx5_ib']),
         group(32 * GIB, 12, 9 * DAY, drivers=['vfio']),
         group(2 * GIB, 64, 5 * 3600, file=TABLE, drivers=['io_uring'], owners=3)]
OWNERS = [group(192 * GIB, 24, 2 * DAY, owner=TRAINER, drivers=['mlx5_ib']),
          group(32 * GIB, 12, 9 * DAY, owner=GUEST, drivers=['vfio']),
          group(2 * GIB, 64, 5 * 3600, owner=DATABASE, drivers=['io_uring'])]

BY_TRAINER = owner_in_conflict(TRAINER, 'mlx5_ib', 4, 8 * GIB)
BY_DATABASE = owner_in_conflict(DATABASE, 'io_uring', 2, 64 * MIB)

DENIED = {'verdict': 'deny', 'error': 'EBUSY', 'policy': 'datasets-under-rdma', 'reason': '4 pins are in the way'}


def quiet():
    return {'host': 'node7', 'status': status(100, 226 * GIB), 'by_driver': groups(DRIVERS), 'by_file': groups(FILES),
            'by_owner': groups(OWNERS), 'holds': {}, 'policies': {'policies': [DENY, HOLD], 'generation': 7},
            'conflicts': conflicts([past(2, 2 * DAY, 'truncate', caller=ROTATE, owners=[BY_TRAINER], at=WEIGHTS,
                                         old_size=8 * GIB, **DENIED)])}


def held_operation(number, since, left, path, who=CLEANER, verdict=''):
    pin = {'id': 90 + number, 'owner': DATABASE, 'driver': 'io_uring', 'bytes': 32 * MIB, 'acquire_time': -3600, 'age': 3600,
           'backing': 'file', 'long_term': True, 'ranges': [{'file': TABLE, 'first_page': 0, 'pages': 8192}]}
    return {'id': number, 'since': -since, 'deadline': left, 'held': since, 'asked': 3, 'verdict': verdict,
            'conflict': {'operation': 'truncate', 'file': path, 'old_size': GIB, 'new_size': 0, 'caller': who, 'verdict': 'hold',
                         'policy': 'database-waits', 'reason': '2 pins are in the way', 'hold': number, 'pins': [pin, dict(pin, id=99)]}}


def busy_conflicts():
    listed = [
        past(140, 6, 'truncate', 'hold', CLEANER, [BY_DATABASE], TABLE, 'database-waits', '2 pins are in the way', new_size=0, hold=12),
        past(139, 19, 'truncate', 'allow', ROTATE, [owner_in_conflict(STORAGE, 'nvmet_rdma', 1, 512 * MIB)],
             file('/var/spool/target/lun3.img', 55, 4), new_size=4096),
        past(138, 47, 'truncate', caller=ROTATE, owners=[BY_TRAINER], at=WEIGHTS, **DENIED),
        past(137, 92, 'punch_hole', caller=CLEANER, owners=[BY_TRAINER, BY_DATABASE], at=SHARDS, offset=8192, length=MIB, **DENIED),
        past(136, 340, 'truncate', 'hold', CLEANER, [BY_DATABASE], TABLE, 'database-waits', '2 pins are in the way', 'pins_gone', 3.2),
        past(135, 600, 'truncate', 'would_deny', process('ckpt', 5120), [BY_TRAINER], SCRATCH, 'watch-scratch', '1 pin is in the way'),
        past(134, 700, 'munmap', 'allow', process('leaky', 6001), [owner_in_conflict(process('leaky', 6001), 'rdma_rxe', 1, 2 * MIB)],
             address=0x7f21c4000000, length=2 * MIB),
        past(133, 900, 'umount', caller=process('umount', 7001, 0), owners=[BY_TRAINER, BY_DATABASE],
             at=file('/mnt/datasets', 0), **DENIED),
        past(132, 1500, 'truncate', 'hold', CLEANER, [BY_DATABASE], TABLE, 'database-waits', '2 pins are in the way', 'timed_out_deny', 30)]
    for i in range(24):
        listed.append(past(131 - i, 4000 + 600 * i, 'truncate', 'would_deny', process('ckpt', 5000 + i), [BY_TRAINER], SCRATCH,
                           'watch-scratch', '1 pin is in the way'))
    return listed


def busy():
    many = [group((40 - i) * MIB, 3, 600 + 60 * i, file=file(f'/srv/objects/{i:02x}/blob-{i * 7919 % 1000:03d}.dat', 5000 + i, 5),
                  drivers=['io_uring']) for i in range(14)]
    leaky = [group(6 * MIB, 3, 3 * 3600, name='rdma_rxe', orphans=2, leaks=1)]
    gone = [group(6 * MIB, 3, 3 * 3600, owner=process('leaky', 5999, exited=True), drivers=['rdma_rxe'], orphans=2, leaks=1)]
    return {'host': 'node12.rack4', 'status': status(10000, 226 * GIB + 6 * MIB, lost={'ring_full_rename': 2, 'ring_full_pin': 41},
                                                      holds=2, on_demand_ranges=3, on_demand_bytes=48 * GIB),
            'by_driver': groups(DRIVERS + leaky, lost=41, ambiguous=16, adopted=2, pins=10000, pinned=226 * GIB + 6 * MIB),
            'by_file': groups(FILES + many, more_groups=180, pins=10000, pinned=226 * GIB + 6 * MIB),
            'by_owner': groups(OWNERS + gone, pins=10000, pinned=226 * GIB + 6 * MIB),
            'holds': {'holds': [held_operation(11, 14, 16, file('/var/lib/db/base/16384/24600', 883, 2, 'xfs'), verdict='allow'),
                                held_operation(12, 6.4, 23.6, TABLE)]},
            'policies': {'policies': [DENY, HOLD, WATCH, DEGRADED, ABSENT], 'generation': 19},
            'conflicts': conflicts(busy_conflicts(), forgotten=12, matched=128)}


def uncertain():
    answer = quiet()
    lost = {'ring_full_pin': 1204, 'ring_full_release': 77, 'missed_run': 3}
    answer.update(host='node9', status=status(100, 226 * GIB, False, lost, failed='unpin_user_page', notices=[
        'Policies with unresolved: deny now deny every operation on pinned pages of the files they cover.',
        'The audit of all pins has 3m12s to go.']), by_driver=groups(DRIVERS, False, 1284, 96, 12))
    return answer


def no_details():
    answer = busy()
    for key in ('by_file', 'by_owner'):
        del answer[key]
    for item in answer['conflicts']['conflicts']:
        item['owners'] = []
        for key in ('file', 'caller', 'address'):
            item['conflict'].pop(key, None)
    for item in answer['holds']['holds']:
        for key in ('file', 'caller'):
            item['conflict'].pop(key, None)
        for pin in item['conflict']['pins']:
            pin.pop('owner', None)
            pin.pop('ranges', None)
    answer.update(details=False, details_hint='the daemon was not started with --page-details')
    return answer


MARKUP = '<img src=x onerror=alert(1)>'
HOSTILE_PATHS = [f'/tmp/{MARKUP}"\'&amp;<script>alert(2)</script>', '/tmp/\u202egnp.exe\u2066 \x1b[31mred\x07\n\tnew line',
                 '/tmp/' + 'very-long-' * 400, '/tmp/\u05e9\u05dc\u05d5\u05dd/\u0645\u0644\u0641.bin', '/tmp/' + 'W' * 250,
                 '/tmp/z' + '\u0301\u0302\u0303' * 20, '', 'javascript:alert(3)', '/tmp/\U0001f4cc\ufffd']


def hostile():
    """Names as bad as a process can make them."""
    comms = ['</td><b>bold', '<svg onload=1>', '\u202eevil', '\x07\x1b]0;x', 'a b\nc', '', '__proto__', '${7*7}{{7}}']
    who = [process(comm, 100 + i, cgroup_path='/' + MARKUP) for i, comm in enumerate(comms)]
    files = [group((i + 1) * MIB, 1, 60, file=file(path, i), drivers=['<driver>', 'constructor']) for i, path in enumerate(HOSTILE_PATHS)]
    listed = [past(50 - i, 5 + i, 'truncate', 'deny', who[i % len(who)], [owner_in_conflict(who[(i + 1) % len(who)], '<i>driver</i>', 1, MIB)],
                   file(path, i), '<policy>', MARKUP, error='EBUSY') for i, path in enumerate(HOSTILE_PATHS)]
    listed.append(past(9, 90, '<operation>', '<verdict>', who[0], [], reason='constructor'))
    policy = {'policy': {'name': 'hostile', 'mode': 'MODE_ENFORCE',
                         'match': {'operations': ['OPERATION_TRUNCATE'], 'file': {'path_prefixes': HOSTILE_PATHS[:6]},
                                   'owner': {'comms': comms}}, 'action': {'deny': {'error': 'EBUSY'}}},
              'state': 'refused', 'reason': MARKUP, 'source': HOSTILE_PATHS[1]}
    return {'host': '<b>host</b>', 'status': status(9, 45 * MIB, notices=[MARKUP]),
            'by_driver': groups([group(45 * MIB, 9, 60, name='<driver>'), group(0, 0, 60, name='__proto__'), group(0, 0, 60)]),
            'by_file': groups(files), 'by_owner': groups([group(MIB, 1, 60, owner=one, drivers=['x']) for one in who]),
            'holds': {'holds': [held_operation(1, 3, 5, file(HOSTILE_PATHS[0], 1), who[0])]},
            'policies': {'policies': [policy], 'generation': 1}, 'conflicts': conflicts(listed)}


def empty():
    """A daemon that has just started on an idle machine."""
    return {'host': 'node1', 'status': status(0, 0, up=42), 'by_driver': groups([]), 'by_file': groups([]), 'by_owner': groups([]),
            'holds': {}, 'policies': {}, 'conflicts': {}}


def full():
    """As many of everything as a daemon tells at most, and more bytes."""
    def path(i):
        return f'/mnt/datasets/{i:02d}/' + 'a-folder-with-a-long-name/' * 4 + f'{i}.bin'
    owners = [owner_in_conflict(process(f'worker-{i}', 400 + i), 'mlx5_ib', 1, MIB) for i in range(16)]
    listed = [past(9000 - i, 0.5 + 2 * i, 'truncate', caller=process('rsync', 7000 + i), owners=owners, at=file(path(i), i), **DENIED)
              for i in range(50)]
    policies = [dict(DENY, policy=dict(DENY['policy'], name=f'datasets-{i}')) for i in range(40)]
    return {'host': 'node99.a-long-name.of-a-domain.example', 'status': status(10000, 4 * TIB, holds=20),
            'by_driver': groups([group((20 - i) * GIB, 500, DAY, name=f'driver_{i}') for i in range(20)], more_groups=3),
            'by_file': groups([group(GIB, 500, DAY, file=file(path(i), i), drivers=['mlx5_ib', 'vfio']) for i in range(20)],
                              more_groups=9980),
            'by_owner': groups([group(GIB, 500, DAY, owner=process(f'worker-{i}', 400 + i), drivers=['mlx5_ib']) for i in range(20)],
                               more_groups=180),
            'holds': {'holds': [held_operation(i, 3, 7, file(path(i), i)) for i in range(1, 21)]},
            'policies': {'policies': policies, 'generation': 2}, 'conflicts': conflicts(listed, 7976, 1024)}


FIXTURES = {fixture.__name__: fixture for fixture in (quiet, busy, uncertain, no_details, hostile, empty, full)}


def new_conflict(number):
    return past(number, 0.2, 'truncate', 'allow', process('vandal', 666, 0), [BY_TRAINER], WEIGHTS, new_size=0)
