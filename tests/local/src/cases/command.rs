//! N: `codedeploy-local` itself.

use std::os::unix::fs::symlink;
use std::process::Command;

use super::cases;
use crate::programs::programs;
use crate::ran::Ran;

cases! {
    "N1" "without flags: the current folder, and CodeDeploy's names" => |w| {
        let bundle = w.page("one").hook("AfterInstall", "echo $DEPLOYMENT_GROUP_ID $DEPLOYMENT_GROUP_NAME $APPLICATION_NAME");
        let folder = bundle.write();
        let ran = Ran::of(&w.command().current_dir(folder).output().unwrap()).ok();
        ran.logs("[stdout]default-local-deployment-group LocalFleet .");
    };
    "N1" "long names of flags are CodeDeploy's" => |w| {
        let flags = ["--type", "directory", "--file-exists-behavior", "RETAIN", "--deployment-group", "g", "--deployment-group-name", "n", "--application-name", "a"];
        let more = ["--events", "AfterInstall", "--appspec-filename", "appspec.yml"];
        w.page("one").flags(&flags).flags(&more).hook("AfterInstall", "echo here").deploy().ok().logs("here");
        w.is("root/g");
    };
    "N1" "-h and -v say what they should, and end well" => |w| {
        let help = Ran::of(&w.command().arg("-h").output().unwrap());
        assert_eq!(help.code, Some(0));
        for flag in ["-l,", "-t,", "-b,", "-g,", "-d,", "-a,", "-e,", "-c,", "-A,", "-v,"] {
            assert!(help.said.contains(flag), "{flag}: {}", help.said);
        }
        let version = Ran::of(&w.command().arg("-v").output().unwrap());
        assert_eq!(version.code, Some(0));
        version.says("1.0");
    };
    "N1" "the application is named by the bundle's location, if by nothing else" => |w| {
        w.page("one").hook("AfterInstall", "echo $APPLICATION_NAME").deploy().ok().logs(&w.fill("[stdout]@/bundle-1"));
    };
    "N1" "a group is a folder's name" => |w| {
        for wrong in ["", "a/b", "..", ".x", "deployment-logs"] {
            w.page("one").flags(&["-g", wrong]).deploy().fails("--deployment-group");
        }
        w.page("one").flags(&["-g", "Web Prod"]).deploy().ok();
        w.is("root/Web Prod");
    };
    "N1" "called codedeploy-local it takes its flags directly" => |w| {
        w.page("one").write();
        symlink(&programs().agent, w.path("codedeploy-local")).unwrap();
        let mut command = Command::new(w.path("codedeploy-local"));
        command.arg("--deployer").arg(&programs().deployer).args(["--launch", "plain", "-c"]).arg(w.path("c.yml")).arg("-l").arg(w.path("bundle-1"));
        Ran::of(&command.output().unwrap()).ok();
        w.has("out/page", "one");
    };
    "N2" "a location is a path, or file:" => |w| {
        w.page("one").write();
        for location in ["bundle-1", "file:bundle-1", "@/bundle-1", "file:@/bundle-1", "file://@/bundle-1"] {
            Ran::of(&w.command().args(["-l", &w.fill(location)]).output().unwrap()).ok();
        }
    };
    "N2" "what is elsewhere is not fetched, and the way to it is said" => |w| {
        let check = |location: &str, part: &str| drop(Ran::of(&w.command().args(["-t", "tgz", "-l", location]).output().unwrap()).fails(part));
        check("s3://bucket/key?versionId=1", "aws s3 cp URL FILE");
        check("https://github.com/o/r", "curl -fLo FILE https://github.com/o/r");
        check("https://api.github.com/repos/o/r/tarball/main", "curl -fLo FILE");
        check("http://example.com/x.tgz", "cannot be http");
    };
    "N2" "a location that is not there, or not of its type, is an error" => |w| {
        w.theirs("file", "x").page("one").write();
        let check = |arguments: &[&str], part: &str| drop(Ran::of(&w.command().args(arguments).output().unwrap()).fails(part));
        check(&["-l", "nowhere"], "which does not exist");
        check(&["-l", "file"], "with type directory but it is a file");
        check(&["-l", "bundle-1", "-t", "tgz"], "but it is a directory");
    };
    "N3" "a folder needs its AppSpec before anything runs" => |w| {
        w.page("one").hook("ApplicationStop", "touch @/stopped").deploy().ok();
        w.page("two").named("").deploy().fails("there is no appspec.yml");
        w.gone("stopped").has("out/page", "one");
    };
    "N4" "only hooks of the named events run; files are installed all the same" => |w| {
        let ran = w.page("one").hook("BeforeInstall", "echo 1").hook("AfterInstall", "echo 2").hook("ApplicationStart", "echo 3").flags(&["-e", "AfterInstall"]).deploy().ok();
        ran.logs("[stdout]2").does_not_log("[stdout]1").does_not_log("[stdout]3");
        w.has("out/page", "one");
    };
    "N4" "ApplicationStop is the old revision's, also when it is named alone" => |w| {
        w.page("one").hook("ApplicationStop", "echo stop-of-one").deploy().ok();
        w.page("two").hook("ApplicationStop", "echo stop-of-two").flags(&["-e", "ApplicationStop"]).deploy().ok().logs("stop-of-one").does_not_log("stop-of-two");
    };
    "N4" "what cannot stand before DownloadBundle or Install is refused" => |w| {
        w.page("one").flags(&["-e", "BeforeInstall,DownloadBundle"]).deploy().fails("the only events that can be specified before DownloadBundle are BeforeBlockTraffic,AfterBlockTraffic,ApplicationStop");
        w.page("one").flags(&["-e", "AfterInstall,Install"]).deploy().fails("the only events that can be specified before Install are");
        w.page("one").flags(&["-e", "ApplicationStop,DownloadBundle,BeforeInstall,Install,AfterInstall"]).deploy().ok();
    };
    "N4" "events of nobody are refused with the list of all" => |w| {
        w.page("one").flags(&["-e", "MyEvent"]).deploy().fails("\"MyEvent\" is no lifecycle event; events are BeforeBlockTraffic");
    };
    "N5" "success and failure have CodeDeploy's words and codes" => |w| {
        let good = w.page("one").deploy().ok();
        let id = good.id();
        assert!(id.len() == 17 && id.starts_with("d-") && id.ends_with("-local"), "{id}");
        assert!(id[2..11].bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()), "{id}");
        let bad = w.page("two").hook("AfterInstall", "exit 1").deploy();
        let folder = bad.folder.clone().unwrap();
        let bad = bad.fails("Your local deployment failed while trying to execute your script at ");
        bad.says(&format!("{}/deployment-archive/scripts/1.sh", folder.display())).says(&format!("See the deployment log at {}/logs/scripts.log", folder.display()));
    };
    "N5" "other failures begin with ERROR" => |w| {
        w.bundle().text("version: 1\n").deploy().fails("ERROR: ");
        let wrong = Ran::of(&w.command().arg("--nonsense").output().unwrap());
        assert_eq!(wrong.code, Some(1), "{}", wrong.said);
    };
    "N5" "the events are named as they run" => |w| {
        w.page("one").hook("BeforeInstall", "true").hook("ApplicationStart", "true").deploy().ok().says("\nBeforeInstall\nInstall\nApplicationStart\n");
    };
}
