# Without a coordinator: `pilotage-agent local`, with a service account that cannot log in; and out of CodeDeploy and back.
jobs_() { # VERSION [EXIT OF VALIDATE]
    local dir=$work/jobs-$1
    mkdir -p "$dir"/{app,scripts}
    printf '#!/bin/sh\n# jobs %s\nexec sleep 100000\n' "$1" >"$dir/app/worker.sh"
    chmod +x "$dir/app/worker.sh"
    cat >"$dir/appspec.yml" <<'Y'
version: 0.0
os: linux
files:
  - {source: app, destination: /srv/jobs}
permissions:
  - {object: /srv/jobs, pattern: "**", owner: svc-jobs, group: svc-jobs, mode: 750, type: [file]}
hooks:
  ApplicationStop: [{location: scripts/stop.sh, timeout: 20, runas: svc-jobs}]
  ApplicationStart: [{location: scripts/start.sh, timeout: 20, runas: svc-jobs}]
  ValidateService: [{location: scripts/validate.sh, timeout: 20, runas: svc-jobs}]
Y
    printf '#!/bin/sh\nkill "$(cat "$HOME/pid")"\n' >"$dir/scripts/stop.sh"
    printf '#!/bin/sh\nid -un >"$HOME/who"; nohup /srv/jobs/worker.sh >"$HOME/log" 2>&1 &\necho $! >"$HOME/pid"\n' >"$dir/scripts/start.sh"
    printf '#!/bin/sh\nkill -0 "$(cat "$HOME/pid")" && exit %s\n' "${2:-0}" >"$dir/scripts/validate.sh"
    chmod +x "$dir"/scripts/*
    "$fleet" push h1 "$dir" "/root/bundles/jobs-$1" || fail "push of jobs"
}
locally() { h pilotage-agent local -l "/root/bundles/jobs-$1" -g jobs >"$work/out" 2>&1; }
works() { on "grep -qx '# jobs $1' /srv/jobs/worker.sh && kill -0 \$(cat /srv/jobs-home/pid) && [ \$(cat /srv/jobs-home/who) = svc-jobs ]"; }

story "local: deployed, upgraded, gone back, by an account without a login shell"
h useradd --system --create-home --home-dir /srv/jobs-home --shell /usr/sbin/nologin svc-jobs || fail useradd
jobs_ 1; jobs_ 2; jobs_ 3 4
for version in 1 2; do
    locally $version || fail "local $version: $(cat "$work/out")"
    works $version || fail "$version does not work"
done
locally 3 && fail "3 was taken as good"
works 2 || fail "2 does not work again: $(cat "$work/out")"
[ "$(h pgrep -c -u svc-jobs)" = 1 ] || fail "not one process of svc-jobs"

# CodeDeploy's tree as its agent leaves it: records, the archive, and an application that runs.
old() { # VERSION [EXIT OF VALIDATE]
    local dir=$work/old-$1
    mkdir -p "$dir"/{app,scripts}
    echo "$1" >"$dir/app/version"
    cat >"$dir/appspec.yml" <<'Y'
version: 0.0
os: linux
files:
  - {source: /app, destination: /srv/old}
hooks:
  ApplicationStop: [{location: scripts/stop.sh, timeout: 20}]
  ApplicationStart: [{location: scripts/start.sh, timeout: 20, runas: www-data}]
  ValidateService: [{location: scripts/validate.sh, timeout: 20}]
Y
    printf '#!/bin/sh\npkill -f "http.server 9000" || true\n' >"$dir/scripts/stop.sh"
    printf '#!/bin/sh\ncd /srv/old && nohup python3 -m http.server 9000 >/dev/null 2>&1 &\n' >"$dir/scripts/start.sh"
    printf '#!/bin/sh\nfor n in 1 2 3 4 5 6 7 8 9 10; do curl -fs localhost:9000/version && exit %s; sleep 0.3; done; exit 1\n' "${2:-0}" >"$dir/scripts/validate.sh"
    chmod +x "$dir"/scripts/*
}
old_is() { [ "$(h curl -fsS localhost:9000/version)" = "$1" ]; }
old_pid() { h pgrep -f "http.server 9000"; }

story "adopted from CodeDeploy with its process running; deployed over, gone back, and released to CodeDeploy again"
group=8f1c2a90-4b1e-4c55-9d0a-52c7f20a6f01
base=/opt/codedeploy-agent/deployment-root
old 1
"$fleet" push h1 "$work/old-1" "$base/$group/d-AAAAAAA01/deployment-archive" || fail "push of old"
on "mkdir -p $base/deployment-instructions /srv/old /etc/codedeploy-agent/conf; cp $base/$group/d-AAAAAAA01/deployment-archive/app/version /srv/old/
    echo 'kept by people' >/srv/old/local.txt
    printf '/srv/old\n/srv/old/version\n' >$base/deployment-instructions/$group-cleanup
    for r in last_successful most_recent; do printf '$base/$group/d-AAAAAAA01' >$base/deployment-instructions/${group}_\${r}_install; done
    printf -- '---\n:log_dir: /var/log/aws/codedeploy-agent/\n:root_dir: $base\n:max_revisions: 5\n' >/etc/codedeploy-agent/conf/codedeployagent.yml
    $base/$group/d-AAAAAAA01/deployment-archive/scripts/start.sh"
until_ 10 old_is 1
pid=$(old_pid)
says "d-AAAAAAA01" h pilotage-agent adopt old --from codedeploy --group "$group" || fail adopt
[ "$(old_pid)" = "$pid" ] || fail "adopting has restarted it"
says "old " h pilotage-agent status || fail "status does not know what was adopted"
old 2; pushed old 2
old 3 7; pushed old 3
applied old "http: 'http://localhost:9000/version'"
ended 4 old 3
old_is 1 || fail "what was adopted is not back"
deployed old 2
old_is 2 || fail "2 does not serve"
says "kept by people" h cat /srv/old/local.txt || fail "a file of people is gone"
outlives "$(old_pid)"
pid=$(old_pid)
says "released" h pilotage-agent release old || fail release
[ "$(old_pid)" = "$pid" ] || fail "releasing has restarted it"
on "last=\$(cat $base/deployment-instructions/${group}_last_successful_install); [ \$(cat \$last/deployment-archive/app/version) = 2 ]
    grep -qx /srv/old/version $base/deployment-instructions/$group-cleanup" || fail "CodeDeploy's records are not of what runs"
