#!/bin/bash
# Runs the VM tests with a daemon and a pinctl that sanitizers are built into. What these find ends the program, and with
# it the test; it is printed at the end, and is a failure whatever the tests say.
#   ./dev build asan|tsan
#   ./dev vm KERNEL [option...] -- tests/vm/sanitized.sh asan|tsan [ARGUMENT of pinwarden_vm_tests...]
set -euo pipefail

preset=${1:?which build: asan or tsan}
shift
repo=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
programs=$repo/build/$preset/bin
for program in pinwardend pinctl; do
    if [ ! -x "$programs/$program" ]; then
        echo "sanitized.sh: there is no $program in build/$preset/bin; build it with ./dev build $preset" >&2
        exit 2
    fi
done

# The thread sanitizer of g++ 12 knows only address spaces that are not shuffled as far as kernels do it by default.
if [ "$preset" = tsan ]; then sysctl -q vm.mmap_rnd_bits=28; fi

reports=/run/sanitizers
mkdir -p $reports
chmod 1777 $reports
# Leaks are looked for by the unit tests: what looks for them here would need ptrace, which the daemon gives up.
export ASAN_OPTIONS=log_path=$reports/asan:detect_leaks=0
export UBSAN_OPTIONS=log_path=$reports/ubsan:print_stacktrace=1
export TSAN_OPTIONS=log_path=$reports/tsan:halt_on_error=1:second_deadlock_stack=1
status=0
PATH=$programs:$PATH pinwarden_vm_tests "$@" || status=$?
found=("$reports"/*)
if [ -e "${found[0]}" ]; then
    tail -n +1 "${found[@]}"
    echo "sanitized.sh: ${#found[@]} reports"
    exit 1
fi
exit "$status"
