#!/bin/bash
# Runs in a guest for live.py: guest.sh PORT NODE_PORT. A daemon whose metrics the host can reach at PORT, how much memory the
# machine has, as node_exporter tells it, at NODE_PORT, and processes that pin files,
# truncate them, wait, are asked to let go, and leave pins behind, over and over, until the machine is ended.
set -euo pipefail
port=$1 node_port=$2
repo=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
# shellcheck source=tests/vm/make-rdma.sh
. "$repo/tests/vm/make-rdma.sh"
make_rdma > /dev/null
sysctl -q kernel.bpf_stats_enabled=1
mkdir -p /mnt/data
mount -t tmpfs -o size=64M tmpfs /mnt/data
cd "$(mktemp -d)"

policies() {
    cat << 'P'
name: denied
mode: enforce
match: {operations: [truncate, punch_hole], file: {path_prefixes: [/mnt/data/denied]}}
action: {deny: {errno: EBUSY}}
---
name: watched
mode: monitor
match: {operations: [truncate], file: {path_prefixes: [/mnt/data/watched]}}
action: {deny: {errno: EBUSY}}
---
name: asked
mode: enforce
match: {operations: [truncate], file: {path_prefixes: [/mnt/data/asked]}}
action: {hold: {timeout: 20s, revoke: {notify: SIGUSR1, grace: 5s, then: [SIGTERM]}, on_timeout: deny}}
---
name: timed-out
mode: enforce
match: {operations: [truncate], file: {path_prefixes: [/mnt/data/held]}}
action: {hold: {timeout: 1s, on_timeout: deny}}
P
}
policies > policies.yaml
mkdir -p /mnt/data/{denied,watched,asked,held,open}

mkfifo messages
pinwardend --policy policies.yaml --leak-after 2s --cgroup-metrics 5 --event-log events.json 2> messages &
exec {messages}< messages
while read -r -u "$messages" line; do
    if [[ $line == 'pinwardend ready'* ]]; then break; fi
done
cat <&"$messages" > /dev/null &
# What the host forwards arrives at the guest's network address.
socat "TCP-LISTEN:$port,bind=10.0.2.15,fork,reuseaddr" "TCP:127.0.0.1:9877" &

cat > node << 'N'
#!/bin/sh
read -r _
printf 'HTTP/1.0 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n\r\n'
awk '/^MemTotal/ { print "node_memory_MemTotal_bytes", $2 * 1024 }' /proc/meminfo
N
chmod +x node
socat "TCP-LISTEN:$node_port,bind=10.0.2.15,fork,reuseaddr" EXEC:./node &

# pinned FOLDER DEVICE [COMMAND]: a process that has a file there in the hands of a device, as $pid.
pinned() {
    truncate -s 64K "/mnt/data/$1/file"
    coproc program { exec pinner; }
    # shellcheck disable=SC2154 # coproc sets it
    to_program=${program[1]} from_program=${program[0]} pid=$program_PID
    printf '%s\n' "file /mnt/data/$1/file 65536" "pin $2" ${3:+"$3"} >&"$to_program"
    for _ in 1 2 ${3:+3}; do
        read -r -u "$from_program" answer
        [[ $answer == ok* ]] || { echo "guest: $answer" >&2; exit 1; }
    done
}
let_go() {
    exec {to_program}>&- {from_program}<&-
    wait "$pid" 2> /dev/null || true
}

round=0
while true; do
    for device in "rdma rw" uring; do
        pinned denied "$device"
        truncate -s 0 /mnt/data/denied/file 2> /dev/null || true
        let_go
        pinned watched "$device"
        truncate -s 0 /mnt/data/watched/file
        let_go
        pinned open "$device"
        truncate -s 0 /mnt/data/open/file
        let_go
        pinned held "$device"
        truncate -s 0 /mnt/data/held/file 2> /dev/null || true
        let_go
        pinned asked "$device" answer
        truncate -s 0 /mnt/data/asked/file 2> /dev/null || true
        let_go
    done
    # Its owner is gone, and another process keeps the device open: an orphan, and after --leak-after a leak.
    pinned open "rdma rw" heir
    heir=${answer#ok }
    kill -9 "$pid"
    let_go
    until pinctl pins --leaked | grep -q pinner; do :; done
    kill "$heir" || true
    pinctl audit > /dev/null
    round=$((round + 1))
    echo "round $round is over"
done
