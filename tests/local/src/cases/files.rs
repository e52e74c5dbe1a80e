//! B: `files`.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use super::cases;

cases! {
    "B1" "no files, or null, is nothing to copy" => |w| {
        w.bundle().deploy().ok();
        w.bundle().more("files:\n").deploy().ok();
    };
    "B1" "files must be a list of source and destination" => |w| {
        w.bundle().more("files:\n  source: app\n  destination: /x\n").deploy().fails("files must be a list, not a map");
        w.bundle().more("files:\n  - source: app\n").deploy().fails("an entry has no `destination`");
        w.bundle().more("files:\n  - {source: app, destination: }\n").deploy().fails("an entry has no `destination`");
    };
    "B2" "a leading slash or ./ of a source is harmless" => |w| {
        for source in ["app", "/app", "./app", "app/"] {
            w.page("one").text(&format!("version: 0.0\nos: linux\nfiles: [{{source: {source}, destination: @/out}}]\n")).deploy().ok();
            w.has("out/page", "one");
        }
    };
    "B2" "/ and . are all of the bundle, with AppSpec and scripts" => |w| {
        for (n, source) in ["/", ".", "./"].iter().enumerate() {
            w.bundle().file("page", "one").install(source, &format!("@/out{n}")).hook("AfterInstall", "true").deploy().ok();
            w.has(&format!("out{n}/page"), "one").is(&format!("out{n}/appspec.yml")).is(&format!("out{n}/scripts/1.sh"));
        }
    };
    "B3" "a source knows no wildcards" => |w| {
        w.bundle().file("a.txt", "a").install("'*.txt'", "@/out").deploy().fails("the package has no *.txt");
        w.gone("out");
    };
    "B4" "a source that leads out of the bundle is refused" => |w| {
        w.theirs("secret", "x");
        w.bundle().install("../secret", "@/out").deploy().fails("leads out of the bundle");
        w.gone("out");
    };
    "B5" "a folder gives its contents, with hidden files and empty folders" => |w| {
        w.bundle().file("app/.hidden", "h").file("app/sub/deep/x", "x").dir("app/empty").install("app", "@/out").deploy().ok();
        w.has("out/.hidden", "h").has("out/sub/deep/x", "x").is("out/empty");
    };
    "B5" "a file lands in the destination, which is a folder even when it looks like a file" => |w| {
        w.bundle().file("conf/a.conf", "a").install("conf/a.conf", "@/etc/a.conf").deploy().ok();
        w.has("etc/a.conf/a.conf", "a");
    };
    "B6" "a missing source fails, and nothing of the others stands there" => |w| {
        w.page("one").install("nothing", "@/out2").deploy().fails("the package has no nothing, which its AppSpec names as a source");
        w.gone("out").gone("out2");
    };
    "B7" "missing folders above a destination are made, and go again" => |w| {
        w.bundle().file("a", "a").install("a", "@/one/two/three").deploy().ok();
        w.mode("one/two", 0o755).has("one/two/three/a", "a");
        w.bundle().deploy().ok();
        w.gone("one");
    };
    "B7" "a file above a destination is an error" => |w| {
        w.theirs("one", "file");
        w.bundle().file("a", "a").install("a", "@/one/two").deploy().code_is_1();
        w.has("one", "file");
    };
    "B8" "a relative destination counts from /" => |w| {
        let relative = w.fill("@/out").trim_start_matches('/').to_owned();
        w.bundle().file("a", "a").install("a", &relative).deploy().ok();
        w.has("out/a", "a");
    };
    "B8" "~ is refused, and $HOME is a name" => |w| {
        w.bundle().file("a", "a").install("a", "'~/x'").deploy().fails("`~` is not known here");
        w.bundle().file("a", "a").install("a", "'@/$HOME'").deploy().ok();
        w.has("$HOME/a", "a");
    };
    "B9" "a destination that is a link to a folder is followed" => |w| {
        w.theirs("real/", "").sh("ln -s @/real @/out");
        w.page("one").deploy().ok();
        w.has("real/page", "one").link("out", "@/real");
    };
    "B10" "content, mode bits and time are those of the bundle" => |w| {
        let bundle = w.page("one").mode("app/page", 0o640);
        bundle.write();
        w.sh("touch -d '2020-02-02 02:02:02' bundle-1/app/page");
        bundle.deploy().ok();
        w.mode("out/page", 0o640);
        assert_eq!(fs::metadata(w.path("out/page")).unwrap().mtime() % 86400, fs::metadata(w.path("bundle-1/app/page")).unwrap().mtime() % 86400);
    };
    "B10" Root "a set-user-id bit is kept, and the owner is root" => |w| {
        w.page("one").mode("app/page", 0o4755).deploy().ok();
        w.mode("out/page", 0o4755).owner("out/page", "root", "root");
    };
    "B10" Root "an archive's owners are not taken over: permissions says who owns" => |w| {
        w.page("one").packed("tar", "tar -cf $OUT --owner=65534 --group=65534 .").deploy().ok();
        w.owner("out/page", "root", "root");
    };
    "B11" "links are installed as they are: to files, dangling, absolute" => |w| {
        w.page("one").link("app/to", "page").link("app/dangling", "nowhere").link("app/absolute", "/etc/hostname").deploy().ok();
        w.link("out/to", "page").link("out/dangling", "nowhere").link("out/absolute", "/etc/hostname");
    };
    "B12" "a link to a folder stays a link, and a loop is no trap" => |w| {
        w.page("one").file("app/sub/x", "x").link("app/alias", "sub").link("app/loop", ".").deploy().ok();
        w.link("out/alias", "sub").link("out/loop", ".").has("out/alias/x", "x");
    };
    "B13" "several entries merge into one folder" => |w| {
        w.bundle().file("a/x", "x").file("b/y", "y").install("a", "@/out").install("b", "@/out").install("b/y", "@/out/sub").deploy().ok();
        w.has("out/x", "x").has("out/y", "y").has("out/sub/y", "y");
    };
    "B13" "one destination of two sources is an error, also with OVERWRITE" => |w| {
        w.bundle().file("a/x", "x").file("b/x", "y").install("a", "@/out").install("b", "@/out").flags(&["-b", "OVERWRITE"]).deploy().fails("two entries of files want");
        w.gone("out");
    };
    "B13" "a path that is a folder and a file at once is an error" => |w| {
        w.bundle().file("a/x", "x").file("b/x/y", "y").install("a", "@/out").install("b", "@/out").deploy().fails("two entries of files want");
    };
    "B14" "hard links become files of their own" => |w| {
        let bundle = w.page("one");
        bundle.write();
        w.sh("ln bundle-1/app/page bundle-1/app/same");
        bundle.packed("tar", "tar -cf $OUT .").deploy().ok();
        w.has("out/same", "one");
        assert_eq!(fs::metadata(w.path("out/same")).unwrap().nlink(), 1);
    };
    "B14" "a pipe in a bundle is refused by name" => |w| {
        let bundle = w.page("one");
        bundle.write();
        w.sh("mkfifo bundle-1/app/pipe");
        bundle.deploy().fails("\"app/pipe\": it is neither a file, a folder nor a link");
    };
    "B15" "what BeforeInstall adds to the bundle, or changes in it, is installed" => |w| {
        let add = "cd $(dirname $0)/..; echo more > app/added; echo changed > app/page";
        w.page("one").hook("BeforeInstall", add).deploy().ok();
        w.has("out/added", "more\n").has("out/page", "changed\n");
    };
}
