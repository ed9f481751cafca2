#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs inside the container, as root, with the units installed and nothing started.
# Fails at the first expectation that does not hold, with what systemd knows.
set -euo pipefail

wrong() {
        printf 'FAILED: %s\n' "$*"
        systemctl status --no-pager --full sfshmd.service sfshmd.socket || :
        journalctl --no-pager --unit=sfshmd.service --unit=sfshmd.socket --lines=60 || :
        cat /test/etcd.log /test/answer 2>/dev/null || :
        exit 1
}

ok() {
        printf 'ok: %s\n' "$*"
}

# expect WHAT COMMAND…
expect() {
        local what=$1
        shift
        "$@" || wrong "$what: $*"
        ok "$what"
}

# within LIMIT-SECONDS COMMAND…
within() {
        local end=$((SECONDS + $1))
        shift
        until "$@"; do
                ((SECONDS < end)) || return 1
                sleep 0.2
        done
}

property() {
        systemctl show --property="$1" --value "${2:-sfshmd.service}"
}

is() {
        [[ $(property "$1" "${3:-sfshmd.service}") == "$2" ]]
}

as_caller() (
        exec setpriv --reuid=caller --regid=caller --clear-groups "$@"
)

three_ids() {
        [[ $(as_caller sfshm next -n 3 | sort -u | wc -l) == 3 ]]
}

journal_has() {
        journalctl --sync
        journalctl --no-pager --output=cat --boot | grep -q -e "$1"
}

# The last event $1 of the unit has all these fields, written as NAME=value.
journal_field() {
        local event=$1 found field

        shift
        journalctl --sync
        found=$(journalctl --no-pager --output=json --boot _SYSTEMD_UNIT=sfshmd.service \
                "SFSHM_EVENT=$event" | tail -n 1)
        for field; do
                grep -q "\"${field%%=*}\" *: *\"${field#*=}\"" <<<"$found" || return 1
        done
}

# Another process than $1 is the daemon, and ready.
replaced() {
        local now

        # at one moment: an old process may be active still, a new one not yet
        now=$(systemctl show --property=MainPID --property=SubState sfshmd.service)
        [[ $now == *SubState=running* && $now != *"MainPID=$1"$'\n'* ]]
}

# ---- as after `meson install`

ldconfig
echo 'u caller - "takes IDs"' | systemd-sysusers -
systemd-sysusers
systemctl daemon-reload
systemctl enable --quiet sfshmd.service
systemctl start sfshmd.socket

expect "the daemon does not run before somebody connects" is ActiveState inactive
expect "the socket is for everybody" [ "$(stat -c %a /run/sfshm/sfshm.sock)" = 666 ]
expect "the first connect starts it, an unprivileged user has IDs" three_ids
expect "it runs" is ActiveState active
expect "as the user sfshm" [ "$(stat -c %U "/proc/$(property MainPID)")" = sfshm ]
expect "its status is in words" [ -n "$(property StatusText)" ]
expect "systemctl status shows them" \
        grep -qF "$(property StatusText)" <(systemctl status --no-pager sfshmd.service)
expect "the journal has the start" journal_has 'serves workers 17 to 17 on /run/sfshm/sfshm.sock'
expect "with fields" journal_field start PRIORITY=6 SYSLOG_IDENTIFIER=sfshmd WORKER=17 \
        'MESSAGE_ID=[0-9a-f]\{32\}' "_PID=$(property MainPID)"
expect "the clock is for everybody" [ "$(stat -c %U:%G:%a /dev/shm/sfshm.clock)" = sfshm:sfshm:644 ]
expect "the ledger is the daemon's" [ "$(stat -c %U:%G:%a /dev/shm/sfshm.ledger)" = sfshm:sfshm:600 ]
expect "the statistics are the group's" \
        [ "$(stat -c %U:%G:%a /dev/shm/sfshm.statistics)" = sfshm:sfshm:640 ]
expect "the state is the daemon's" [ "$(stat -c %U:%G:%a /var/lib/sfshm)" = sfshm:sfshm:700 ]

# ---- under load

load() {
        setpriv --reuid=caller --regid=caller --clear-groups /test/load >/test/load.out 2>&1 &
        load_pid=$!
        within 30 grep -q ready /test/load.out || wrong "the load does not start: $(cat /test/load.out)"
}

load
expect "it tells clients apart in spite of the hardening: their names" \
        grep -qw load <(sfshm-stat --json --clients)
expect "and users" grep -qE "\"uid\": ?$(id -u caller)\b" <(sfshm-stat --json --clients)

# The clients of the load, by their numbers.
load_clients() {
        sfshm-stat --json --clients |
                sed 's/{"client":/\n&/g' | sed -n 's/^{"client":\([0-9]*\),.*"command":"load".*/\1/p' |
                sort -n
}

stored() {
        [[ $(property NFileDescriptorStore) == $((3 * $(wc -l <<<"$1"))) ]]
}

clients=$(load_clients)
expect "the load has clients" [ -n "$clients" ]
expect "their pages and connections are in the descriptor store" within 30 stored "$clients"

pid=$(property MainPID)
systemctl reload sfshmd.service || wrong "systemctl reload"
expect "systemctl reload: the same process" is MainPID "$pid"
expect "systemctl reload: it runs" is SubState running

systemctl restart sfshmd.service
expect "systemctl restart: another process" replaced "$pid"
expect "systemctl restart: IDs for a newcomer" three_ids

pid=$(property MainPID)
systemctl kill --signal=KILL sfshmd.service
expect "SIGKILL: restarted" within 30 replaced "$pid"
expect "SIGKILL: IDs for a newcomer" three_ids

for thread in sfshmd-ticker sfshmd-stats; do
        pid=$(property MainPID)
        /test/stop "$pid" "$thread" &
        expect "a stopped $thread: killed by the watchdog, and restarted" within 30 replaced "$pid"
        expect "a stopped $thread: named in the journal" journal_has "the thread $thread has not answered"
done
expect "the watchdog it was" journal_has 'Watchdog timeout'

pid=$(property MainPID)
systemctl kill --signal=STOP sfshmd.service
expect "SIGSTOP: killed by the watchdog, and restarted" within 30 replaced "$pid"
expect "SIGSTOP: IDs for a newcomer" three_ids

expect "the load's clients are the very same as before all that" \
        [ "$(load_clients)" = "$clients" ]
expect "none was refused by the next daemon" [ -z "$(journalctl --sync
        journalctl --no-pager --output=cat --boot | grep not-adopted)" ]

kill "$load_pid"
wait "$load_pid" || wrong "the load through all of it: $(cat /test/load.out)"
ok "the load through all of it: $(tail -n 1 /test/load.out)"

# ---- refusals

restarts=$(property NRestarts)
printf '[workers]\nfrist = 17\n' >/etc/sfshm/sfshmd.conf
systemctl restart sfshmd.service && wrong "it starts with a wrong configuration"
expect "a wrong configuration: status 2" is ExecMainStatus 2
expect "a wrong configuration: failed, not restarted" is ActiveState failed
expect "a wrong configuration: named in the journal" journal_has 'unknown key workers.frist'
as_caller sfshm next >/dev/null 2>&1 && wrong "IDs without a daemon"
expect "who connects meanwhile makes no hot loop: the socket fails" \
        within 30 is Result trigger-limit-hit sfshmd.socket
expect "no restarts" [ "$(property NRestarts)" -le "$restarts" ]
printf '[workers]\nfirst = 17\n' >/etc/sfshm/sfshmd.conf
systemctl reset-failed sfshmd.service sfshmd.socket
systemctl start sfshmd.socket sfshmd.service
expect "once it is corrected: IDs again" three_ids

systemctl stop sfshmd.service sfshmd.socket
printf 'torn' >/var/lib/sfshm/fence
systemctl start sfshmd.service && wrong "it starts with a damaged state"
expect "a damaged state: status 3" is ExecMainStatus 3
expect "a damaged state: failed, not restarted" is ActiveState failed
expect "a damaged state: the status says so" [ -n "$(property StatusText)" ]

# ---- the exporter, if it was built

# http PATH: the answer of the exporter
http() {
        exec 3<>/dev/tcp/127.0.0.1/9463
        printf 'GET %s HTTP/1.1\r\nHost: x\r\n\r\n' "$1" >&3
        cat <&3
        exec 3>&-
}

says() {
        http "$1" >/test/answer
        grep -q -e "$2" /test/answer
}

if [[ -e /usr/local/sbin/sfshm-exporter ]]; then
        systemctl start sfshm-exporter.socket
        expect "a request starts the exporter: the daemon is dead" says /readyz '^dead: '
        expect "it is another user" \
                [ "$(stat -c %U "/proc/$(property MainPID sfshm-exporter.service)")" = sfshm-exporter ]
        printf '[workers]\nfirst = 17\n' >/etc/sfshm/sfshmd.conf
        rm -f /var/lib/sfshm/* /dev/shm/sfshm.*
        systemctl reset-failed sfshmd.service
        systemctl start sfshmd.socket sfshmd.service
        expect "it sees the daemon from its sandbox" within 30 says /readyz '^serving: '
        expect "with its statistics" says /metrics '^sfshm_ids_total{worker="17"} '
        systemctl stop sfshmd.service sfshmd.socket sfshm-exporter.service sfshm-exporter.socket
fi

# ---- with a coordinator, by the drop-in of the unit's comment, as a host anew

systemctl reset-failed sfshmd.service
rm -f /var/lib/sfshm/* /dev/shm/sfshm.*
printf '[workers]\nbackend = etcd\n[etcd]\nendpoints = http://127.0.0.1:2379\nttl = 6s\n' \
        >/etc/sfshm/sfshmd.conf
mkdir -p /etc/systemd/system/sfshmd.service.d
{
        echo '[Service]'
        sed -n '/A coordinator needs this drop-in:/,/^# Names/s/^#   //p' \
                "$(property FragmentPath)" | sed 's/ADDRESS…/127.0.0.1/'
} >/etc/systemd/system/sfshmd.service.d/coordinator.conf
expect "the comment has the drop-in" grep -q PrivateNetwork=no \
        /etc/systemd/system/sfshmd.service.d/coordinator.conf
systemctl daemon-reload
etcd_url=http://127.0.0.1:2379
start_etcd() {
        /test/etcd --data-dir /test/etcd.data --listen-client-urls $etcd_url \
                --advertise-client-urls $etcd_url --listen-peer-urls http://127.0.0.1:2380 \
                >>/test/etcd.log 2>&1 &
        etcd=$!
}
start_etcd
expect "the operator begins the space" within 60 sfshm workers --begin
kill "$etcd"
wait "$etcd" || :
systemctl start --no-block sfshmd.socket sfshmd.service
expect "without its coordinator a start waits, and says so" within 30 journal_has 'event=etcd-away'
start_etcd
expect "the coordinator comes: it serves by itself" within 60 is SubState running
expect "with a coordinator: IDs" three_ids
expect "sfshm workers shows this host" grep -qF "$(cat /etc/machine-id)" <(sfshm workers --json)
kill -STOP "$etcd"
pid=$(property MainPID)
expect "with a coordinator that hangs: IDs" three_ids
systemctl stop sfshmd.service
expect "it can be stopped nevertheless" is MainPID 0
kill -CONT "$etcd"
systemctl start sfshmd.service || wrong "it does not start again"
expect "and starts with the same worker IDs" three_ids
systemctl stop sfshmd.service sfshmd.socket
expect "a clean stop gives them back" grep -qF '"state":"released"' <(sfshm workers --json)
kill "$etcd"

echo "all well"
