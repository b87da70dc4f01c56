"""Reads the messages of proto/pinwarden/v1, and makes of a sparse dict the JSON that protobuf would print of that message.

So that a fixture can say only what matters, and cannot say what the API does not have: an unknown field is an error.
"""
import datetime
import pathlib
import re

FOLDER = pathlib.Path(__file__).resolve().parents[2] / 'proto' / 'pinwarden' / 'v1'
FIELD = re.compile(r'^\s*(repeated |optional )?(?:map<.*>|([\w.]+)) (\w+) = \d+')
NUMBERS = {'uint32', 'int32', 'float', 'double'}
LONG_NUMBERS = {'uint64', 'int64'}


def read_messages():
    """Name of each message → its fields: name → (label, type, whether it is one of several)."""
    messages, enums, enum, message, oneof = {}, {}, None, None, False
    for path in FOLDER.glob('*.proto'):
        for line in path.read_text().splitlines():
            if match := re.match(r'^message (\w+)', line):
                message = messages.setdefault(match[1], {})
                oneof = False
            elif match := re.match(r'^enum (\w+)', line):
                enum = enums.setdefault(match[1], [])
            elif re.match(r'^\s+oneof', line):
                oneof = True
            elif re.match(r'^}', line):
                message = enum = None
            elif re.match(r'^\s+}', line):
                oneof = False
            elif enum is not None and (match := re.match(r'^\s+([A-Z0-9_]+) = \d', line)):
                enum.append(match[1])
            elif message is not None and (match := FIELD.match(line)):
                message[match[3]] = ((match[1] or '').strip(), match[2], oneof)
    return messages, enums


MESSAGES, ENUMS = read_messages()


def timestamp(taken, seconds):
    """Nanoseconds, as the daemon prints them."""
    at = taken + datetime.timedelta(seconds=seconds)
    return at.strftime('%Y-%m-%dT%H:%M:%S.') + f'{at.microsecond:06d}123Z'


def scalar(kind, value):
    if kind in LONG_NUMBERS:
        return str(int(value))
    if kind in ENUMS:
        if value not in ENUMS[kind]:
            raise ValueError(f'{kind} has no {value}')
        return value
    return value


def default(kind):
    if kind in ENUMS:
        return ENUMS[kind][0]
    return 0 if kind in NUMBERS else '0' if kind in LONG_NUMBERS else False if kind == 'bool' else ''


def value_of(kind, value, taken):
    if kind == 'google.protobuf.Timestamp':
        return timestamp(taken, value)
    if kind == 'google.protobuf.Duration':
        return f'{value:.3f}s'
    if kind in MESSAGES:
        return complete(kind, value, taken)
    return scalar(kind, value)


def complete(name, sparse, taken):
    """A Timestamp is given in seconds from `taken` on, so negative for what was; a Duration in seconds."""
    fields = MESSAGES[name]
    if unknown := set(sparse) - set(fields):
        raise ValueError(f'{name} has no {", ".join(sorted(unknown))}')
    whole = {}
    for field, (label, kind, oneof) in fields.items():
        if label == 'repeated':
            whole[field] = [value_of(kind, item, taken) for item in sparse.get(field, [])]
        elif field in sparse:
            whole[field] = value_of(kind, sparse[field], taken)
        elif label != 'optional' and not oneof and kind not in MESSAGES and not kind.startswith('google.'):
            whole[field] = default(kind)
    return whole
