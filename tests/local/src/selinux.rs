//! A host with SELinux, as far as one can be pretended: the file by which the kernel says that it is on, and a stand-in for
//! `semanage` that keeps its rules in a file; both seen by one command only. The kernel of these tests enforces nothing.

use std::path::Path;
use std::process::Command;

const INSIDE: &str = "set -e; semanage=$1; shift
mount -t tmpfs none /sys/fs; mkdir /sys/fs/selinux; echo 1 >/sys/fs/selinux/enforce
mount -t tmpfs none /usr/local/sbin; [ ! -x \"$semanage\" ] || cp \"$semanage\" /usr/local/sbin/semanage
exec \"$@\"";

/// In the form of policycoreutils: `fcontext -l -C -n`, `-a|-m [-s USER] -t TYPE [-r RANGE] SPEC`, `-d SPEC`.
pub const SEMANAGE: &str = r#"#!/bin/sh
echo "$*" >>@/semanage.log
[ ! -e @/broken ] || { echo 'ValueError: SELinux policy is not managed or store cannot be accessed.' >&2; exit 1; }
order=$2 user=system_u range=s0 type=
shift 2
[ "$order" != -l ] || { cat @/rules; exit 0; }
while [ $# -gt 1 ]; do
    case $1 in -s) user=$2;; -t) type=$2;; -r) range=$2;; *) exit 2;; esac
    shift 2
done
there() { grep -qF -- "$1  all files" @/rules; }
forget() { grep -vF -- "$1  all files" @/rules >@/rules.new; mv @/rules.new @/rules; }
case $order in
-a) ! there "$1" || { echo "ValueError: File context for $1 already defined" >&2; exit 1; };;
*) there "$1" || { echo "ValueError: File context for $1 is not defined" >&2; exit 1; }; forget "$1";;
esac
[ "$order" = -d ] || printf '%s  all files  %s:object_r:%s:%s \n' "$1" "$user" "$type" "$range" >>@/rules
"#;

/// A program that sees it.
pub fn inside(semanage: &Path, program: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--", "sh", "-c", INSIDE, "selinux"]).arg(semanage).arg(program);
    command
}
