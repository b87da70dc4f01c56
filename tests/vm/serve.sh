#!/bin/bash
# Runs in a guest for `./dev run`: serve.sh METRICS_PORT GRPC_PORT READERS_PORT [daemon option...]
# The daemon listens on the guest's own loopback and on Unix sockets, as everywhere. What the host forwards arrives at the
# guest's network address, so relays carry it on. Whoever can reach the forwarded port on the host is an operator of the
# daemon in this machine, and of nothing else.
set -euo pipefail
metrics=$1 grpc=$2 readers=$3
shift 3
address=10.0.2.15
socat "TCP-LISTEN:$metrics,bind=$address,fork,reuseaddr" "TCP:127.0.0.1:$metrics" 2> /dev/null &
socat "TCP-LISTEN:$grpc,bind=$address,fork,reuseaddr" UNIX-CONNECT:/run/pinwarden/operator.sock 2> /dev/null &
socat "TCP-LISTEN:$readers,bind=$address,fork,reuseaddr" UNIX-CONNECT:/run/pinwarden/reader.sock 2> /dev/null &
exec pinwardend "$@"
