//! E: `permissions`.

use super::cases;
use crate::users::users;
use crate::world::World;

fn entry(text: &str) -> String {
    format!("permissions:\n  - {{{text}}}\n")
}

fn context(text: &str) -> String {
    format!("permissions:\n  - object: /\n    type: [file]\n    context: {{{text}}}\n")
}

fn label(w: &World, path: &str) -> String {
    String::from_utf8(xattr::get(w.path(path), "security.selinux").unwrap().unwrap()).unwrap()
}

cases! {
    "E1" "an object is required, and one without attributes does nothing" => |w| {
        w.page("one").more(&entry("mode: 600")).deploy().fails("an entry has no `object`");
        w.page("one").more(&entry("object: ''")).deploy().fails("an entry has no `object`");
        w.page("one").more(&entry("object: @/out")).deploy().ok();
        w.mode("out/page", 0o644);
    };
    "E2" "only what this deployment installed is reached" => |w| {
        w.theirs("out/theirs", "t").sh("chmod 644 @/out/theirs");
        w.page("one").more(&entry("object: @/out, mode: 600, type: [file]")).deploy().ok();
        w.mode("out/page", 0o600).mode("out/theirs", 0o644).mode("out", 0o755);
    };
    "E2" "objects that are not there, or not installed, are passed over" => |w| {
        w.theirs("other/x", "x").sh("chmod 644 @/other/x");
        w.page("one").more(&format!("{}  - {{object: @/other/x, mode: 600}}\n", entry("object: /no/such/thing, mode: 600"))).deploy().ok();
        w.mode("other/x", 0o644);
    };
    "E3" "an object that is a file is meant unless type says otherwise" => |w| {
        w.page("one").more(&entry("object: @/out/page, mode: 600")).deploy().ok();
        w.mode("out/page", 0o600);
        w.page("two").more(&entry("object: @/out/page, mode: 600, type: [directory]")).deploy().ok();
        w.mode("out/page", 0o644);
    };
    "E3" "a pattern or an except for a file is an error" => |w| {
        w.page("one").more(&entry("object: @/out/page, mode: 600, pattern: '*.x'")).deploy().fails("is a file: pattern must be ** and except empty");
        w.page("one").more(&entry("object: @/out/page, mode: 600, except: [x]")).deploy().fails("is a file: pattern must be ** and except empty");
        w.gone("out");
    };
    "E4" "an object that is a folder is itself never changed; its parent with a pattern reaches it" => |w| {
        w.bundle().file("app/sub/x", "x").install("app", "@/out").more(&entry("object: @/out/sub, mode: 700, type: [directory]")).deploy().ok();
        w.mode("out/sub", 0o755);
        w.bundle().deploy().ok();
        w.bundle().file("app/sub/x", "x").install("app", "@/out").more(&entry("object: @/out, pattern: 'su*', mode: 700, type: [directory]")).deploy().ok();
        w.mode("out/sub", 0o700);
    };
    "E5" "** is all depths, anything else direct children only" => |w| {
        let bundle = |pattern: &str| w.bundle().file("a.sh", "a").file("sub/b.sh", "b").install(".", "@/out").more(&entry(&format!("object: @/out, pattern: '{pattern}', mode: 700, type: [file]")));
        bundle("**").deploy().ok();
        w.mode("out/a.sh", 0o700).mode("out/sub/b.sh", 0o700);
        bundle("*.sh").deploy().ok();
        w.mode("out/a.sh", 0o700).mode("out/sub/b.sh", 0o644);
    };
    "E6" "except names direct children; names below and absolute paths never match" => |w| {
        let more = entry("object: @/out, mode: 600, type: [file], except: [a, b, '@/out/c']");
        w.bundle().file("x/a", "").file("x/c", "").file("x/sub/b", "").install("x", "@/out").more(&more).deploy().ok();
        w.mode("out/a", 0o644).mode("out/c", 0o600).mode("out/sub/b", 0o600);
    };
    "E7" "type is file, directory or both; a bare text is accepted" => |w| {
        w.page("one").more(&entry("object: /, mode: 700, type: file")).deploy().ok();
        w.mode("out/page", 0o700).mode("out", 0o755);
        w.page("one").more(&entry("object: /, mode: 600, type: socket")).deploy().fails("must be file or directory");
    };
    "E7" "except as a bare text is accepted" => |w| {
        w.page("one").more(&entry("object: @/out, mode: 700, type: [file], except: page")).deploy().ok();
        w.mode("out/page", 0o644);
    };
    "E8" "one object of two entries is an error, and nothing stays" => |w| {
        w.page("one").more(&format!("{}  - {{object: /, mode: 600}}\n", entry("object: @/out/page, mode: 600"))).deploy().fails("two entries are about");
        w.gone("out");
    };
    "E9" Root "owner before mode: a set-user-id bit survives" => |w| {
        w.page("one").more(&entry("object: /, owner: daemon, group: daemon, mode: 4755, type: [file]")).deploy().ok();
        w.mode("out/page", 0o4755).owner("out/page", "daemon", "daemon");
    };
    "E9" "a set-group-id bit on a folder stays" => |w| {
        w.bundle().file("app/sub/x", "x").install("app", "@/out").more(&entry("object: /, mode: 2755, type: [directory]")).deploy().ok();
        w.mode("out/sub", 0o2755);
    };
    "E10" "modes are octal text, quoted or not, with a leading zero or without" => |w| {
        for (mode, expected) in [("0644", 0o644), ("0755", 0o755), ("'0640'", 0o640), ("750", 0o750), ("4755", 0o4755), ("420", 0o420), ("7", 0o007)] {
            w.page(mode).more(&entry(&format!("object: /, type: [file], mode: {mode}"))).deploy().ok();
            w.mode("out/page", expected);
        }
    };
    "E10" "what is no mode is refused" => |w| {
        for mode in ["12345", "u+x", "8", "12a"] {
            w.page("one").more(&entry(&format!("object: /, mode: {mode}"))).deploy().fails("must be at most four digits 0 to 7");
        }
    };
    "E11" Root "owners and groups are names, or numbers" => |w| {
        w.page("one").more(&entry("object: /, owner: daemon, group: bin")).deploy().ok();
        w.owner("out/page", "daemon", "bin").owner("out", "daemon", "bin");
        w.page("two").more(&entry("object: /, owner: '65534', group: 65534")).deploy().ok();
        w.owner("out/page", "nobody", "nogroup");
    };
    "E11" Root "an unknown owner fails, and nothing stays" => |w| {
        w.page("one").more(&entry("object: /, owner: nosuchuser")).deploy().fails("this host has no user nosuchuser");
        w.page("one").more(&entry("object: /, group: nosuchgroup")).deploy().fails("this host has no group nosuchgroup");
        w.gone("out");
    };
    "E11" Root "a group alone is allowed" => |w| {
        w.page("one").more(&entry("object: /, group: daemon")).deploy().ok();
        w.owner("out/page", "root", "daemon");
    };
    "E12" Root "a link's target is never touched" => |w| {
        w.theirs("target", "t").sh("chmod 644 @/target");
        w.page("one").link("app/to", "../target").link("app/dangling", "nowhere").more(&entry("object: /, owner: daemon, mode: 600, type: [file]")).deploy().ok();
        w.mode("target", 0o644).owner("target", "root", "root").owner("out/to", "daemon", "root").mode("out/page", 0o600);
    };
    "E13" "entries that change the owner, or name a mask, are refused with their line" => |w| {
        for acl in ["7", "u::rwx", "mask:bob:rwx", "user:bob:rwxd", "d:u:bob:7:rwx"] {
            w.page("one").more(&format!("permissions:\n  - object: /\n    acls:\n      - '{acl}'\n")).deploy().fails("line 9: permissions: the access control entry");
        }
    };
    "E14" Root "a named entry gets rights on files and folders" => |w| {
        w.page("one").more("permissions:\n  - object: /\n    mode: 750\n    acls: ['user:daemon:rwx']\n").deploy().ok();
        assert!(w.sh_says("ls -ld @/out/page").contains('+'), "{}", w.sh_says("ls -ld @/out/page"));
    };
    "E14" Root "a default entry for files is an error, for folders not" => |w| {
        w.page("one").more("permissions:\n  - object: /\n    type: [directory]\n    acls: ['d:daemon:rwx']\n").deploy().ok();
        assert!(w.sh_says("ls -ld @/out").contains('+'));
    };
    "E15" Root "each object gets entries of its own" => |w| {
        w.bundle().file("app/a", "").mode("app/a", 0o644).file("app/b", "").mode("app/b", 0o600).install("app", "@/out").more("permissions:\n  - object: /\n    type: [file]\n    acls: ['daemon:r', 'm::4']\n").deploy().ok();
        let other = w.sh_says("stat -c %A @/out/b");
        assert!(other.trim_end().ends_with("---"), "the second file keeps its own rights for others: {other}");
        assert!(w.sh_says("ls -ld @/out/b").contains('+'));
    };
    "E16" "acls of nothing are nothing" => |w| {
        w.page("one").more("permissions:\n  - object: /\n    acls: []\n").deploy().ok();
    };
    "E17" "a context needs a type, and its range is checked" => |w| {
        w.page("one").more("permissions:\n  - object: /\n    context: {name: x}\n").deploy().fails("context has no `type`");
        w.page("one").more("permissions:\n  - object: /\n    context: {type: t, range: 's3-s2'}\n").deploy().fails("has sensitivities in descending order");
    };
    "E17" "where SELinux is not on, a context is refused before anything begins" => |w| {
        w.page("one").more(&context("type: httpd_sys_content_t")).deploy().fails("the context httpd_sys_content_t needs SELinux, which is not on at this host");
        w.gone("out");
    };
    "E18" Root "a label is set, and the host's rule for it; both go with the revision" => |w| {
        w.selinux();
        w.page("one").file("app/a.b", "").more(&context("name: staff_u, type: httpd_sys_content_t, range: 's0:c1'")).deploy().ok();
        assert_eq!(label(w, "out/page"), "staff_u:object_r:httpd_sys_content_t:s0:c1\0");
        let rule = |name: &str, gives: &str| w.fill(&format!("@/out/{name}  all files  {gives} \n"));
        let both = |gives: &str| rule("a\\.b", gives) + &rule("page", gives);
        assert_eq!(w.read("rules"), both("staff_u:object_r:httpd_sys_content_t:s0:c1"));
        w.page("two").file("app/a.b", "").more(&context("type: var_t")).deploy().ok();
        assert_eq!(w.read("rules"), both("system_u:object_r:var_t:s0"));
        w.page("three").more(&context("type: var_t")).deploy().ok();
        assert_eq!(w.read("rules"), rule("page", "system_u:object_r:var_t:s0"));
        w.page("four").deploy().ok();
        assert_eq!(w.read("rules"), "");
        let (calls, before) = (w.read("semanage.log"), w.read("semanage.log").lines().count());
        assert!(calls.contains("fcontext -a -s staff_u -t httpd_sys_content_t -r s0:c1 ") && calls.contains("fcontext -m -t var_t "), "{calls}");
        w.page("five").deploy().ok();
        assert_eq!(w.read("semanage.log").lines().count(), before, "who labels nothing calls nobody");
    };
    "E18" Root "a deployment that fails leaves the rules of the revision before" => |w| {
        w.selinux();
        w.page("one").more(&context("type: var_t")).deploy().ok();
        let rules = w.read("rules");
        w.page("two").file("app/new", "").more(&context("type: httpd_sys_content_t")).hook("AfterInstall", "cat @/rules; exit 1").deploy().fails("local deployment failed").logs("httpd_sys_content_t");
        assert_eq!(w.read("rules"), rules);
        assert_eq!(label(w, "out/page"), "system_u:object_r:var_t:s0\0");
        w.page("three").file("app/new", "").hook("AfterInstall", "exit 1").deploy().fails("local deployment failed");
        assert_eq!(w.read("rules"), rules);
    };
    "E18" Root "a rule that cannot be set fails the deployment, and the revision before is back" => |w| {
        w.selinux();
        w.page("one").deploy().ok();
        w.theirs("broken", "");
        w.page("two").more(&context("type: var_t")).deploy().fails("semanage fcontext: ValueError: SELinux policy is not managed");
        w.has("out/page", "one");
    };
    "E18" Root "a rule of somebody else is left as it is, and named" => |w| {
        let rule = w.fill("@/out/page  all files  system_u:object_r:theirs_t:s0 \n");
        w.selinux().theirs("rules", &rule);
        w.page("one").more(&context("type: var_t")).deploy().fails("this host has a SELinux rule of its own for").says("gives system_u:object_r:theirs_t:s0");
        assert_eq!(w.read("rules"), rule);
        w.gone("out/page");
    };
    "E18" Root "without its tool the label is set, and it is said that no rule is" => |w| {
        w.selinux().sh("rm @/semanage");
        w.page("one").more(&context("type: var_t")).deploy().ok().says("semanage is not installed here");
        assert_eq!(label(w, "out/page"), "system_u:object_r:var_t:s0\0");
    };
    "E18" Root "a kill between two rules leaves those of one revision" => |w| {
        w.selinux();
        w.page("one").more(&context("type: var_t")).deploy().ok();
        w.sh("sed -i '2a [ ! -e @/hang ] || [ $2 = -l ] || { touch @/hangs; while [ -e @/hang ]; do sleep 0.05; done; exit 1; }' @/semanage");
        w.theirs("hang", "");
        let two = w.page("two").file("app/new", "").more(&context("type: httpd_sys_content_t")).start();
        w.until("it sets a rule", || w.path("hangs").exists());
        two.kill(w);
        w.sh("rm @/hang");
        w.page("three").more(&context("type: third_t")).deploy().ok();
        assert_eq!(w.read("rules"), w.fill("@/out/page  all files  system_u:object_r:third_t:s0 \n"));
    };
    "E19" Root "the documented example: owner and mode by pattern, with exceptions" => |w| {
        let more = "permissions:\n  - object: @/out\n    pattern: '*.sh'\n    except: [keep.sh]\n    owner: daemon\n    group: daemon\n    mode: 700\n    type: [file]\n";
        w.bundle().file("x/a.sh", "").file("x/keep.sh", "").file("x/a.txt", "").install("x", "@/out").more(more).deploy().ok();
        w.mode("out/a.sh", 0o700).owner("out/a.sh", "daemon", "daemon").mode("out/keep.sh", 0o644).owner("out/a.txt", "root", "root");
    };
    "W29" Root "an owner that BeforeInstall makes is found" => |w| {
        // The account is there from the first case that asks for it; here it is named by the hook's own lookup.
        let person = &users().person;
        w.page("one").hook("BeforeInstall", &format!("getent passwd {person}")).more(&entry(&format!("object: /, owner: {person}, group: {person}"))).deploy().ok();
        w.owner("out/page", person, person);
    };
}
