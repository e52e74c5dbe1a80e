# The agent is stopped, and replaced by another build, while a hook runs and while an application lives.
slow() { # VERSION SECONDS
    local dir=$work/slow-$1
    mkdir -p "$dir/scripts" "$dir/app"
    echo "$1" >"$dir/app/version"
    printf 'version: 0.0\nos: linux\nfiles: [{source: app, destination: /srv/slow}]\nhooks:\n  ApplicationStop: [{location: scripts/stop.sh, timeout: 20}]\n  AfterInstall: [{location: scripts/wait.sh, timeout: 60}]\n  ApplicationStart: [{location: scripts/start.sh, timeout: 20}]\n' >"$dir/appspec.yml"
    printf '#!/bin/sh\nkill "$(cat /run/slow.pid)"\n' >"$dir/scripts/stop.sh"
    printf '#!/bin/sh\necho begun; touch /run/slow.waits; sleep %s; rm /run/slow.waits; echo done\n' "${2:-0}" >"$dir/scripts/wait.sh"
    printf '#!/bin/sh\nnohup sleep 100000 >/dev/null 2>&1 &\necho $! >/run/slow.pid\n' >"$dir/scripts/start.sh"
}
waits() { h test -e /run/slow.waits; }
# built NAME: the same programs with other bytes, as another build would have, over those that are installed.
built() {
    for binary in pilotage-agent pilotage-deployer; do
        cp "$bin/$binary" "$work/$binary" && printf '%s' "$1" >>"$work/$binary"
        "$fleet" push h1 "$work/$binary" "/usr/bin/$binary" || fail "push of $binary"
    done
}
story "agent: stopped in the middle of a hook, the run goes on without it, and is told of when it is back"
for version in 1:0 2:6 3:6 4:0; do slow "${version%:*}" "${version#*:}"; pushed slow "${version%:*}"; done
applied slow
deployed slow 1
p deploy slow 2 --reason test >/dev/null || fail "deploy"
until_ 20 waits
h systemctl stop pilotage-agent || fail "stop"
waits || fail "the hook was ended with the agent"
over() { ! waits; }
until_ 20 over
stands() { says "$1" h cat /srv/slow/version && h sh -c 'kill -0 $(cat /run/slow.pid)'; }
until_ 10 stands 2
h systemctl start pilotage-agent || fail "start"
p wait slow --timeout 60s >"$work/out" 2>&1 || fail "wait: $(cat "$work/out")"
says "[stdout]done" h pilotage-agent logs slow || fail "the log of the hook is not whole: $(h pilotage-agent logs slow)"

story "agent: upgraded while the application runs, and in the middle of a hook: both live on"
pid=$(h cat /run/slow.pid)
built first
h systemctl restart pilotage-agent || fail "restart"
until_ 10 h pilotage-agent status
h kill -0 "$pid" || fail "the application ended with the upgrade"
p deploy slow 3 --reason test >/dev/null || fail "deploy"
until_ 20 waits
unit=$(h systemctl list-units --plain --no-legend 'pilotage-run-*' | awk '{print $1}')
deployer=$(main_pid "$unit")
built second
h systemctl restart pilotage-agent || fail "restart"
until_ 10 h pilotage-agent status
h kill -0 "$deployer" && waits || fail "the run was ended with the upgrade"
p wait slow --timeout 60s >"$work/out" 2>&1 || fail "wait: $(cat "$work/out")"
stands 3 || fail "3 does not stand"
deployed slow 4
stands 4 || fail "4 does not stand"
