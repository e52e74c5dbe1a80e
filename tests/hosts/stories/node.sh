# A Node application below /var/www, deployed as it is so often: BeforeInstall deletes the tree, AfterInstall installs its
# dependencies into it, ApplicationStart leaves it behind with nohup, as an account without a login shell.
shop() { # VERSION [FAILS]
    local dir=$work/shop-$1
    mkdir -p "$dir"/{app/public,scripts}
    cat >"$dir/app/server.js" <<J
const greet = require('greeter');
${2:+throw new Error('$2');}
require('http').createServer((q, r) => r.end(greet('$1') + '\n')).listen(3000);
J
    echo "{\"name\": \"shop\", \"version\": \"$1\", \"dependencies\": {\"greeter\": \"1\"}}" >"$dir/app/package.json"
    echo "$1" >"$dir/app/public/version"
    cat >"$dir/appspec.yml" <<'Y'
version: 0.0
os: linux
files:
  - source: app
    destination: /var/www/shop
hooks:
  ApplicationStop: [{location: scripts/stop.sh, timeout: 30, runas: root}]
  BeforeInstall: [{location: scripts/before_install.sh, timeout: 60, runas: root}]
  AfterInstall: [{location: scripts/after_install.sh, timeout: 60, runas: root}]
  ApplicationStart: [{location: scripts/start.sh, timeout: 30, runas: www-data}]
  ValidateService: [{location: scripts/validate.sh, timeout: 30}]
Y
    printf '#!/bin/bash\npkill -f "node server.js" || true\n' >"$dir/scripts/stop.sh"
    printf '#!/bin/bash\nset -e\nrm -rf /var/www/shop\nmkdir -p /var/www/shop\n' >"$dir/scripts/before_install.sh"
    cat >"$dir/scripts/after_install.sh" <<'S'
#!/bin/bash
set -e
cd /var/www/shop
for n in $(seq 300); do
    mkdir -p "node_modules/dep$n/lib"
    echo "module.exports = $n" >"node_modules/dep$n/lib/index.js"
done
mkdir -p node_modules/greeter node_modules/.bin
echo "module.exports = (version) => 'shop ' + version" >node_modules/greeter/index.js
ln -sf ../greeter/index.js node_modules/.bin/greeter
chown -R www-data:www-data /var/www/shop
S
    printf '#!/bin/bash\ncd /var/www/shop\nnohup node server.js >app.log 2>&1 &\n' >"$dir/scripts/start.sh"
    printf '#!/bin/bash\nfor n in $(seq 20); do curl -fs localhost:3000 && exit 0; sleep 0.5; done\ntail /var/www/shop/app.log\nexit 1\n' >"$dir/scripts/validate.sh"
}
sells() { says "shop $1" h curl -fsS localhost:3000; }
node_pid() { h pgrep -f "node server.js"; }

story "node: deployed, upgraded; a version that throws goes back, its dependencies too"
shop 1.0.0; pushed shop 1.0.0
shop 1.1.0; pushed shop 1.1.0
shop 1.2.0 "no such table"; pushed shop 1.2.0
applied shop "http: 'http://localhost:3000/'"
deployed shop 1.0.0
sells 1.0.0 || fail "1.0.0 does not serve"
deployed shop 1.1.0
sells 1.1.0 || fail "1.1.0 does not serve"
turned shop 1.2.0
sells 1.1.0 || fail "1.1.0 does not serve again"
says "no such table" p logs shop/h1 || fail "the log does not say why"
on '[ "$(stat -c %U /var/www/shop/server.js)" = www-data ] && [ -L /var/www/shop/node_modules/.bin/greeter ]' || fail "the tree is not as it was"
[ "$(node_pid | wc -l)" = 1 ] || fail "not one process: $(node_pid)"

story "node: it outlives the agent's restart and kill, is started again when it dies, and after a reboot, clean or not"
outlives "$(node_pid)"
until_ 30 says "available since" p host show h1
h kill -9 "$(node_pid)"
until_ 30 sells 1.1.0
until_ 30 says "1 restart" p host show h1
until_ 30 says "available since" p host show h1
"$fleet" poweroff h1
"$fleet" start h1 >/dev/null || fail "no boot"
until_ 60 sells 1.1.0
until_ 30 says "available since" p host show h1
"$fleet" reboot h1 >/dev/null || fail "no boot"
until_ 60 sells 1.1.0
until_ 30 says "available since" p host show h1
[ "$(node_pid | wc -l)" = 1 ] || fail "not one process: $(node_pid)"
