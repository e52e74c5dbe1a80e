# A PHP application with a pool and a site of its own: dependencies and settings that hooks put into the tree, uploads that
# belong to its users, and reloads of servers that others share.
cms() { # VERSION [LINE OF THE POOL] [BROKEN PHP]
    local dir=$work/cms-$1
    mkdir -p "$dir"/{public,src,scripts,deploy}
    cat >"$dir/public/index.php" <<P
<?php
require __DIR__ . '/../vendor/autoload.php';
\$settings = parse_ini_file(__DIR__ . '/../.env');
${3:-}
echo greet('$1'), ' of ', \$settings['APP_NAME'], ' as ', posix_getpwuid(posix_geteuid())['name'], "\n";
P
    printf '<?php\nfunction greet(string $version): string { return "cms $version"; }\n' >"$dir/src/greet.php"
    printf 'APP_NAME=example\n' >"$dir/.env.example"
    printf '[cms]\nuser = cms\ngroup = cms\nlisten = /run/php/cms.sock\nlisten.owner = www-data\npm = ondemand\npm.max_children = 3\n%s\n' "${2:-}" >"$dir/deploy/cms.conf"
    cat >"$dir/deploy/cms-site.conf" <<'N'
server {
    listen 8083;
    root /var/www/cms/public;
    location / { try_files $uri /index.php; }
    location ~ \.php$ { include snippets/fastcgi-php.conf; fastcgi_pass unix:/run/php/cms.sock; }
}
N
    # As it is so often: the bundle as a whole, unknown keys, one script for several events.
    cat >"$dir/appspec.yml" <<'Y'
version: 0.0
os: linux
files:
  - source: .
    destination: /var/www/cms
    overwrite: true
  - source: deploy/cms.conf
    destination: /etc/php/8.2/fpm/pool.d
  - source: deploy/cms-site.conf
    destination: /etc/nginx/sites-enabled
file_exists_behavior: OVERWRITE
permissions:
  - object: /var/www/cms
    pattern: "**"
    owner: cms
    group: www-data
    mode: 750
    type:
      - directory
  - object: /var/www/cms
    pattern: "**"
    owner: cms
    group: www-data
    mode: 640
    type:
      - file
hooks:
  BeforeInstall:
    - location: scripts/deploy.sh
      timeout: 60
      runas: root
  AfterInstall:
    - location: scripts/deploy.sh
      timeout: 60
      runas: root
  ApplicationStart:
    - location: scripts/deploy.sh
      timeout: 60
      runas: root
  ValidateService:
    - location: scripts/validate.sh
      timeout: 30
Y
    cat >"$dir/scripts/deploy.sh" <<'S'
#!/bin/bash
set -e
case $LIFECYCLE_EVENT in
BeforeInstall)
    id cms >/dev/null 2>&1 || useradd --system --shell /usr/sbin/nologin cms
    rm -rf /var/www/cms/vendor /var/www/cms/src
    ;;
AfterInstall)
    cd /var/www/cms
    [ -f .env ] || cp .env.example .env
    mkdir -p vendor/composer storage/uploads
    for n in $(seq 200); do echo "<?php return $n;" >"vendor/composer/class$n.php"; done
    echo "<?php require __DIR__ . '/../src/greet.php';" >vendor/autoload.php
    sudo -u cms php -r 'file_put_contents("/var/www/cms/storage/migrations", date("c") . "\n", FILE_APPEND);' 2>/dev/null ||
        { chown -R cms:www-data /var/www/cms; sudo -u cms php -r 'file_put_contents("/var/www/cms/storage/migrations", date("c") . "\n", FILE_APPEND);'; }
    chown -R cms:www-data vendor storage .env
    php-fpm8.2 -t
    nginx -t
    ;;
ApplicationStart)
    systemctl reload php8.2-fpm nginx
    ;;
esac
S
    printf '#!/bin/bash\nfor n in $(seq 10); do curl -fs localhost:8083/ | grep -q "cms %s" && exit 0; sleep 0.3; done\ncurl -s localhost:8083/\ngrep Error: /var/log/nginx/error.log | tail -n 2\nexit 1\n' "$1" >"$dir/scripts/validate.sh"
}
shows() { [ "$(h curl -fsS localhost:8083/)" = "cms $1 of example as cms" ]; }

story "php: deployed, upgraded; a page that throws and a pool that php-fpm refuses go back; users' uploads stay"
on 'systemctl restart nginx php8.2-fpm'
cms 1.0.0; pushed cms 1.0.0
cms 1.1.0; pushed cms 1.1.0
cms 1.2.0 "" 'throw new Error("no such column");'; pushed cms 1.2.0
cms 1.3.0 "no_such_setting = 1"; pushed cms 1.3.0
applied cms "http: 'http://localhost:8083/'"
deployed cms 1.0.0
shows 1.0.0 || fail "1.0.0 is not shown: $(h curl -sS localhost:8083/)"
on 'echo picture >/var/www/cms/storage/uploads/1.png; chown cms /var/www/cms/storage/uploads/1.png; echo "BY=hand" >>/var/www/cms/.env'
fpm=$(main_pid php8.2-fpm)
deployed cms 1.1.0
shows 1.1.0 || fail "1.1.0 is not shown: $(h curl -sS localhost:8083/)"
before=$(tree /var/www/cms /etc/php /etc/nginx)
turned cms 1.2.0
shows 1.1.0 || fail "1.1.0 is not shown again: $(h curl -sS localhost:8083/)"
says "no such column" p logs cms/h1 || fail "the log does not say why: $(p logs cms/h1)"
same_tree "$before" /var/www/cms /etc/php /etc/nginx -- storage/migrations
turned cms 1.3.0
shows 1.1.0 || fail "1.1.0 is not shown again: $(h curl -sS localhost:8083/)"
says "no_such_setting" p logs cms/h1 || fail "the log does not say why: $(p logs cms/h1)"
same_tree "$before" /var/www/cms /etc/php /etc/nginx -- storage/migrations
says picture h cat /var/www/cms/storage/uploads/1.png || fail "an upload is gone"
says "BY=hand" h cat /var/www/cms/.env || fail "settings are gone"
[ "$(main_pid php8.2-fpm)" = "$fpm" ] || fail "php-fpm itself was restarted"
outlives "$fpm"
