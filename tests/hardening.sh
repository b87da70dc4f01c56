#!/bin/bash
# Looks at what was linked: whether the programs are built so that a mistake in them ends them rather than being of use to
# somebody.
# Usage: hardening.sh PROGRAM...
set -euo pipefail
failures=0

# expect PROGRAM WHAT PATTERN, in what is read from standard input
expect() {
    if ! grep -qE -- "$3"; then
        echo "hardening: $1: $2 is missing" >&2
        failures=$((failures + 1))
    fi
}

for program in "$@"; do
    headers=$(readelf --wide --file-header --program-headers --dynamic "$program")
    symbols=$(readelf --wide --dyn-syms "$program")
    expect "$program" "a position that is not known beforehand" 'Type: +DYN \(Position-Independent Executable' <<< "$headers"
    expect "$program" "a table of relocations that cannot be written to" '^ +GNU_RELRO ' <<< "$headers"
    expect "$program" "binding of all functions at the start" 'FLAGS.* BIND_NOW' <<< "$headers"
    expect "$program" "a stack that is not executable" '^ +GNU_STACK .* RW +0x' <<< "$headers"
    expect "$program" "stack protection" ' __stack_chk_fail' <<< "$symbols"
    expect "$program" "glibc's checks of sizes" ' __mem(cpy|set)_chk' <<< "$symbols"
    expect "$program" "the standard library's assertions" '__glibcxx_assert_fail' <<< "$symbols"
    if [[ $(uname -m) == x86_64 ]]; then
        expect "$program" "targets of indirect calls" '^[^ ]+ <main>:$' < <(
            objdump --disassemble=main --no-show-raw-insn "$program" | grep --before-context=1 endbr64)
    fi
done
[[ $failures == 0 ]] || exit 1
echo "hardening: $# programs are as they should be"
