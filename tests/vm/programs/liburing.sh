#!/bin/bash
# Builds liburing's own tests, as Debian's newest source package has them, in .cache/liburing. A guest has no network: so
# this comes before run.py, which runs them. Delete the folder to take a newer one.
# Needs: apt, dpkg-dev, debian-archive-keyring, gcc, g++, make.
set -euo pipefail

repo=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../../..")
# shellcheck source=tests/vm/archive.sh
. "$repo/tests/vm/archive.sh"
# shellcheck disable=SC2034  # used by what is sourced
what="liburing's tests"

fetch() {
    local log=$repo/.cache/liburing.log
    echo "$what: downloading and building them" >&2
    archive_open "$1"
    archive_source sid "$1/made" liburing
    (cd "$1/made" && ./configure --cc=gcc --cxx=g++ && make -j "$(nproc)" -C src ENABLE_SHARED=0 &&
        make -j "$(nproc)" -C test ENABLE_SHARED=0) > "$log" 2>&1 || die "cannot build $what; all it said is in $log" "$(tail -n 5 "$log")"
    find "$1/made/test" -name '*.[co]' -delete
}

cached "$repo/.cache/liburing" 1 fetch
