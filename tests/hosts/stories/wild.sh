# What real bundles do beside: a key nobody knows, an event with nothing in it, one script for five events, scripts without
# `#!`, sudo, an account that the bundle itself makes, files into folders of others, `object: /`.
wild() { # VERSION [EXIT OF VALIDATE]
    local dir=$work/wild-$1
    mkdir -p "$dir"/{conf,web,home,tmp,scripts}
    printf '[Unit]\nDescription=Wild %s\n[Service]\nUser=wildown\nExecStart=/bin/sleep 100000\n' "$1" >"$dir/conf/wild.service"
    for place in web home tmp; do echo "$1" >"$dir/$place/wild.txt"; done
    printf '\r\n' >"$dir/conf/windows.ini"
    printf '%s' '# Überall
version: 0.0
os: linux
branch: main
files:
- source: ./
  destination: /srv/wild
  overwrite: true
- {source: conf/wild.service, destination: /etc/systemd/system}
- {source: web, destination: /var/www/html}
- {source: home, destination: /home/wilder}
- {source: tmp/wild.txt, destination: tmp}
permissions:
- object: /
  pattern: "**"
  owner: wildown
  group: wildown
  mode: 0644
  type: [file]
hooks:
  BeforeBlockTraffic:
  ApplicationStop: [{location: all, timeout: 20}]
  BeforeInstall: [{location: all, timeout: 20}]
  AfterInstall: [{location: all, timeout: 20}, {location: scripts/bash, timeout: 20, runas: wilder}]
  ApplicationStart: [{location: all, timeout: 20}, {location: scripts/sudo.sh, runas: wilder}]
  ValidateService: [{location: all, timeout: "20"}]' >"$dir/appspec.yml"
    # No `#!`: the peer reads it by /bin/sh.
    cat >"$dir/all" <<S
case \$LIFECYCLE_EVENT in
ApplicationStop) systemctl stop wild ;;
BeforeInstall) id wildown >/dev/null 2>&1 || useradd --system wildown ;;
AfterInstall) systemctl daemon-reload ;;
ApplicationStart) systemctl start wild ;;
ValidateService) echo "\$APPLICATION_NAME \$DEPLOYMENT_GROUP_NAME \$PWD \$(basename "\$0")"; systemctl is-active wild && exit ${2:-0} ;;
esac
S
    # With runas by that account's shell, which is bash: [[ is meant.
    printf '\nif [[ $USER == wild* && $HOME == /home/wilder ]]; then echo "bash of $(id -un) $(id -Gn)"; else exit 8; fi\n' >"$dir/scripts/bash"
    printf '#!/bin/bash\n[ "$(sudo -n id -u)" = 0 ] || exit 7\nsudo tee /srv/wild-by-sudo >/dev/null <<<"as root"\n' >"$dir/scripts/sudo.sh"
}
runs_wild() { [ "$(h systemctl show -p Description --value wild)" = "Wild $1" ] && h systemctl is-active --quiet wild && [ "$(on "cat /srv/wild/web/wild.txt /var/www/html/wild.txt /home/wilder/wild.txt /tmp/wild.txt" | sort -u)" = "$1" ]; }
story "wild: deployed, the same again, upgraded, failed; files in folders of others, owned as the bundle says"
on 'useradd --create-home --shell /bin/bash --groups adm wilder; echo "wilder ALL=(ALL) NOPASSWD:ALL" >/etc/sudoers.d/wilder; echo theirs >/home/wilder/.profile.local; echo page >/var/www/html/theirs.html'
wild 1.0.0; pushed wild 1.0.0
wild 1.1.0; pushed wild 1.1.0
wild 1.2.0 6; pushed wild 1.2.0
says branch p package check /root/bundles/wild-1.0.0 || fail "nobody says that the key is unknown"
applied wild
deployed wild 1.0.0
runs_wild 1.0.0 || fail "1.0.0 does not run as it should"
h pilotage-agent logs wild >"$work/out"
says "bash of wilder wilder adm" cat "$work/out" && says "wild wild / all" cat "$work/out" || fail "hooks: $(cat "$work/out")"
[ "$(on 'stat -c %U:%a /etc/systemd/system/wild.service /home/wilder/wild.txt /tmp/wild.txt /srv/wild/all' | sort -u)" = wildown:644 ] || fail "permissions"
[ "$(on 'stat -c %U /home/wilder/.profile.local /home/wilder /tmp /etc/systemd/system' | sort | uniq -c | xargs)" = "3 root 1 wilder" ] || fail "object: / has reached what is not the bundle's"
started=$(main_pid wild)
p restart wild --watch --timeout 60s --reason again >"$work/out" 2>&1 || fail "restart: $(cat "$work/out")"
runs_wild 1.0.0 && [ "$(main_pid wild)" != "$started" ] || fail "it was not deployed again"
deployed wild 1.1.0
runs_wild 1.1.0 || fail "1.1.0 does not run as it should"
before=$(tree /srv /var/www/html /home/wilder /etc/systemd/system /tmp/wild.txt)
turned wild 1.2.0
runs_wild 1.1.0 || fail "1.1.0 does not run again"
same_tree "$before" /srv /var/www/html /home/wilder /etc/systemd/system /tmp/wild.txt

story "wild: an empty bundle; a child that holds its hook's output fails the run and is left alone, where its output is elsewhere it is the app"
mkdir -p "$work/nothing-1/scripts" "$work/held-1/scripts" "$work/held-2/scripts"
printf 'version: 0.0\nos: linux\n' >"$work/nothing-1/appspec.yml"
touch "$work/nothing-1/scripts/none"
pushed nothing 1
applied nothing
deployed nothing 1
for version in 1 2; do printf 'version: 0.0\nos: linux\nhooks:\n  ApplicationStart: [{location: scripts/start.sh, timeout: 3}]\n' >"$work/held-$version/appspec.yml"; done
printf '#!/bin/sh\nsleep 98765 >/dev/null 2>&1 &\n' >"$work/held-1/scripts/start.sh"
printf '#!/bin/sh\nsleep 98766 &\n' >"$work/held-2/scripts/start.sh"
pushed held 1; pushed held 2
applied held
deployed held 1
turned held 2
says "output left open" p logs held/h1 || fail "it does not say that the output is held: $(p logs held/h1)"
h pgrep -f "sleep 98766" >/dev/null || fail "who holds the output was ended"
h pgrep -f "sleep 98765" >/dev/null || fail "the application was ended"
h pkill -f "sleep 98766"
