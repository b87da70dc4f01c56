#!/bin/bash
# Draws flame graphs, with the program that made them known, of what pinctl folds from recordings of real kernels, and looks
# for their stacks in the drawing.
# Usage: flame-graph.sh PINCTL
set -euo pipefail
pinctl=$1
data=$(dirname "${BASH_SOURCE[0]}")/data
# Debian ships it with a profiler of Perl's.
flamegraph=/usr/share/perl5/Devel/NYTProf/flamegraph.pl

failed() {
    echo "flame-graph: $*" >&2
    exit 1
}

# expect DRAWING FUNCTION...
expect() {
    local drawing=$1
    shift
    [[ $drawing == *'<svg '*'</svg>'* ]] || failed "that is no drawing: ${drawing:0:200}"
    for function in "$@"; do
        [[ $drawing == *"<title>$function"* ]] || failed "$function is not in the drawing"
    done
}

drawn=0
for recording in "$data"/*.pwrec; do
    drawing=$("$pinctl" report "$recording" --folded | perl "$flamegraph" --countname pages)
    expect "$drawing" ib_umem_get rxe_mr_init_user
    drawn=$((drawn + 1))
done
[ "$drawn" = 3 ] || failed "there are $drawn recordings in $data, not 3"
drawing=$("$pinctl" diff "$data/6.1.pwrec" "$data/6.12.pwrec" --folded | perl "$flamegraph" --countname pages)
expect "$drawing" ib_umem_get
echo "flame-graph: drew $((drawn + 1))"
