# A Node application under pm2: its daemon leaves the session of the hook that started it, and serves all later deployments.
queue() { # VERSION [FAILS]
    local dir=$work/queue-$1
    mkdir -p "$dir/scripts"
    cat >"$dir/server.js" <<J
${2:+throw new Error('$2');}
require('http').createServer((q, r) => r.end('queue $1\n')).listen(3001);
J
    echo "module.exports = {apps: [{name: 'queue', script: 'server.js', cwd: '/home/deploy/queue', max_restarts: 3}]};" >"$dir/ecosystem.config.js"
    cat >"$dir/appspec.yml" <<'Y'
version: 0.0
os: linux
files:
  - source: /
    destination: /home/deploy/queue
    overwrite: true
permissions:
  - object: /home/deploy/queue
    pattern: "**"
    owner: deploy
    group: deploy
hooks:
  ApplicationStop:
    - location: scripts/stop.sh
      timeout: 60
      runas: deploy
  ApplicationStart:
    - location: scripts/start.sh
      timeout: 60
      runas: deploy
  ValidateService:
    - location: scripts/validate.sh
      timeout: 60
Y
    printf '#!/bin/bash\npm2 delete queue || true\n' >"$dir/scripts/stop.sh"
    printf '#!/bin/bash\ncd ~/queue\npm2 start ecosystem.config.js\npm2 save\n' >"$dir/scripts/start.sh"
    printf '#!/bin/bash\nfor n in $(seq 20); do curl -fs localhost:3001 && exit 0; sleep 0.3; done\ngrep Error: /home/deploy/.pm2/logs/queue-error.log | tail -n 1\nexit 1\n' >"$dir/scripts/validate.sh"
}
queues() { [ "$(h curl -fsS localhost:3001)" = "queue $1" ]; }
queue_pid() { h pgrep -u deploy -f "queue/server.js"; }
daemon_pid() { h pgrep -u deploy -f "PM2 .*God Daemon"; }

story "pm2: deployed, upgraded; a version that throws goes back; the daemon lives through all of it"
h useradd --create-home --shell /bin/bash deploy || fail useradd
queue 1.0.0; pushed queue 1.0.0
queue 1.1.0; pushed queue 1.1.0
queue 1.2.0 "no such queue"; pushed queue 1.2.0
applied queue "http: 'http://localhost:3001/'"
deployed queue 1.0.0
queues 1.0.0 || fail "1.0.0 does not answer"
daemon=$(daemon_pid)
deployed queue 1.1.0
queues 1.1.0 || fail "1.1.0 does not answer"
turned queue 1.2.0
queues 1.1.0 || fail "1.1.0 does not answer again"
says "no such queue" p logs queue/h1 || fail "the log does not say why"
[ "$(daemon_pid)" = "$daemon" ] || fail "pm2's daemon is another: $daemon, $(daemon_pid)"
outlives "$(queue_pid)"

story "pm2: what it starts again itself is not started by the host; after a reboot, and when all of it is gone, it is"
until_ 30 says "available since" p host show h1
before=$(queue_pid)
h kill -9 "$before"
until_ 20 queues 1.1.0
[ "$(daemon_pid)" = "$daemon" ] || fail "pm2's daemon is another"
[ "$(restarts queue)" = 0 ] || fail "the host has started it"
until_ 30 says "available since" p host show h1
h pkill -9 -u deploy
until_ 40 queues 1.1.0
until_ 30 says "available since" p host show h1
"$fleet" reboot h1 >/dev/null || fail "no boot"
until_ 60 queues 1.1.0
[ "$(queue_pid | wc -l)" = 1 ] || fail "not one process: $(queue_pid)"
