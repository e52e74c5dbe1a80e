# Two hosts in two zones with a floor of one: one after the other, whatever goes wrong; a witness asks both all the time.
pair() { # VERSION [EXIT OF VALIDATE]
    local dir=$work/pair-$1
    mkdir -p "$dir"/{app,scripts}
    echo "pair $1" >"$dir/app/version"
    printf 'version: 0.0\nos: linux\nfiles: [{source: app, destination: /srv/pair}]\nhooks:\n  ApplicationStop: [{location: scripts/stop.sh, timeout: 20}]\n  ApplicationStart: [{location: scripts/start.sh, timeout: 20, runas: www-data}]\n  ValidateService: [{location: scripts/validate.sh, timeout: 20}]\n' >"$dir/appspec.yml"
    printf '#!/bin/sh\npkill -f "http.server 9100"\nsleep 1\n' >"$dir/scripts/stop.sh"
    printf '#!/bin/sh\ncd /srv/pair && nohup python3 -m http.server 9100 >/dev/null 2>&1 &\n' >"$dir/scripts/start.sh"
    printf '#!/bin/sh\n[ -e /etc/stand-still ] && { touch /run/stands; sleep 50; }\nfor n in 1 2 3 4 5 6 7 8 9 10; do curl -fs localhost:9100/version && exit %s; sleep 0.3; done; exit 1\n' "${2:-0}" >"$dir/scripts/validate.sh"
}
ask() { "$fleet" hub curl -fsS --max-time 1 "http://$("$fleet" ip "$1"):9100/version" 2>/dev/null; }
# watched COMMAND…: while it runs, at least one of the two answers at any time.
watched() {
    local got
    rm -f "$work/nobody" "$work/watch.end"
    (
        while [ ! -e "$work/watch.end" ]; do
            # Asked one after the other: who has changed between the two is asked once more.
            ask h1 || ask h2 || ask h1 || date +%T.%N >>"$work/nobody"
            echo asked
        done >"$work/seen"
    ) &
    local witness=$!
    "$@"
    got=$?
    touch "$work/watch.end"
    wait $witness || fail "the witness has ended"
    [ "$(grep -c asked "$work/seen")" -ge 20 ] || fail "the witness has hardly asked: $(wc -l <"$work/seen")"
    [ ! -e "$work/nobody" ] || fail "nobody answered: $(head -n 3 "$work/nobody")"
    return $got
}
both() { [ "$(ask h1) $(ask h2)" = "pair $1 pair $1" ]; }

story "two: a second host boots and comes in over TCP"
on "printf 'listen = \"0.0.0.0:7400\"\nnames = [\"$("$fleet" ip h1)\"]\ninsecure = true\n' >>/etc/pilotage/coordinator.toml; systemctl restart pilotage-coordinator"
"$fleet" up 2-2 >/dev/null || fail "the second host does not boot"
p host add h2 pair=yes zone=b --token-file /root/h2.token >/dev/null || fail "host add"
p host label h1 pair=yes zone=a --reason zones >/dev/null || fail "host label"
h cat /root/h2.token >"$work/h2.token"
chmod 600 "$work/h2.token"
"$fleet" push h2 "$work/h2.token" /etc/pilotage/agent.token
sed "s|^host = .*|host = \"h2\"|; s|^coordinator = .*|coordinator = \"http://$("$fleet" ip h1):7400\"\ninsecure = true|; /^#insecure/d" "$work/agent.toml" >"$work/agent2.toml"
"$fleet" push h2 "$work/agent2.toml" /etc/pilotage/agent.toml
"$fleet" exec h2 systemctl enable --quiet --now pilotage-agent || fail "agent of h2"
until_ 20 says "in a session" "$fleet" exec h2 pilotage-agent status

story "two: upgraded one after the other; of a bad version one host is enough"
for version in 1:0 2:0 3:5 4:0 5:0; do pair "${version%:*}" "${version#*:}"; pushed pair "${version%:*}"; done
printf 'fleet: pair\napp: pair\nselect: pair=yes\nfloor: { fleet: 50%%, per: { zone: 0 } }\nfirst_install: true\nhealth: {http: "http://localhost:9100/version", every: 1s, healthy_for: 2s, unhealthy_for: 3s, deadline: 30s}\n' >"$work/pair.yml"
"$fleet" push h1 "$work/pair.yml" /root/pair.yml
p fleet apply /root/pair.yml >"$work/out" 2>&1 || fail "fleet apply: $(cat "$work/out")"
deployed pair 1
both 1 || fail "1 is not on both: $(ask h1) $(ask h2)"
watched deployed pair 2
both 2 || fail "2 is not on both: $(ask h1) $(ask h2)"
watched turned pair 3
both 2 || fail "2 is not on both again: $(ask h1) $(ask h2)"
p runs pair --failed >"$work/out"
[ "$(grep -c "^h[12] " "$work/out")" = 1 ] || fail "a bad version has reached more than one: $(cat "$work/out")"

story "two: a host that goes down without warning in its run: the other one stays, and the fleet comes out whole"
"$fleet" exec h2 touch /etc/stand-still
gone() {
    p deploy pair 4 --reason gone >/dev/null || fail deploy
    until_ 60 "$fleet" exec h2 test -e /run/stands
    "$fleet" kill h2
    until_ 20 says unreachable p hosts
    ask h1 >/dev/null || fail "the other one was taken too"
    "$fleet" start h2 >/dev/null || fail "no boot"
    "$fleet" exec h2 rm -f /etc/stand-still
    p wait pair --timeout 90s >"$work/out" 2>&1
}
watched gone
until_ 30 says "available 2 of 2" p status pair
[ "$(ask h1)" = "$(ask h2)" ] || fail "they differ: $(ask h1) $(ask h2)"
watched deployed pair 5
both 5 || fail "5 is not on both: $(ask h1) $(ask h2)"
