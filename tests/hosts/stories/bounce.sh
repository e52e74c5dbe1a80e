# A package whose script has the host rebooted (exit 194), where the host allows it: the run goes on behind that script.
bounce() { # VERSION
    local dir=$work/bounce-$1
    mkdir -p "$dir/scripts"
    echo "$1" >"$dir/version"
    printf 'version: 0.0\nos: linux\nfiles: [{source: version, destination: /srv/bounce}]\nhooks:\n  AfterInstall: [{location: scripts/ask.sh, timeout: 20}, {location: scripts/behind.sh, timeout: 20}]\n  ApplicationStart: [{location: scripts/start.sh, timeout: 20}]\nx-pilotage: {}\n' >"$dir/appspec.yml"
    printf '#!/bin/sh\ncat /proc/sys/kernel/random/boot_id >/srv/bounce-asked\nexit 194\n' >"$dir/scripts/ask.sh"
    printf '#!/bin/sh\n[ "$(cat /proc/sys/kernel/random/boot_id)" != "$(cat /srv/bounce-asked)" ] || exit 3\necho once >>/srv/bounce-behind\n' >"$dir/scripts/behind.sh"
    printf '#!/bin/sh\nnohup sleep 54321 >/dev/null 2>&1 &\n' >"$dir/scripts/start.sh"
}
story "bounce: refused where the host does not allow it; where it does the host boots and the run goes on behind the script"
bounce 1; pushed bounce 1
bounce 2; pushed bounce 2
applied bounce
ended 4 bounce 1
says 'reboot = "allowed"' p logs bounce/h1 || fail "it does not say what would allow it: $(p logs bounce/h1)"
on 'sed -i "s/^#reboot = \"never\" /reboot = \"allowed\" /" /etc/pilotage/agent.toml; systemctl restart pilotage-agent'
until_ 10 h pilotage-agent status
p package release bounce@1 --reason allowed >/dev/null 2>&1
p deploy bounce 2 --reason test >/dev/null || fail deploy
is_down() { ! "$fleet" pid h1; }
until_ 60 is_down
says "Rebooting." "$fleet" log h1 || fail "it did not go down for a reboot"
# A container is not started again by itself.
"$fleet" start h1 >/dev/null || fail "no boot"
until_ 30 h pilotage-agent status
until_ 30 p wait bounce --timeout 60s
says 2 h cat /srv/bounce/version && h pgrep -f "sleep 54321" >/dev/null || fail "2 does not stand behind the reboot"
[ "$(h cat /srv/bounce-behind)" = once ] || fail "it was not once that it went on"
