#!/bin/bash
# fleet.sh: a fleet of real-systemd hosts on one machine, for tests. Root only. See `fleet.sh help`.
# Each host hN = systemd-nspawn container booting systemd from its own copy of one Debian tree (on an overlay, renames and
# links would not be those of a disk), with its own network namespace pf-hN (eth0, own IP), its own cgroup and machine-id;
# what it writes survives kill/start. All hosts and the "hub" namespace pf-hub (10.77.0.1, where a coordinator can run) hang
# on one bridge that lives inside pf-hub: nothing touches the machine's own interfaces.
set -u
FLEET=${FLEET:?name a state folder in FLEET}   # state
ROOT=${FLEET_ROOT:-$FLEET/debian}   # the tree that hosts are copies of (debootstrap, with systemd); `mkroot` makes one
DATA=${FLEET_DATA:-64m}                    # size of the small filesystem mounted at /data in each host (tmpfs)
JOBS=${FLEET_JOBS:-6}                      # hosts booting at once
BOOTWAIT=${FLEET_BOOTWAIT:-180}            # seconds to wait for one `up`
PFX=pf; HUB=$PFX-hub; BR=br0; NET=10.77
BIN=$FLEET/bin; H=$FLEET/hosts
die() { echo "fleet: $*" >&2; exit 1; }
num() { local n=${1#h}; [[ $n =~ ^[0-9]+$ ]] && [ "$n" -ge 1 ] && [ "$n" -le 2000 ] || die "bad host '$1' (h1..h2000)"; echo "$n"; }
hip() { echo "$NET.$(($1 / 200 + 1)).$(($1 % 200 + 10))"; }
hosts() { ls "$H" 2>/dev/null | sed -n 's/^h\([0-9]*\)$/\1/p' | sort -n; }
pid_of() { local p; p=$(cat "$H/h$1/pid" 2>/dev/null) || return 1; [ -n "$p" ] && grep -qs systemd-nspawn "/proc/$p/comm" && echo "$p"; }
leader() { local p; p=$(pid_of "$1") || return 1; for c in $(cat "/proc/$p/task/$p/children" 2>/dev/null); do [ "$(awk '/^NSpid/{print $NF}' /proc/$c/status 2>/dev/null)" = 1 ] && { echo "$c"; return 0; }; done; return 1; }
running() { leader "$1" >/dev/null 2>&1; }
# cgroup directories of a host: one below this shell's own group in every v1 hierarchy, and in the v2 one
cg_dirs() { awk -F: -v n="$PFX-h$1" '{c=$2; sub(/^name=/,"",c); if($1==0)c="unified"; b=$3; if(b=="/")b=""; print "/sys/fs/cgroup/" c b "/" n}' "$FLEET/cgroup.base"; }
cg_make() { local d c p; cg_dirs "$1" | while read -r d; do c=$(dirname "$d"); [ -d "$c" ] || continue; mkdir -p "$d"
    if [ -f "$d/cpuset.cpus" ]; then cat "$c/cpuset.cpus" >"$d/cpuset.cpus"; cat "$c/cpuset.mems" >"$d/cpuset.mems"; echo 1 >"$d/cgroup.clone_children"; fi
    [ -f "$d/memory.use_hierarchy" ] && echo 1 >"$d/memory.use_hierarchy" 2>/dev/null; done; return 0; }
cg_join() { local d; cg_dirs "$1" | while read -r d; do [ -d "$d" ] && echo "$2" >"$d/cgroup.procs" 2>/dev/null; done; return 0; }
cg_rm() { local d; cg_dirs "$1" | while read -r d; do [ -d "$d" ] && find "$d" -depth -type d -exec rmdir {} \; 2>/dev/null; done; return 0; }
cg_pids() { local d; d=$(cg_dirs "$1" | grep /systemd/ | head -1); [ -d "$d" ] && find "$d" -name cgroup.procs -exec cat {} + 2>/dev/null | sort -un; }

hub_up() {
  mkdir -p "$H" "$BIN"; [ -f "$FLEET/cgroup.base" ] || cat /proc/self/cgroup >"$FLEET/cgroup.base"
  cp -u "$(dirname "$0")"/{delaybox.c,waitready.py} "$BIN/" || die "delaybox.c and waitready.py belong beside fleet.sh"
  [ -x "$BIN/delaybox" ] || [ ! -f "$BIN/delaybox.c" ] || gcc -O2 -o "$BIN/delaybox" "$BIN/delaybox.c"
  # every systemd takes several inotify instances, all counted against root: raise the limit (old value kept for `down`)
  local old; old=$(cat /proc/sys/fs/inotify/max_user_instances)
  [ "$old" -ge 8192 ] || { echo "$old" >"$FLEET/inotify.old"; echo 8192 >/proc/sys/fs/inotify/max_user_instances; }
  ip netns list | grep -qw "$HUB" && return 0
  ip netns add $HUB && ip -n $HUB link set lo up && ip -n $HUB link add $BR type bridge && ip -n $HUB addr add $NET.0.1/16 dev $BR && ip -n $HUB link set $BR up || die "no hub"
  ip netns exec $HUB nft -f - <<N || die "no nft"
table bridge fleet {
  set cut_from { type ifname; }
  set cut_to { type ifname; }
  set pair { type ifname . ifname; }
  chain c_fwd { type filter hook forward priority 0; iifname @cut_from drop; oifname @cut_to drop; iifname . oifname @pair drop; }
  chain c_in { type filter hook input priority 0; iifname @cut_from drop; }
  chain c_out { type filter hook output priority 0; oifname @cut_to drop; }
}
N
}
base_layer() { # what all hosts have beyond ROOT: quieter boot, clock tool; put your agent and its unit here too
  [ -d "$FLEET/base/etc" ] && return 0
  local s=$FLEET/base/etc/systemd/system u; mkdir -p "$s" "$FLEET/base/data" "$FLEET/base/fleet" "$FLEET/base/usr/lib/faketime"
  for u in console-getty.service getty.target apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer dpkg-db-backup.timer systemd-networkd.service systemd-networkd.socket systemd-resolved.service systemd-timesyncd.service systemd-firstboot.service; do ln -sf /dev/null "$s/$u"; done
  # nspawn mounts the v1 controllers read-only: a shim in front of systemd makes them writable, so MemoryMax=, CPUQuota= and accounting work
  local b=$FLEET/base/usr/lib/systemd; mkdir -p "$b"; cp "$ROOT/usr/lib/systemd/systemd" "$b/systemd.real"
  printf '#!/bin/sh\n[ $$ = 1 ] && for c in memory cpu cpuacct pids blkio; do mount -o remount,bind,rw /sys/fs/cgroup/$c; done\nexec /usr/lib/systemd/systemd.real "$@"\n' >"$b/systemd"; chmod +x "$b/systemd"
  cp /usr/lib/x86_64-linux-gnu/faketime/libfaketime*.so.1 "$FLEET/base/usr/lib/faketime/" 2>/dev/null; return 0
}
net_up() { local n=$1
  ip netns list | grep -qw "$PFX-h$n" && return 0
  ip netns add $PFX-h$n && ip -n $HUB link add h$n type veth peer name eth0 netns $PFX-h$n && ip -n $HUB link set h$n master $BR up &&
  ip -n $PFX-h$n link set lo up && ip -n $PFX-h$n addr add "$(hip "$n")/16" dev eth0 && ip -n $PFX-h$n link set eth0 up && ip -n $PFX-h$n route add default via $NET.0.1 || die "net h$n"
}
prep() { local n=$1 d=$H/h$1; mkdir -p "$d/data"
  if [ ! -d "$d/root" ]; then
    rm -rf "$d/root.new"; cp -a --reflink=auto "$ROOT" "$d/root.new" && cp -a "$FLEET/base/." "$d/root.new/" || die "copy for h$n"
    echo "h$n" >"$d/root.new/etc/hostname"; echo "fleet-h$n" | md5sum | cut -c1-32 >"$d/root.new/etc/machine-id"
    printf '127.0.0.1 localhost\n%s.0.1 hub coordinator\n%s h%s\n' $NET "$(hip "$n")" "$n" >"$d/root.new/etc/hosts"
    mv "$d/root.new" "$d/root"
  fi
  mountpoint -q "$d/data" || mount -t tmpfs -o "size=$DATA,mode=755" $PFX-data "$d/data" || die "data h$n"
  net_up "$n"; cg_make "$n"; }
launch() { local n=$1 d=$H/h$1; running "$n" && return 0; prep "$n"; rm -f "$d/ready"; date +%s.%N >"$d/started"
  ( cg_join "$n" $BASHPID
    exec env NOTIFY_SOCKET="$d/notify" setsid systemd-nspawn --quiet --boot -D "$d/root" --machine="h$n" --register=no --keep-unit --notify-ready=yes \
      --network-namespace-path=/run/netns/$PFX-h$n --resolv-conf=off --timezone=off --link-journal=no --console=read-only \
      --bind="$d/data:/data" --bind-ro="$BIN:/fleet" ${FLEET_NSPAWN:-} </dev/null >>"$d/console.log" 2>&1 ) 9>&- &
  echo $! >"$d/pid"; }
up() { # up FIRST LAST
  [ "$(id -u)" = 0 ] || die "root only"; [ -x "$ROOT/usr/lib/systemd/systemd" ] || [ -x "$ROOT/lib/systemd/systemd" ] || die "no root tree at $ROOT (run: fleet.sh mkroot)"
  hub_up; base_layer; local n ds=() t0 lp new=(); t0=$(date +%s.%N)
  for n in $(seq "$1" "$2"); do running "$n" || { mkdir -p "$H/h$n"; rm -f "$H/h$n/ready"; ds+=("$H/h$n"); new+=("$n"); }; done
  [ ${#new[@]} -gt 0 ] || { echo "already up"; return 0; }
  python3 "$BIN/waitready.py" "$BOOTWAIT" "${ds[@]}" >"$FLEET/wait.log" 2>&1 & lp=$!
  for n in $(seq 100); do grep -q listening "$FLEET/wait.log" && break; sleep .05; done
  local started=0 ready
  for n in "${new[@]}"; do
    while kill -0 $lp 2>/dev/null; do ready=$(for m in "${new[@]}"; do [ -f "$H/h$m/ready" ] && echo; done | wc -l); [ $((started - ready)) -lt "$JOBS" ] && break; sleep .05; done
    launch "$n"; started=$((started + 1)); done
  wait $lp; local rc=$?
  echo "$(for n in "${new[@]}"; do [ -f "$H/h$n/ready" ] && cat "$H/h$n/ready"; done | sort -g | awk -v all=${#new[@]} -v t="$(echo "$(date +%s.%N) $t0" | awk '{print $1-$2}')" '{a[NR]=$1} END{printf "%d of %d hosts ready in %.1f s; boot each: median %.2f min %.2f max %.2f s", NR, all, t, a[int((NR+1)/2)], a[1], a[NR]}')"
  return $rc; }
enter() { # enter N cmd... : in all namespaces and the cgroup of the host
  local n=$1 l; shift; l=$(leader "$n") || die "h$n is not running"
  grep -qs FROZEN "$(cg_dirs "$n" | grep /freezer/)/freezer.state" && die "h$n is paused"; cg_join "$n" $BASHPID
  exec nsenter -t "$l" -m -u -i -n -p -C -r -w -- env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LANG=C.UTF-8 "$@"; }
kill9() { local n=$1 p l c; p=$(pid_of "$n") || return 0; l=$(leader "$n" || true); [ -n "$l" ] && kill -9 "$l" 2>/dev/null; sleep .05; kill -9 "$p" 2>/dev/null
  for c in $(seq 100); do [ -z "$(cg_pids "$n" | head -1)" ] && break; kill -9 $(cg_pids "$n") 2>/dev/null; sleep .05; done; rm -f "$H/h$n/pid"; }
port() { ip -n $HUB link show "t$1" >/dev/null 2>&1 && echo "t$1" || echo "h$1"; }
nftel() { local n; for n in "h$3" "t$3"; do ip netns exec $HUB nft "$1" element bridge fleet "$2" "{ $n }" 2>/dev/null; done; return 0; }
heal() { local n=$1; nftel delete cut_from "$n"; nftel delete cut_to "$n"; ip -n $HUB link set "h$n" up; ip -n $PFX-h$n link set eth0 up 2>/dev/null; return 0; }
undelay() { local n=$1 p; p=$(cat "$H/h$n/delay.pid" 2>/dev/null); [ -n "$p" ] && grep -qs delaybox /proc/$p/comm && kill "$p"; rm -f "$H/h$n/delay.pid"; sleep .05; ip -n $HUB link del "t$n" 2>/dev/null; ip -n $HUB link set "h$n" master $BR 2>/dev/null; return 0; }
freeze() { local d; d=$(cg_dirs "$1" | grep /freezer/); echo "$2" >"$d/freezer.state"; }
halt1() { local n=$1 i l; l=$(leader "$n") || return 0; freeze "$n" THAWED 2>/dev/null; kill -s RTMIN+4 "$l"; for i in $(seq 200); do pid_of "$n" >/dev/null || break; sleep .1; done; kill9 "$n"; }
destroy() { local n=$1 d=$H/h$1; freeze "$n" THAWED 2>/dev/null; undelay "$n"; kill9 "$n"; umount -l "$d/data" 2>/dev/null; ip netns del $PFX-h$n 2>/dev/null; ip -n $HUB link del "h$n" 2>/dev/null; cg_rm "$n"; rm -rf --one-file-system "$d"; }
mem1() { # pss and unique of all processes of a host, kB, and what the memory cgroup counts
  local n=$1 p pss=0 rss=0 v c=0; for p in $(cg_pids "$n"); do [ "$(cat /proc/$p/comm 2>/dev/null)" = systemd-nspawn ] && continue; v=$(awk '/^Pss:/{p=$2} /^Rss:/{r=$2} END{print p+0, r+0}' /proc/$p/smaps_rollup 2>/dev/null); set -- $v; pss=$((pss + ${1:-0})); rss=$((rss + ${2:-0})); c=$((c + 1)); done
  local m; m=$(cg_dirs "$n" | grep /memory/); echo "h$n procs=$c rss_kB=$rss pss_kB=$pss cg_rss_kB=$(( $(awk '/^total_rss /{print $2}' "$m/memory.stat") / 1024 )) cg_usage_kB=$(( $(cat "$m/memory.usage_in_bytes") / 1024 )) kmem_kB=$(( $(cat "$m/memory.kmem.usage_in_bytes" 2>/dev/null || echo 0) / 1024 ))"; }
each() { local w; for w in "$@"; do case $w in all) hosts;; *-*) seq "$(num "${w%-*}")" "$(num "${w#*-}")";; *) num "$w";; esac; done; }
help() { cat <<'U'
fleet.sh up N | up A-B           boot hosts h1..hN (or hA..hB); returns when all are booted (systemd READY=1), prints boot times
  start|kill|poweroff|reboot H.. boot again with the same disk | SIGKILL the host at once | clean shutdown | kill then start
  exec H CMD..                   run CMD inside (all namespaces, its cgroup);   run H CMD.. as a transient systemd service
  hub CMD..                      run CMD in the hub namespace (10.77.0.1): the coordinator's place
  push H.. SRC DST               copy a file into running hosts;  layer SRC DST  into what all hosts are copied from (before up)
  partition H.. [drop|to|from|link]  cut from everyone: silently both ways | only towards the host | only from it | carrier loss
  block A B / unblock A B        one-way drop of A's packets to B         heal H..   undo partition
  latency H MS [JITTER [LOSS%]]  one-way delay in each direction in user space (netem is not in this kernel); latency H 0 undoes
  rate H MBIT|0                  bandwidth cap in both directions (tc tbf)
  pause|resume H..               freeze / thaw every process (hung host)
  fill H [LEAVE_kB] / unfill H   fill the small /data filesystem but LEAVE_kB
  skew H UNIT SECONDS|0          restart UNIT with its wall clock shifted (libfaketime drop-in; glibc-dynamic programs)
  memlimit H MB|0, cpulimit H PERCENT|0     cap the whole host
  status, mem [H..], ip H, pid H, log H, wait, down [H..] (remove hosts and all), mkroot DIR [PACKAGES]
  H is h3, 3, h2-h9 or all. Environment: FLEET, FLEET_ROOT, FLEET_DATA, FLEET_JOBS, FLEET_BOOTWAIT, FLEET_NSPAWN (extra flags)
U
}
cmd=${1:-help}; shift || true
case $cmd in
up) case ${1:-1} in *-*) up "$(num "${1%-*}")" "$(num "${1#*-}")";; *) up 1 "$(num "${1:-1}")";; esac;;
start) for n in $(each "$@"); do up "$n" "$n"; done;;
kill) for n in $(each "$@"); do kill9 "$n"; done;;
poweroff) for n in $(each "$@"); do halt1 "$n" & done; wait;;
reboot) for n in $(each "$@"); do kill9 "$n"; up "$n" "$n"; done;;
exec) n=$(num "$1"); shift; enter "$n" "$@";;
run) n=$(num "$1"); shift; enter "$n" systemd-run --quiet --pipe --wait --collect "$@";;
hub) hub_up; exec ip netns exec $HUB "$@";;
push) a=("$@"); k=${#a[@]}; [ "$k" -ge 3 ] || die "push H.. SRC DST"; s=${a[k-2]}; t=${a[k-1]}; for n in $(each "${a[@]:0:k-2}"); do l=$(leader "$n") || die "h$n down"; mkdir -p "/proc/$l/root$(dirname "$t")" && cp -a "$s" "/proc/$l/root$t.push$$" && mv -fT "/proc/$l/root$t.push$$" "/proc/$l/root$t" || die "push h$n"; done;;
layer) base_layer; mkdir -p "$FLEET/base$(dirname "$2")"; cp -a "$1" "$FLEET/base$2";;
partition) mode=drop; a=(); for x in "$@"; do case $x in drop|to|from|link) mode=$x;; *) a+=("$x");; esac; done
  for n in $(each "${a[@]}"); do case $mode in drop) nftel add cut_from "$n"; nftel add cut_to "$n";; from) nftel add cut_from "$n";; to) nftel add cut_to "$n";; link) ip -n $HUB link set "h$n" down;; esac; done;;
heal) for n in $(each "$@"); do heal "$n"; done;;
block|unblock) x=add; [ $cmd = unblock ] && x=delete; ip netns exec $HUB nft $x element bridge fleet pair "{ $(port "$(num "$1")") . $(port "$(num "$2")") }";;
latency) n=$(num "$1"); undelay "$n"; if [ "${2:-0}" != 0 ]; then ip -n $HUB link set "h$n" nomaster; ip netns exec $HUB setsid "$BIN/delaybox" "h$n" "t$n" "$2" "${3:-0}" "${4:-0}" </dev/null >"$H/h$n/delay.log" 2>&1 & echo $! >"$H/h$n/delay.pid"
    for i in $(seq 50); do ip -n $HUB link set "t$n" master $BR up 2>/dev/null && break; sleep .05; done; [ "$i" -lt 50 ] || die "delaybox: $(cat "$H/h$n/delay.log")"; fi;;
rate) n=$(num "$1"); tc -n $HUB qdisc del dev "h$n" root 2>/dev/null; tc -n $PFX-h$n qdisc del dev eth0 root 2>/dev/null
  [ "${2:-0}" = 0 ] || { tc -n $HUB qdisc add dev "h$n" root tbf rate "${2}mbit" burst 64k latency 200ms && tc -n $PFX-h$n qdisc add dev eth0 root tbf rate "${2}mbit" burst 64k latency 200ms; };;
pause) for n in $(each "$@"); do freeze "$n" FROZEN; done;;
resume) for n in $(each "$@"); do freeze "$n" THAWED; done;;
fill) n=$(num "$1"); free=$(df -k --output=avail "$H/h$n/data" | tail -1); dd if=/dev/zero of="$H/h$n/data/.fill" bs=1k count=$((free - ${2:-0})) 2>/dev/null; df -k "$H/h$n/data" | tail -1;;
unfill) rm -f "$H/h$(num "$1")/data/.fill";;
skew) n=$(num "$1"); u=$2; d=/run/systemd/system/$u.d; l=$(leader "$n") || die "h$n down"; if [ "$3" = 0 ]; then rm -f "/proc/$l/root$d/skew.conf"; else mkdir -p "/proc/$l/root$d"; printf '[Service]\nEnvironment=LD_PRELOAD=/usr/lib/faketime/libfaketimeMT.so.1 FAKETIME=%+ds FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1\n' "$3" >"/proc/$l/root$d/skew.conf"; fi; (enter "$n" systemctl daemon-reload); (enter "$n" systemctl restart "$u");;
memlimit) d=$(cg_dirs "$(num "$1")" | grep /memory/); if [ "$2" = 0 ]; then echo -1 >"$d/memory.limit_in_bytes"; else echo "${2}M" >"$d/memory.limit_in_bytes"; fi;;
cpulimit) d=$(cg_dirs "$(num "$1")" | grep '/cpu/'); if [ "$2" = 0 ]; then echo -1 >"$d/cpu.cfs_quota_us"; else echo $(($2 * 1000)) >"$d/cpu.cfs_quota_us"; fi;;
status) for n in $(hosts); do l=$(leader "$n" || echo -); echo "h$n ip=$(hip "$n") leader=$l boot_s=$(cat "$H/h$n/ready" 2>/dev/null || echo -) $( [ "$l" = - ] && echo down || { cat "$(cg_dirs "$n" | grep /freezer/)/freezer.state"; } )"; done;;
mem) for n in $(each "${@:-all}"); do running "$n" && mem1 "$n"; done;;
ip) hip "$(num "$1")";;
pid) leader "$(num "$1")";;
log) cat "$H/h$(num "$1")/console.log";;
down) if [ $# -gt 0 ]; then for n in $(each "$@"); do destroy "$n"; done; else i=0; for n in $(hosts); do destroy "$n" & i=$((i + 1)); [ $((i % 8)) = 0 ] && wait; done; wait
    for p in $(ip netns pids $HUB 2>/dev/null); do grep -qs delaybox /proc/$p/comm && kill $p; done; ip netns del $HUB 2>/dev/null; [ -f "$FLEET/inotify.old" ] && cat "$FLEET/inotify.old" >/proc/sys/fs/inotify/max_user_instances && rm -f "$FLEET/inotify.old"; rm -rf "$H" "$FLEET/wait.log" "$FLEET/cgroup.base"; fi;;
mkroot) debootstrap --variant=minbase --include="systemd,systemd-sysv,dbus,iproute2,curl,procps${2:+,$2}" bookworm "${1:?DIR}" && rm -rf "$1"/var/cache/apt/archives/*.deb "$1"/var/lib/apt/lists/*;;
help|*) help;;
esac
