#!/bin/sh
# Asks every expression of a Prometheus whose hosts lack one metric: evaluate.py must fail, and name the panels, the alert and the
# recording rule that need it, and nothing else.
set -eu
cd "$(dirname "$0")"
if output=$(./with_prometheus.py --hosts 1 --without pinwarden_ring_used_bytes ./evaluate.py '{}' 2>&1); then
    echo "evaluate_test: a metric is missing, and evaluate.py is content: $output" >&2
    exit 1
fi
expected="evaluate: recording.yaml: instance:pinwarden_ring_used:ratio: empty
evaluate: alerts-trust.yaml: PinwardenRingNearlyFull: empty
evaluate: trust.json: Ring: empty"
found=$(printf '%s\n' "$output" | grep ': empty$' | sort)
if [ "$found" != "$(printf '%s\n' "$expected" | sort)" ]; then
    printf 'evaluate_test: not what lacks it:\n%s\n' "$output" >&2
    exit 1
fi
echo "evaluate_test: what lacks a metric was found"
