# A PHP site among the sites of others: files into folders that are nginx's and other people's, reloads by a hook.
site() { # VERSION [BAD LINE]
    local dir=$work/site-$1
    mkdir -p "$dir"/{html/assets,nginx,scripts}
    echo "site $1" >"$dir/html/site.html"
    echo "$1" >"$dir/html/assets/site-$1.css"
    printf '<?php echo "php of ", trim(file_get_contents(__DIR__ . "/site.html"));\n' >"$dir/html/site.php"
    cat >"$dir/nginx/site.conf" <<N
server {
    listen 8081;
    root /var/www/html;
    index site.html;
    location ~ \\.php\$ {
        include snippets/fastcgi-php.conf;
        fastcgi_pass unix:/run/php/php-fpm.sock;
    }
    ${2:-}
}
N
    cat >"$dir/appspec.yml" <<'Y'
version: 0.0
os: linux
files:
  - {source: html, destination: /var/www/html}
  - {source: nginx/site.conf, destination: /etc/nginx/sites-enabled}
permissions:
  - {object: /var/www/html, pattern: "**", owner: www-data, group: www-data, mode: 644, type: [file]}
hooks:
  AfterInstall: [{location: scripts/test.sh, timeout: 20}]
  ApplicationStart: [{location: scripts/reload.sh, timeout: 20}]
  ValidateService: [{location: scripts/validate.sh, timeout: 20}]
Y
    printf '#!/bin/sh\nnginx -t\n' >"$dir/scripts/test.sh"
    printf '#!/bin/sh\nsystemctl reload nginx php*-fpm\n' >"$dir/scripts/reload.sh"
    printf '#!/bin/sh\nfor n in 1 2 3 4 5 6 7 8 9 10; do curl -fs localhost:8081 | grep -qx "site %s" && exit 0; sleep 0.3; done; exit 1\n' "$1" >"$dir/scripts/validate.sh"
}
serves() { says "site $1" h curl -fsS localhost:8081 && says "php of site $1" h curl -fsS localhost:8081/site.php; }
theirs() { on 'cd / && find var/www/html etc/nginx -not -name "site*" -not -type d -printf "%p %U %m %l " -exec sh -c "sha256sum <\"\$1\"" . {} \; | sort'; }

story "nginx: files among those of others; a configuration that nginx refuses goes back; nothing of others is touched"
on 'mkdir -p /var/www/html/blog /var/www/html/assets; echo post >/var/www/html/blog/post.html; echo theirs >/var/www/html/assets/blog.css
    printf "server {\n listen 8082;\n root /var/www/html/blog;\n}\n" >/etc/nginx/sites-enabled/blog.conf; chown -R nobody /var/www/html/blog
    systemctl restart nginx'
before=$(theirs)
site 1.0.0; pushed site 1.0.0
site 1.1.0; pushed site 1.1.0
site 1.2.0 "no_such_directive on;"; pushed site 1.2.0
applied site "http: 'http://localhost:8081/'"
deployed site 1.0.0
serves 1.0.0 || fail "1.0.0 is not served"
workers=$(main_pid nginx)
deployed site 1.1.0
serves 1.1.0 || fail "1.1.0 is not served"
on '[ ! -e /var/www/html/assets/site-1.0.0.css ] && [ -e /var/www/html/assets/site-1.1.0.css ]' || fail "old assets stay"
turned site 1.2.0
serves 1.1.0 || fail "1.1.0 is not served again"
says "no_such_directive" p logs site/h1 || fail "the log does not say why"
on 'nginx -t 2>/dev/null' || fail "nginx's configuration is not as it was"
[ "$(main_pid nginx)" = "$workers" ] || fail "nginx itself was restarted"
outlives "$workers"
[ "$(theirs)" = "$before" ] || fail "files of others were touched: $(diff <(echo "$before") <(theirs))"
says post h curl -fsS localhost:8082/post.html || fail "the neighbour is gone"
