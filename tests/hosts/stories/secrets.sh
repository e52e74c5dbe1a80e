# Configuration and secrets from outside the package, for a unit: by EnvironmentFile=, from a systemd credential of the agent.
vault() { # VERSION
    local dir=$work/vault-$1
    mkdir -p "$dir"/{app,systemd,scripts}
    cat >"$dir/app/vault.py" <<P
import http.server, os
key = open(os.environ["KEY_FILE"]).read().strip()
if os.environ["LEVEL"] == "broken":
    raise SystemExit("cannot work with " + os.environ["API_KEY"])
said = " ".join(["vault $1", os.environ["LEVEL"], str(len(os.environ["API_KEY"])), str(len(key))])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(said.encode())
http.server.ThreadingHTTPServer(("127.0.0.1", 8200), Handler).serve_forever()
P
    cat >"$dir/systemd/vault.service" <<'U'
[Service]
User=vault
EnvironmentFile=/var/lib/pilotage/apps/vault/current-config/environment
Environment=KEY_FILE=/var/lib/pilotage/apps/vault/current-config/tls/key
ExecStart=/usr/bin/python3 /srv/vault/vault.py
U
    cat >"$dir/appspec.yml" <<'Y'
version: 0.0
os: linux
files: [{source: app, destination: /srv/vault}]
hooks:
  ValidateService: [{location: scripts/validate.sh, timeout: 20}]
x-pilotage:
  service: {unit: vault.service, file: systemd/vault.service}
Y
    printf '#!/bin/sh\nfor n in 1 2 3 4 5 6 7 8 9 10; do curl -fs localhost:8200 && exit 0; sleep 0.3; done\njournalctl -u vault -n 3 -o cat\nexit 1\n' >"$dir/scripts/validate.sh"
}
level() { # LEVEL
    mkdir -p "$work/vault-config"
    printf 'reader: vault\nenvironment: { LEVEL: %s }\nsecrets: { API_KEY: api-key, tls/key: web-key }\n' "$1" >"$work/vault-config/config.yml"
    on "rm -rf /root/vault-config"
    "$fleet" push h1 "$work/vault-config" /root/vault-config
}
tells() { [ "$(h curl -fsS localhost:8200)" = "$1" ]; }
api_key=key-$RANDOM-$RANDOM-battery web_key=pem-$RANDOM-$RANDOM-horse-staple

story "secrets: from a credential and a file of the host into a unit's environment and files; a configuration alone is deployed, and goes back"
printf '%s' "$api_key" >"$work/api-key"; printf '%s\n' "$web_key" >"$work/web-key"
"$fleet" push h1 "$work/api-key" /etc/pilotage/api-key; "$fleet" push h1 "$work/web-key" /etc/pilotage/web-key
on 'chmod 600 /etc/pilotage/*-key; useradd --system vault; mkdir -p /etc/systemd/system/pilotage-agent.service.d
    printf "[Service]\nLoadCredential=api-key:/etc/pilotage/api-key\n" >/etc/systemd/system/pilotage-agent.service.d/secrets.conf
    printf "[secrets.api-key]\ncredential = \"api-key\"\napps = [\"vault\"]\n[secrets.web-key]\nfile = \"/etc/pilotage/web-key\"\napps = [\"vault\"]\n" >>/etc/pilotage/agent.toml
    systemctl daemon-reload; systemctl restart pilotage-agent'
until_ 10 h pilotage-agent status
vault 1; pushed vault 1
vault 2; pushed vault 2
applied vault "http: 'http://localhost:8200/'"
level calm
p config push /root/vault-config --fleet vault --no-deploy --reason first >"$work/out" 2>&1 || fail "config push: $(cat "$work/out")"
deployed vault 1
tells "vault 1 calm ${#api_key} ${#web_key}" || fail "it tells: $(h curl -sS localhost:8200)"
deployed vault 2
tells "vault 2 calm ${#api_key} ${#web_key}" || fail "it tells: $(h curl -sS localhost:8200)"
level loud
p config push /root/vault-config --fleet vault --watch --timeout 60s --reason louder >"$work/out" 2>&1 || fail "config push: $(cat "$work/out")"
tells "vault 2 loud ${#api_key} ${#web_key}" || fail "it tells: $(h curl -sS localhost:8200)"
level broken
p config push /root/vault-config --fleet vault --watch --timeout 60s --reason bad >"$work/out" 2>&1
[ $? = 3 ] || fail "it did not go back: $(cat "$work/out")"
tells "vault 2 loud ${#api_key} ${#web_key}" || fail "it tells: $(h curl -sS localhost:8200)"
failed=$(p deployments | awk '/^vault/ && /rolled back/ { print $1; exit }')
says "cannot work with [secret api-key]" p logs "$failed/h1" || fail "the log does not say why, or not masked: $(p logs "$failed/h1")"
[ "$(on 'stat -L -c %U:%a /var/lib/pilotage/apps/vault/current-config/tls/key')" = vault:400 ] || fail "the key's file is not its reader's"
h setpriv --reuid=www-data --regid=www-data --clear-groups cat /var/lib/pilotage/apps/vault/current-config/tls/key >/dev/null 2>&1 && fail "another account reads the key"

story "secrets: a credential that has changed is read with the next restart; after a reboot the unit has what it had"
api_key=another-$api_key
printf '%s' "$api_key" >"$work/api-key"; chmod 600 "$work/api-key"
"$fleet" push h1 "$work/api-key" /etc/pilotage/api-key
h systemctl restart pilotage-agent
until_ 10 h pilotage-agent status
p restart vault --watch --timeout 60s --reason rotated >"$work/out" 2>&1 || fail "restart: $(cat "$work/out")"
tells "vault 2 loud ${#api_key} ${#web_key}" || fail "it tells: $(h curl -sS localhost:8200)"
until_ 30 says "available since" p host show h1
"$fleet" reboot h1 >/dev/null || fail "no boot"
until_ 60 tells "vault 2 loud ${#api_key} ${#web_key}"
