#!/bin/bash
# Checks how the tree is written; people call it as `./dev lint [--changed] [--fix]`.
#   --changed   looks only at files that differ from the last commit
#   --fix       formats C and C++ first
# Runs all checks before it fails, so that one run tells everything. clang-tidy reads the compile commands and the
# generated headers of the builds, so they are built first.
set -euo pipefail

repo=$(realpath "$(dirname "${BASH_SOURCE[0]}")/..")
cd "$repo"
changed=no fix=no
while [ $# -gt 0 ]; do
    case $1 in
    --changed) changed=yes ;;
    --fix) fix=yes ;;
    *)
        echo "./dev lint: unknown option '$1': it knows --changed and --fix" >&2
        exit 2
        ;;
    esac
    shift
done

# files PATTERN...: tracked and new files, without what git ignores and what has been deleted.
files() {
    if [ $changed = yes ]; then
        { git diff --name-only --diff-filter=d HEAD -- "$@" && git ls-files -o --exclude-standard -- "$@"; } | sort -u
    else
        git ls-files -co --exclude-standard -- "$@" | sort -u
    fi | while IFS= read -r file; do
        if [ -f "$file" ]; then echo "$file"; fi # git also lists what was just deleted
    done
}

failed=() passed=()
# check NAME COMMAND...
check() {
    local name=$1
    shift
    echo "lint: $name" >&2
    if "$@"; then passed+=("$name"); else failed+=("$name"); fi
}

mapfile -t sources < <(files '*.h' '*.cpp' '*.c')
mapfile -t units < <(files '*.cpp')
mapfile -t scripts < <(files dev .ci/run '*.sh')

format() {
    [ ${#sources[@]} -gt 0 ] || return 0
    if [ $fix = yes ]; then clang-format-19 -i "${sources[@]}"; fi
    clang-format-19 --dry-run -Werror "${sources[@]}" || {
        echo "./dev lint --fix formats them" >&2
        return 1
    }
}

# Only what a build compiles has a compile command; fuzzers have a build of their own.
tidy() {
    local preset
    for preset in release fuzz; do
        ./dev build $preset || return 1
    done
    printf '%s\n' "${units[@]}" | while IFS= read -r unit; do
        for preset in release fuzz; do
            if grep -qF "\"$repo/$unit\"" build/$preset/compile_commands.json; then
                printf 'build/%s\0%s\0' $preset "$unit"
                break
            fi
        done
    done | xargs -0 -r -n 2 -P "$(nproc)" clang-tidy-19 --quiet -p 2> build/tidy.log || {
        grep -vE '^[0-9]+ warnings? (generated|treated)' build/tidy.log >&2
        return 1
    }
}

shell() {
    [ ${#scripts[@]} -eq 0 ] || shellcheck -x "${scripts[@]}"
}

# What must not be in the tree: kernel types generated from one machine's kernel, and paths of somebody's machine.
tree() {
    local found
    found=$(git ls-files -co --exclude-standard | grep -E '(^|/)vmlinux[^/]*\.h$' || true)
    if [ -n "$found" ]; then
        echo "generated kernel types are in the tree: $found" >&2
        return 1
    fi
    found=$(git grep -nIE --untracked '(^|[^[:alnum:]_./$}])/(home|Users|work)/[[:alnum:]_.-]+' -- ':!tests/lint.sh' || true)
    if [ -n "$found" ]; then
        printf 'paths of one machine are in the tree:\n%s\n' "$found" >&2
        return 1
    fi
}

check format format
check shellcheck shell
check tree tree
check clang-tidy tidy

if [ ${#failed[@]} -gt 0 ]; then
    echo "lint: FAILED: ${failed[*]} (passed: ${passed[*]:-none})"
    exit 1
fi
echo "lint: passed: ${passed[*]} (${#sources[@]} sources, ${#scripts[@]} scripts)"
