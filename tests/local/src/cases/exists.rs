//! C: files that are there already.

use super::cases;

cases! {
    "C1" "without a word it is DISALLOW" => |w| {
        w.theirs("out/page", "theirs");
        w.page("one").deploy().fails("The deployment failed because a specified file already exists at this location: ");
        w.has("out/page", "theirs");
    };
    "C1" "the flag counts when the AppSpec says nothing, in any case" => |w| {
        for word in ["OVERWRITE", "overwrite"] {
            w.theirs("out/page", "theirs");
            w.page("one").flags(&["-b", word, "-g", word]).deploy().ok();
            w.has("out/page", "one");
            w.bundle().flags(&["-g", word]).deploy().ok();
        }
    };
    "C1" "the AppSpec wins over the flag" => |w| {
        w.theirs("out/page", "theirs");
        w.page("one").more("file_exists_behavior: RETAIN\n").flags(&["-b", "OVERWRITE"]).deploy().ok();
        w.has("out/page", "theirs");
    };
    "C2" "files of the previous revision never collide" => |w| {
        w.page("one").deploy().ok();
        w.page("two").deploy().ok();
        w.has("out/page", "two");
    };
    "C2" "folders that are there never collide" => |w| {
        w.theirs("out/sub/", "").theirs("out/other", "x");
        w.page("one").file("app/sub/y", "y").deploy().ok();
        w.has("out/sub/y", "y").has("out/other", "x");
    };
    "C3" "OVERWRITE replaces, RETAIN leaves, each without a word" => |w| {
        w.theirs("out/page", "theirs").theirs("out2/page", "theirs");
        w.page("one").file("app/more", "m").flags(&["-b", "RETAIN"]).deploy().ok();
        w.has("out/page", "theirs").has("out/more", "m");
        w.bundle().file("page", "two").install("page", "@/out2").flags(&["-b", "OVERWRITE", "-g", "other"]).deploy().ok();
        w.has("out2/page", "two");
    };
    "C3" "another word is refused at once" => |w| {
        let said = w.page("one").flags(&["-b", "MAYBE"]).deploy();
        assert_eq!(said.code, Some(1));
        said.says("DISALLOW, OVERWRITE, RETAIN");
        w.gone("out");
    };
    "C4" "a dangling link counts as absent, and is replaced, never written through" => |w| {
        w.theirs("out/", "").sh("ln -s @/elsewhere @/out/page");
        w.page("one").deploy().ok();
        w.has("out/page", "one").gone("elsewhere");
    };
    "C5" "after a collision the previous revision stands as it was" => |w| {
        w.page("one").deploy().ok();
        w.theirs("out/new", "theirs");
        w.page("two").file("app/new", "ours").deploy().fails("already exists at this location").says("runs d-");
        w.has("out/page", "one").has("out/new", "theirs");
        w.sh("rm @/out/new");
        w.page("three").file("app/new", "ours").deploy().ok();
    };
    "C6" "what was overwritten is ours from then on, what was retained is not" => |w| {
        w.theirs("out/page", "theirs");
        w.page("one").flags(&["-b", "RETAIN"]).deploy().ok();
        w.bundle().deploy().ok();
        w.has("out/page", "theirs");
        w.page("two").flags(&["-b", "OVERWRITE"]).deploy().ok();
        assert!(w.read("root/deployment-instructions/default-local-deployment-group-cleanup").contains("/out/page\n"));
    };
    "C6" "what a failed deployment has overwritten is put back" => |w| {
        w.theirs("out/page", "theirs").sh("chmod 640 @/out/page");
        w.page("one").flags(&["-b", "OVERWRITE"]).hook("ValidateService", "exit 1").deploy().fails("exit code 1");
        w.has("out/page", "theirs").mode("out/page", 0o640);
    };
    "C7" "a link of the bundle overwrites a file" => |w| {
        w.theirs("out/to", "theirs");
        w.page("one").link("app/to", "page").flags(&["-b", "OVERWRITE"]).deploy().ok();
        w.link("out/to", "page");
    };
    "C7" "a file does not overwrite a folder: it fails, and nothing changes" => |w| {
        w.theirs("out/page/", "");
        w.page("one").file("app/other", "o").flags(&["-b", "OVERWRITE"]).deploy().fails("is there already and is no file");
        w.is("out/page").gone("out/other").gone("out/page/page");
    };
}
