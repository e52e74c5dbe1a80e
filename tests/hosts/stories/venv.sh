# A Python application in a virtual environment, run by a unit that the package brings: no script starts or stops it.
notes() { # VERSION [FAILS]
    local dir=$work/notes-$1
    mkdir -p "$dir"/{app/greeter,systemd,scripts}
    printf 'from setuptools import setup\nsetup(name="greeter", version="%s", py_modules=["greeter"])\n' "$1" >"$dir/app/greeter/setup.py"
    printf 'def greet(version):\n    return "notes " + version\n' >"$dir/app/greeter/greeter.py"
    cat >"$dir/app/app.py" <<P
import http.server, os, greeter
${2:+raise SystemExit("$2")}
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(greeter.greet(os.environ["NOTES_VERSION"]).encode())
http.server.ThreadingHTTPServer(("127.0.0.1", 8000), Handler).serve_forever()
P
    cat >"$dir/systemd/notes.service" <<U
[Unit]
Description=Notes $1
[Service]
User=notes
Environment=NOTES_VERSION=$1
WorkingDirectory=/opt/notes
ExecStart=/opt/notes/venv/bin/python app.py
Restart=always
RestartSec=100ms
U
    cat >"$dir/appspec.yml" <<'Y'
version: 0.0
os: linux
files:
  - {source: app, destination: /opt/notes}
hooks:
  BeforeInstall: [{location: scripts/account.sh, timeout: 20}]
  AfterInstall: [{location: scripts/dependencies.sh, timeout: 120, runas: notes}]
  ValidateService: [{location: scripts/validate.sh, timeout: 20}]
x-pilotage:
  service: {unit: notes.service, file: systemd/notes.service, timeout: 30s}
Y
    printf '#!/bin/sh\nid notes 2>/dev/null || useradd --system --home-dir /opt/notes --shell /usr/sbin/nologin notes\nmkdir -p /opt/notes && chown notes /opt/notes\n' >"$dir/scripts/account.sh"
    printf '#!/bin/sh\nfor n in 1 2 3 4 5 6 7 8 9; do curl -fs localhost:8000 && exit 0; sleep 0.3; done; exit 1\n' >"$dir/scripts/validate.sh"
    cat >"$dir/scripts/dependencies.sh" <<'S'
#!/bin/sh
set -e
[ -d /opt/notes/venv ] || python3 -m venv /opt/notes/venv
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
cp /opt/notes/greeter/* "$build"
/opt/notes/venv/bin/pip install --quiet --no-index --no-build-isolation --force-reinstall "$build" </dev/null
S
}
notes_say() { [ "$(h curl -fsS localhost:8000)" = "notes $1" ]; }
described() { [ "$(h systemctl show -p Description --value notes.service)" = "Notes $1" ]; }

story "venv: a unit in the package is installed, started, stopped, and put back; systemd reads it again each time"
notes 1.0.0; pushed notes 1.0.0
notes 1.1.0; pushed notes 1.1.0
notes 1.2.0 "no such module"; pushed notes 1.2.0
applied notes "http: 'http://localhost:8000/'"
deployed notes 1.0.0
notes_say 1.0.0 || fail "1.0.0 does not answer"
deployed notes 1.1.0
notes_say 1.1.0 && described 1.1.0 || fail "1.1.0 does not answer"
turned notes 1.2.0
notes_say 1.1.0 && described 1.1.0 || fail "1.1.0 does not answer again, or its unit is another's"
outlives "$(main_pid notes)"

story "venv: the unit is started again when nobody but the agent would, and after a reboot, although it is not enabled"
until_ 30 says "available since" p host show h1
h kill -9 "$(main_pid notes)"
until_ 30 notes_say 1.1.0
until_ 30 says "available since" p host show h1
h systemctl stop notes
until_ 30 notes_say 1.1.0
until_ 30 says "1 restart" p host show h1
until_ 30 says "available since" p host show h1
"$fleet" reboot h1 >/dev/null || fail "no boot"
until_ 60 notes_say 1.1.0

story "venv: what a person stops is started again, unless he has pinned it: then it stays down until he unpins it, or the host boots"
until_ 30 says "available since" p host show h1
h pilotage-agent pin notes --reason maintenance >/dev/null || fail pin
h systemctl stop notes
until_ 20 says "stays so while it is pinned" h pilotage-agent status
before=$(restarts notes)
# Two more counts of its processes.
on 'sleep 11'
[ "$(restarts notes)" = "$before" ] && ! h systemctl is-active --quiet notes || fail "it was started although a person has pinned and stopped it"
h pilotage-agent unpin notes >/dev/null || fail unpin
until_ 30 notes_say 1.1.0
until_ 30 says "available since" p host show h1
h pilotage-agent pin notes --reason maintenance >/dev/null || fail pin
h kill -9 "$(main_pid notes)"
until_ 30 notes_say 1.1.0
h systemctl stop notes
"$fleet" reboot h1 >/dev/null || fail "no boot"
until_ 60 notes_say 1.1.0
h pilotage-agent unpin notes >/dev/null || fail unpin
