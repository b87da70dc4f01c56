#!/usr/bin/env python3
"""Becomes a program to which a seccomp filter forbids bpf(2), as containers' do: without_bpf.py PROGRAM [ARGUMENT...]"""
import ctypes
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
SYS_BPF = 321  # x86-64
LOAD_NUMBER = (0x20, 0, 0, 0)  # the first field of struct seccomp_data
IF_BPF = (0x15, 0, 1, SYS_BPF)
EPERM = (0x06, 0, 0, 0x00050001)
ALLOW = (0x06, 0, 0, 0x7fff0000)


def main():
    libc = ctypes.CDLL(None, use_errno=True)
    code = b''.join(struct.pack('HBBI', *step) for step in (LOAD_NUMBER, IF_BPF, EPERM, ALLOW))
    steps = ctypes.create_string_buffer(code, len(code))
    program = struct.pack('HxxxxxxQ', len(code) // 8, ctypes.addressof(steps))
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program) != 0:
        raise OSError(ctypes.get_errno(), 'seccomp')
    os.execvp(sys.argv[1], sys.argv[1:])


main()
