# A Java service by a systemd unit that the bundle installs as a file; its hooks end "java" by its name, as so many do.
orders() { # VERSION [FAILS]
    local dir=$work/orders-$1 made=$work/orders-made throw=
    [ -z "${2:-}" ] || throw="if (true) throw new IllegalStateException(\"$2\");"
    mkdir -p "$dir"/{lib,systemd,scripts} "$made"
    cat >"$made/Main.java" <<J
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
public class Main {
    public static void main(String[] arguments) throws Exception {
        $throw
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 8090), 0);
        byte[] answer = "orders $1".getBytes();
        server.createContext("/", exchange -> { exchange.sendResponseHeaders(200, answer.length); exchange.getResponseBody().write(answer); exchange.close(); });
        server.start();
    }
}
J
    "$fleet" push h1 "$made/Main.java" /root/orders/Main.java
    on 'cd /root/orders && rm -rf classes && javac -d classes Main.java && jar --create --file orders.jar --main-class Main -C classes .' || fail "javac"
    h cat /root/orders/orders.jar >"$dir/lib/orders.jar"
    cat >"$dir/systemd/orders.service" <<U
[Unit]
Description=Orders $1
[Service]
User=www-data
ExecStart=/usr/bin/java -Xmx64m -jar /opt/orders/orders.jar
SuccessExitStatus=143
Restart=on-failure
RestartSec=200ms
[Install]
WantedBy=multi-user.target
U
    cat >"$dir/appspec.yml" <<'Y'
version: 0.0
os: linux
files:
  - source: lib/orders.jar
    destination: /opt/orders
  - source: systemd/orders.service
    destination: /etc/systemd/system/
permissions:
  - object: /opt/orders
    owner: www-data
    mode: "0444"
    type: [file]
hooks:
  ApplicationStop:
    - location: scripts/stop.sh
      timeout: 60
  BeforeInstall:
    - location: scripts/kill.sh
      timeout: 60
  ApplicationStart:
    - location: scripts/start.sh
      timeout: 60
  ValidateService:
    - location: scripts/validate.sh
      timeout: 60
Y
    printf '#!/bin/bash\nsystemctl stop orders\n' >"$dir/scripts/stop.sh"
    printf '#!/bin/bash\npkill -9 -f java\npkill -9 -f "(sh|agent|deployer).*orders"\nsleep 0.5\nexit 0\n' >"$dir/scripts/kill.sh"
    printf '#!/bin/bash\nsystemctl daemon-reload\nsystemctl enable orders\nsystemctl restart orders\n' >"$dir/scripts/start.sh"
    printf '#!/bin/bash\nfor n in $(seq 40); do [ "$(curl -fs localhost:8090)" = "orders %s" ] && exit 0; sleep 0.3; done\njournalctl -u orders -n 40 -o cat | grep Exception\nexit 1\n' "$1" >"$dir/scripts/validate.sh"
}
takes() { [ "$(h curl -fsS localhost:8090)" = "orders $1" ]; }
is_orders() { [ "$(h systemctl show -p Description --value orders)" = "Orders $1" ]; }

story "java: a unit among the files; wide kills by name hit the application and nothing of ours; one that throws goes back"
orders 1.0.0; pushed orders 1.0.0
orders 1.1.0; pushed orders 1.1.0
orders 1.2.0 "no such table"; pushed orders 1.2.0
applied orders "http: 'http://localhost:8090/'"
deployed orders 1.0.0
takes 1.0.0 || fail "1.0.0 does not answer"
agent=$(main_pid pilotage-agent)
deployed orders 1.1.0
takes 1.1.0 && is_orders 1.1.0 || fail "1.1.0 does not answer"
turned orders 1.2.0
takes 1.1.0 && is_orders 1.1.0 || fail "1.1.0 does not answer again, or its unit is another's"
says "no such table" p logs orders/h1 || fail "the log does not say why: $(p logs orders/h1)"
[ "$(main_pid pilotage-agent)" = "$agent" ] || fail "the agent was hit"
outlives "$(main_pid orders)"

story "java: systemd starts it again when it dies and after a reboot; the host leaves that to systemd"
until_ 30 says "available since" p host show h1
h kill -9 "$(main_pid orders)"
until_ 30 takes 1.1.0
"$fleet" reboot h1 >/dev/null || fail "no boot"
until_ 60 takes 1.1.0
until_ 30 says "available since" p host show h1
[ "$(restarts orders)" = 0 ] || fail "the host has started it"
