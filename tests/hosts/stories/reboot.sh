# A host goes down in the middle of a deployment: without warning in a hook, between the renames of the switch, behind it; and
# cleanly. Behind it the old or the new release stands exactly, and the next deployment works.
big() { # VERSION
    local dir=$work/big-$1 n
    mkdir -p "$dir"/{app,scripts}
    for n in $(seq 40); do
        mkdir -p "$dir/app/part$n"
        for m in $(seq 100); do echo "$1 $n $m" >"$dir/app/part$n/file$m"; done
    done
    for n in $(seq 30); do echo "$1" >"$dir/app/part$n/only-$1"; done
    ln -s "part1/only-$1" "$dir/app/current"
    cat >"$dir/appspec.yml" <<'Y'
version: 0.0
os: linux
files: [{source: app, destination: /srv/big}]
permissions:
  - {object: /srv/big, pattern: "**", owner: www-data, group: adm, mode: 640, type: [file]}
hooks:
  ApplicationStop: [{location: scripts/hook.sh, timeout: 60}]
  BeforeInstall: [{location: scripts/hook.sh, timeout: 60}]
  AfterInstall: [{location: scripts/hook.sh, timeout: 60}]
  ApplicationStart: [{location: scripts/hook.sh, timeout: 60}]
  ValidateService: [{location: scripts/hook.sh, timeout: 60}]
Y
    cat >"$dir/scripts/hook.sh" <<'S'
#!/bin/sh
case $LIFECYCLE_EVENT in
ApplicationStop) kill "$(cat /run/big.pid)" ;;
BeforeInstall) rm -rf /srv/big/part1 /srv/big/part2 ;;
AfterInstall) mkdir -p /srv/big/made; echo made >/srv/big/made/by-hook ;;
ApplicationStart) nohup sleep 100000 >/dev/null 2>&1 & echo $! >/run/big.pid ;;
esac
# The test says where it stands still.
[ "$LIFECYCLE_EVENT" != "$(cat /etc/stand-still 2>/dev/null)" ] || { touch /run/stands; sleep 50; }
S
}
# Old or new, whole: prints which.
stands_big() {
    local now
    now=$(tree /srv/big)
    for version in "${!trees[@]}"; do [ "$now" = "${trees[$version]}" ] && { echo "$version"; return 0; }; done
    diff <(echo "${trees[$1]}") <(echo "$now") | head -n 20
    return 1
}
lives() { h sh -c 'kill -0 $(cat /run/big.pid)'; }
settled_somewhere() { p status big >"$work/out" 2>&1; h pilotage-agent status >"$work/said" 2>&1; ! grep -q "in a run" "$work/said" && grep -q "big .*Available" "$work/said"; }

story "reboot: two releases as they should be, for comparison"
declare -A trees=()
big 1; pushed big 1
big 2; pushed big 2
applied big
for version in 1 2 1; do deployed big $version; trees[$version]=$(tree /srv/big); done
[ "$(tree /srv/big)" = "${trees[1]}" ] || fail "1 is not the same the second time"

# down WHERE HOW: deploys 2 over 1, takes the host down when it stands there, and looks at what it comes back to.
goes_down() {
    local where=$1 how=$2 stood done_=
    case $where in
    switch) : ;;
    *) on "rm -f /run/stands; echo $where >/etc/stand-still" ;;
    esac
    p deploy big 2 --reason "$where" >/dev/null || fail "deploy"
    if [ "$where" = switch ]; then
        # As soon as the first of the new files has its place; how far the others got is seen on the disk.
        disk=$FLEET/hosts/h1/root/srv/big
        local begin=$SECONDS
        until [ -e "$disk/part1/only-2" ]; do [ $((SECONDS - begin)) -lt 30 ] || fail "no switch"; done
    else
        until_ 30 h test -e /run/stands
    fi
    case $how in
    power)
        "$fleet" kill h1
        [ "$where" != switch ] || done_=", $(ls "$disk"/part*/only-2 | wc -l) of 30 renamed"
        ;;
    clean) "$fleet" poweroff h1 ;;
    esac
    "$fleet" start h1 >/dev/null || fail "no boot"
    on 'rm -f /etc/stand-still'
    until_ 20 h pilotage-agent status
    p wait big --timeout 60s >"$work/out" 2>&1
    until_ 60 lives
    until_ 30 settled_somewhere
    stood=$(stands_big 1) || fail "$where, $how: neither 1 nor 2 stands: $stood"
    story "reboot: $how in $where$done_: $stood stands"
    # Of a fleet of one a hook that was cut off is one failure too many: the package is held until a person has looked.
    p package release big@2 --reason reboot >/dev/null 2>&1
    deployed big 2
    deployed big 1
    [ "$(stands_big 1)" = 1 ] || fail "1 does not stand behind it"
}
for where in ApplicationStop BeforeInstall switch AfterInstall ApplicationStart ValidateService; do goes_down $where power; done
for where in BeforeInstall AfterInstall; do goes_down $where clean; done
