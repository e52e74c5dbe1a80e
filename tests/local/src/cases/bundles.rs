//! J: bundles, layout on disk, retention. M: CodeDeploy's configuration.

use std::fs;

use super::cases;
use crate::world::World;

fn deployments(w: &World, group: &str) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(w.path("root").join(group)).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

cases! {
    "J1" "a deployment has its archive and its logs below its group" => |w| {
        let ran = w.page("one").flags(&["-g", "web"]).hook("AfterInstall", "true").deploy().ok();
        let folder = ran.folder.clone().unwrap();
        assert_eq!(folder, fs::canonicalize(w.path("root/web")).unwrap().join(ran.id()));
        assert!(folder.join("deployment-archive/appspec.yml").is_file() && folder.join("logs/scripts.log").is_file());
        assert!(!folder.join("bundle.tar").exists());
    };
    "J1" "a local archive is there as bundle.tar, a link" => |w| {
        let ran = w.page("one").packed("zip", "zip -qr $OUT.zip . && mv $OUT.zip $OUT").deploy().ok();
        let link = fs::read_link(ran.folder.unwrap().join("bundle.tar")).unwrap();
        assert_eq!(link, fs::canonicalize(w.path("bundle-1.archive")).unwrap());
    };
    "J1" "a hook finds the archive where it computes it" => |w| {
        w.page("one").hook("AfterInstall", "cat @/root/$DEPLOYMENT_GROUP_ID/$DEPLOYMENT_ID/deployment-archive/app/page").deploy().ok().logs("[stdout]one");
    };
    "J2" "tar, tgz, zip and folders are bundles" => |w| {
        w.page("tar").packed("tar", "tar -cf $OUT .").deploy().ok();
        w.has("out/page", "tar");
        w.page("tgz").packed("tgz", "tar -czf $OUT .").deploy().ok();
        w.has("out/page", "tgz");
        w.page("zip").packed("zip", "zip -qr $OUT.zip . && mv $OUT.zip $OUT").deploy().ok();
        w.has("out/page", "zip");
        w.page("folder").flags(&["-t", "directory"]).deploy().ok();
        w.has("out/page", "folder");
    };
    "J3" "-t tar takes every compression that tar knows" => |w| {
        for (command, name) in [("tar -czf $OUT .", "gz"), ("tar -c . | xz > $OUT", "xz"), ("tar -c . | bzip2 > $OUT", "bz2")] {
            w.page(name).packed("tar", command).deploy().ok();
            w.has("out/page", name);
        }
    };
    "J3" "an archive is recognised by its content, not by what it is called" => |w| {
        w.page("one").packed("tgz", "tar -cf $OUT .").deploy().ok();
        w.has("out/page", "one");
    };
    "J3" "a truncated archive fails before anything is stopped" => |w| {
        w.page("one").hook("ApplicationStop", "echo stopped").deploy().ok();
        w.page("two").file("more", &"x".repeat(9000)).packed("tgz", "tar -cz . | head -c 300 > $OUT").deploy().fails("cannot be deployed");
        w.has("out/page", "one");
    };
    "J3" "an archive of an archive has no AppSpec" => |w| {
        w.page("one").packed("zip", "tar -czf ../inner.tgz . && cd .. && zip -q $OUT.zip inner.tgz && mv $OUT.zip $OUT").deploy().fails("there is no appspec.yml");
    };
    "J4" "a single folder at the top is stripped, once" => |w| {
        w.page("one").packed("tgz", "cd .. && tar -czf $OUT bundle-1").deploy().ok();
        w.has("out/page", "one");
    };
    "J4" "two entries at the top, or two levels, are not stripped" => |w| {
        w.page("one").packed("tgz", "mkdir ../x && cp -r . ../x/inner && cd ../ && touch other && tar -czf $OUT x other").deploy().fails("there is no appspec.yml");
        w.page("one").packed("tgz", "mkdir -p ../y/z && cp -r . ../y/z/inner && cd ../y && tar -czf $OUT z").deploy().fails("there is no appspec.yml");
    };
    "J5" "links in a zip are links" => |w| {
        w.page("one").link("app/to", "page").packed("zip", "zip -qry $OUT.zip . && mv $OUT.zip $OUT").deploy().ok();
        w.link("out/to", "page");
    };
    "J6" "an archive whose names lead out is refused by name" => |w| {
        w.page("one").packed("tar", "echo x > ../outside && tar -cPf $OUT . ../outside").deploy().fails("../outside");
        w.gone("out");
    };
    "J8" "max_revisions counts all deployments of a group, the newest included" => |w| {
        w.configure(":max_revisions: 3\n");
        let names: Vec<String> = (0..5).map(|n| w.page(&n.to_string()).deploy().ok().id()).collect();
        let mut expected = names[2..].to_vec();
        expected.sort();
        assert_eq!(deployments(w, "default-local-deployment-group"), expected);
        let releases = fs::read_dir(w.path("root/.pilotage/apps/default-local-deployment-group/releases")).unwrap().count();
        assert_eq!(releases, 3, "and their releases");
    };
    "J8" "five are kept when nothing is said" => |w| {
        for n in 0..7 {
            w.page(&n.to_string()).deploy().ok();
        }
        assert_eq!(deployments(w, "default-local-deployment-group").len(), 5);
    };
    "J8" "the last successful one is never removed" => |w| {
        w.configure(":max_revisions: 1\n");
        let good = w.page("one").deploy().ok().id();
        for n in 0..3 {
            w.page(&n.to_string()).hook("AfterInstall", "exit 1").deploy().fails("exit code 1");
        }
        let left = deployments(w, "default-local-deployment-group");
        assert!(left.contains(&good) && left.len() == 2, "{left:?}");
    };
    "J9" "blanks in root_dir and group harm nobody" => |w| {
        fs::write(w.path("c.yml"), w.fill(":root_dir: '@/my root'\n:max_revisions: 1\n")).unwrap();
        for n in 0..3 {
            w.page(&n.to_string()).flags(&["-g", "my group; x"]).deploy().ok();
        }
        assert_eq!(fs::read_dir(w.path("my root/my group; x")).unwrap().count(), 2);
    };
    "J10" "a wrong max_revisions is refused by name, and ends nobody" => |w| {
        for wrong in ["0", "-2", "many"] {
            w.configure(&format!(":max_revisions: {wrong}\n"));
            w.page("one").deploy().fails(":max_revisions: ").says("must be a whole number above 0");
        }
        w.gone("out");
    };
    "J11" "an unchanged file is kept once for all revisions" => |w| {
        for n in 0..4 {
            w.page(&n.to_string()).file("big", &"0123456789abcdef".repeat(60_000)).deploy().ok();
        }
        let objects = w.sh_says("find @/root/.pilotage/private/objects -type f | wc -l");
        assert!(objects.trim().parse::<u32>().unwrap() <= 1 + 4 * 2, "{objects}");
    };
    "M1" "CodeDeploy's shipped configuration is read as it is" => |w| {
        w.configure(":log_aws_wire: false\n:log_dir: '@/log/'\n:pid_dir: /x\n:program_name: codedeploy-agent\n:verbose: false\n:wait_between_runs: 1\n:proxy_uri:\n:max_revisions: 5\n");
        w.page("one").deploy().ok().does_not_say("is not known");
        w.is("root/deployment-instructions");
    };
    "M1" "log_dir has the command's own log" => |w| {
        w.configure(":log_dir: @/log\n");
        w.page("one").deploy().ok();
        w.page("two").hook("AfterInstall", "exit 1").deploy().code_is_1();
        let log = w.read("log/codedeploy-local.log");
        assert!(log.contains("INFO  [codedeploy-local(") && log.contains("has succeeded") && log.contains("ERROR [codedeploy-local("), "{log}");
    };
    "M1" Root "a log_dir that others can write is not used, and holds up nothing" => |w| {
        w.configure(":log_dir: @/log\n");
        w.sh("mkdir -m 777 log; ln -s @/elsewhere log/codedeploy-local.log");
        w.page("one").deploy().ok().says("/log is not used: ");
        w.gone("elsewhere");
    };
    "M1" "an unknown key is said, and ignored" => |w| {
        w.configure(":max_revision: 3\n");
        w.page("one").deploy().ok().says(":max_revision: is not known and ignored");
    };
    "M2" "a configuration that is not there, or no YAML, is an error" => |w| {
        w.page("one").flags(&["-c", "@/nowhere.yml"]).deploy().fails("cannot be used multiple times");
        fs::remove_file(w.path("c.yml")).unwrap();
        w.page("one").deploy().fails("failed to read the configuration");
        w.theirs("c.yml", "a: [");
        w.page("one").deploy().fails("is not usable");
    };
}
