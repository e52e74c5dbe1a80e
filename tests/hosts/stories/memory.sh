# Want of memory in a hook ends the process that wants too much, and neither the deployer nor the run.
hungry() { # VERSION
    local dir=$work/hungry-$1
    mkdir -p "$dir/scripts"
    printf 'version: 0.0\nos: linux\nhooks:\n  AfterInstall: [{location: scripts/eat.sh, timeout: 60}]\n  ApplicationStart: [{location: scripts/start.sh, timeout: 20}]\n' >"$dir/appspec.yml"
    printf '#!/bin/sh\nunit=$(sed -n "s|.*/\\(pilotage-run-[^/]*\\.service\\).*|\\1|p" /proc/self/cgroup | head -n 1)\nsystemctl show -p OOMPolicy -p TasksMax -p KillMode "$unit"\npython3 -c "x = bytearray(400 << 20)"\necho "it ended with $?"\nexit 0\n' >"$dir/scripts/eat.sh"
    printf '#!/bin/sh\nnohup sleep 99999 >/dev/null 2>&1 &\n' >"$dir/scripts/start.sh"
}
story "memory: a child of a hook that is killed for want of memory fails alone"
hungry 1; pushed hungry 1
on 'mkdir -p /etc/systemd/system/pilotage-runs.slice.d; printf "[Slice]\nMemoryMax=150M\n" >/etc/systemd/system/pilotage-runs.slice.d/limit.conf; systemctl daemon-reload'
applied hungry
deployed hungry 1
h pilotage-agent logs hungry >"$work/out"
says "it ended with 137" cat "$work/out" || fail "nothing was killed: $(cat "$work/out")"
for property in OOMPolicy=continue TasksMax=infinity KillMode=process; do says "$property" cat "$work/out" || fail "not $property: $(cat "$work/out")"; done
h pgrep -f "sleep 99999" >/dev/null || fail "the application does not run"
on 'rm -r /etc/systemd/system/pilotage-runs.slice.d; systemctl daemon-reload'
