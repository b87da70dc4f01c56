#!/bin/bash
# The package's whole life in a guest that systemd runs: installed, enforcing, upgraded while somebody truncates all the
# time, its daemon killed and stopped, removed, purged. Everything happens under the unit as it is shipped, sandbox included.
# Needs: ./dev vm KERNEL --systemd, and what ./dev package has made.
set -euo pipefail
repo=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
# shellcheck source=tests/vm/make-rdma.sh
. "$repo/tests/vm/make-rdma.sh"
readonly pinner=$repo/build/bin/pinner data=/srv/data bpf=/sys/fs/bpf/pinwarden
export PATH=/usr/sbin:/usr/bin:/sbin:/bin # what is installed, not what was built
cd "$(mktemp -d)"

chapter() { printf '\n== %s\n' "$*"; }

failed() {
    {
        printf 'FAILED: %s\n' "$*"
        systemctl status --no-pager --full pinwardend.service || true
        journalctl --no-pager --unit pinwardend.service --lines 40 || true
    } >&2
    exit 1
}

# eventually WHAT SECONDS COMMAND...: waits until the command succeeds.
eventually() {
    local what=$1 limit=$((SECONDS + $2))
    shift 2
    until "$@"; do
        [ $SECONDS -lt $limit ] || failed "$what: not so after all that time"
        sleep 0.1
    done
}

active() { systemctl is-active --quiet pinwardend.service; }
gone() { [ ! -e "$1" ]; }
ended() { ! kill -0 "$1" 2> /dev/null; }
property() { systemctl show --value --property "$1" pinwardend.service; }
restarts_are() { [ "$(property NRestarts)" = "$1" ] && active; }

declare -A pid to from # of the processes that pin, by name
# Other people's: the daemon is root, and may do to processes of root what it may not do to others.
nobody=(setpriv --reuid=nobody --regid=nogroup --clear-groups)

start_pinner() {
    local in out
    mkfifo "$1.in" "$1.out"
    "${nobody[@]}" "$pinner" < "$1.in" > "$1.out" &
    pid[$1]=$!
    disown # how it ends is not for the shell to tell
    exec {in}> "$1.in" {out}< "$1.out"
    to[$1]=$in from[$1]=$out
}

# ask NAME COMMAND...: what it says is in $answer.
ask() {
    local name=$1
    shift
    printf '%s\n' "$*" >&"${to[$name]}"
    read -r -u "${from[$name]}" answer || failed "the process that pins is gone"
    [[ $answer == ok* ]] || failed "$*: $answer"
    answer=${answer#ok}
    answer=${answer# }
}

# pin NAME FILE: a process of that name has pages 4 to 7 in the hands of a device.
pin() {
    start_pinner "$1"
    ask "$1" file "$2" 65536
    ask "$1" pin rdma rw 16384 16384
}

refused() {
    local output
    if output=$(truncate -s 16384 "$1" 2>&1); then failed "a truncate of $1 went through"; fi
    [[ $output == *'Device or resource busy'* ]] || failed "a truncate of $1 failed for another reason: $output"
}

truncated() { truncate -s 16384 "$1" 2> /dev/null; }

# Truncates the file over and over until `stop` is there. Tells how often, and how often it went through.
start_truncating() {
    rm -f stop
    python3 - "$data/kept" > truncated << 'P' &
import errno, os, sys, time
tries = through = 0
while not os.path.exists("stop"):
    tries += 1
    try:
        os.truncate(sys.argv[1], 16384)
        through += 1
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
    time.sleep(0.001)  # leaves the processor to those who start, and is shorter than any gap between two daemons
print(tries, through)
P
    truncating=$!
}

none_slipped_through() {
    local tries through
    : > stop
    wait "$truncating" || failed "the process that truncates ended with an error"
    read -r tries through < truncated
    [ "$through" = 0 ] || failed "$through of $tries truncates went through"
    [ "$tries" -gt 100 ] || failed "only $tries truncates were tried"
    echo "$tries truncates, none went through"
}

one_set_kept() { [ "$(find $bpf/links -mindepth 1 -maxdepth 1 | wc -l)" = 1 ]; }

packages=("$repo"/build/package/pinwarden_*.deb)
[ -e "${packages[0]}" ] || failed "no package: ./dev package makes it"
cp /etc/group /etc/gshadow .
rm -f /var/lib/man-db/auto-update # looking through all of the host's manual takes minutes

chapter "install"
dpkg -i "${packages[0]}"
active || failed "it is not active once installed"
systemctl is-enabled pinwardend.service
pinctl status > shown || failed "pinctl status ends with $?"
if grep ^Note shown; then failed "the daemon lacks something"; fi
[[ $(property StatusText) == *"0 policies"* ]] || failed "its status says '$(property StatusText)'"
sockets=$(stat -c '%n %a %U:%G' /run/pinwarden/*.sock)
[ "$sockets" = "/run/pinwarden/operator.sock 660 root:pinwarden-admin
/run/pinwarden/reader.sock 660 root:pinwarden" ] || failed "the sockets are not as they should be: $sockets"
# Without a time and a level of its own.
[[ $(journalctl --unit pinwardend.service --output=cat) == *$'\nkernel '* ]] || failed "it does not log as the journal does"
as_member() { setpriv --reuid=nobody --regid="$1" --clear-groups pinctl "${@:2}" 2>&1; }
as_member pinwarden status > shown || failed "a reader cannot read: $(cat shown)"
as_member pinwarden-admin policy list > shown || failed "an operator cannot read: $(cat shown)"
if as_member nogroup status > shown; then failed "a stranger can read"; fi
curl -fsS 127.0.0.1:9877/metrics > metrics || failed "there are no metrics"
systemd-analyze security --no-pager --threshold=35 pinwardend.service | tail -n 1

chapter "enforce"
make_rdma > /dev/null
chmod 666 /dev/infiniband/uverbs0
mkdir -p $data
mount -t tmpfs -o mode=777 tmpfs $data # which the daemon's own view of the mounts must come to have
# policy NAME ACTION UNATTENDED: for the file of that name.
policy() {
    cat > "$1.yaml" << P
name: $1
mode: enforce
match:
  operations: [truncate]
  file: {path_prefixes: [$data/$1]}
action: $2
when_unattended: $3
P
    pinctl policy apply "$1.yaml"
}
pin keeper $data/kept
policy kept '{deny: {errno: EBUSY}}' keep
refused $data/kept
[[ $(pinctl pins) == *rdma_rxe* ]] || failed "the driver is not known: are the kernel's symbols hidden from it?"

chapter "upgrade while somebody truncates"
dpkg-deb -R "${packages[0]}" next
version=$(dpkg-deb -f "${packages[0]}" Version)
sed -i "s/^Version: .*/Version: $version+next/" next/DEBIAN/control
dpkg-deb -b next next.deb
before=$(property MainPID)
start_truncating
dpkg -i next.deb
active || failed "it is not active once upgraded"
[ "$(property MainPID)" != "$before" ] || failed "the old daemon still runs"
eventually "the new daemon has taken over" 60 one_set_kept
none_slipped_through
[ "$(dpkg-query -W -f '${Version}' pinwarden)" = "$version+next" ] || failed "it was not upgraded"

chapter "the daemon is killed while somebody truncates"
start_truncating
kill -KILL "$(property MainPID)"
eventually "systemd has started it again" 400 restarts_are 1
eventually "the new daemon has taken over" 60 one_set_kept
none_slipped_through

chapter "a signal, through the unit's sandbox"
pin victim $data/signalled
policy signalled '{signal: {target: owners, signals: [SIGKILL]}}' release
truncate -s 16384 $data/signalled || true
eventually "the owner is killed" 20 ended "${pid[victim]}"
kill -0 "${pid[keeper]}" || failed "a bystander was killed"
grep -q SIGKILL /var/log/pinwarden/audit.log || failed "the signal is not on record"
pinctl audit-log | tail -n 2

chapter "the daemon stands still while it holds somebody"
pin holder $data/held
policy held '{hold: {timeout: 10m, on_timeout: deny}}' keep
"${nobody[@]}" truncate -s 16384 $data/held 2> held &
caller=$!
held() { [[ $(pinctl holds) == *truncate* ]]; }
eventually "the caller is held" 20 held
start_truncating
kill -STOP "$(property MainPID)"
eventually "the watchdog has it started again" 400 restarts_are 2
journalctl --no-pager --unit pinwardend.service --grep 'Watchdog timeout' | tail -n 1
# The guardian survives what the watchdog sends to the whole service.
eventually "the caller is let go" 20 ended $caller
grep -q 'Device or resource busy' held || failed "the caller was not denied: $(cat held)"
eventually "the new daemon has taken over" 60 one_set_kept
none_slipped_through

chapter "a start that fails"
echo 'name: [' > /etc/pinwarden/policies.d/broken.yaml
if systemctl restart pinwardend.service 2> /dev/null; then failed "it starts with a policy that cannot be read"; fi
journalctl --no-pager --unit pinwardend.service --priority err --output=cat --grep broken.yaml | tail -n 1
refused $data/kept
rm /etc/pinwarden/policies.d/broken.yaml
systemctl reset-failed pinwardend.service

chapter "events in the journal"
echo 'event_journal: true' > /etc/pinwarden/pinwarden.d/events.yaml
systemctl start pinwardend.service
[[ $(pinctl policy list) == *kept* ]] || failed "the policy is not known any more"
# Before, it is the links of the one before that deny, of which nobody reads.
eventually "the new daemon has taken over" 60 one_set_kept
refused $data/kept
event() {
    journalctl --no-pager --output=json --lines 1 PINWARDEN_DATASET=pinwarden.conflict _SYSTEMD_UNIT=pinwardend.service |
        jq -r '.PINWARDEN_EVENT' | jq -c '[.file.path, .event.outcome, .rule.name]' > event 2>&1
    [ "$(cat event)" = "[\"$data/kept\",\"failure\",\"kept\"]" ]
}
eventually "the journal has the denial, for whoever ships it" 20 event
cat event

chapter "remove"
dpkg -r pinwarden
if active; then failed "it is still active"; fi
eventually "nothing is in force any more" 20 truncated $data/kept
gone $bpf || failed "something is left in $bpf: $(find $bpf)"
[ -e /etc/pinwarden/pinwarden.yaml ] || failed "its settings are gone before purge"

chapter "purge"
dpkg -P pinwarden
if ! cmp group /etc/group || ! cmp gshadow /etc/gshadow; then failed "its groups are still there"; fi
left=$(find /etc /run /var/lib /var/log /lib/systemd /usr/lib/systemd /usr/lib/sysusers.d /usr/lib/tmpfiles.d /usr/bin /usr/sbin \
    /usr/share/doc /usr/share/man /usr/share/pinwarden /sys/fs/bpf \( -name '*pinwarden*' -o -name 'pinctl*' \) \
    ! -name '*pinwarden-guest.*' 2> find.errors || true)
[ -z "$left" ] || failed "something is left: $left"
if pgrep -l pinwarden; then failed "processes are left"; fi
echo "nothing is left"
