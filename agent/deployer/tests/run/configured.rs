//! Configurations in runs: what hooks get, the link, the way back, what is masked, and what is refused before anything stops.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use pilotage_agent_core::run::{Kind, Target};
use pilotage_bundle::Objects;
use pilotage_bundle::configuration::render::{Values, render};
use pilotage_shared::configuration::{Access, Configuration, File};
use pilotage_shared::name::SecretName;
use pilotage_shared::run::Outcome;

use crate::world::{World, log, report, start};

struct One(Vec<u8>);

impl Values for One {
    fn value(&self, _: &SecretName) -> Option<&[u8]> {
        Some(&self.0)
    }
}

/// The package with a configuration of this file, `LEVEL` and secret, rendered as the agent does it.
fn with(world: &World, target: &Target, level: &str, secret: &str) -> (Target, PathBuf) {
    let objects = Objects::open(&world.path("state/private/objects")).unwrap();
    let (digest, size) = objects.put(level.as_bytes()).unwrap();
    let mut configuration = Configuration::empty();
    configuration.files.insert("app.conf".into(), File { access: Access::of("root"), size, digest });
    configuration.environment = BTreeMap::from([("LEVEL".into(), level.into()), ("PORT".into(), "1".into())]);
    configuration.secret_variables.insert("DB".into(), SecretName::new("db").unwrap());
    let mut target = target.clone();
    target.release.config = Some(configuration.digest());
    let configs = world.path("state/apps/web/configs");
    fs::create_dir_all(&configs).unwrap();
    let folder = configs.join(target.release.config_folder().unwrap());
    render(&configuration, &objects, &One(secret.into()), &folder, &configs.join(".aside")).unwrap();
    (target, folder)
}

fn current(world: &World) -> Option<PathBuf> {
    fs::canonicalize(world.path("state/apps/web/current-config")).ok()
}

const TRACE: &str = "echo $LIFECYCLE_EVENT $LEVEL $(cat $PILOTAGE_CONFIG_DIR/app.conf) $PORT >> @/trace; echo \"the password is $DB\"";

#[test]
fn hooks_get_the_configuration_of_their_own_release_and_the_hosts_variables_outrank_it() {
    let world = World::new();
    let package = world.package("1", &[], "", &[("ApplicationStop", TRACE), ("ApplicationStart", TRACE)]);
    let ((one, first), (two, second)) = (with(&world, &package, "one", "hunter2"), with(&world, &package, "two", "correct-horse"));
    world.commit(None, &one);
    assert_eq!(current(&world), Some(first));
    let run = world.commit(Some(&one), &two);
    assert_eq!(current(&world), Some(second));
    assert_eq!(world.read("trace"), "ApplicationStart one one 8080\nApplicationStop one one 8080\nApplicationStart two two 8080\n");
    let text = fs::read_to_string(run.join("logs/scripts.log")).unwrap();
    assert_eq!(text.matches("the password is [secret db]").count(), 2, "both releases' secrets are masked: {text}");
    let (plain, _) = (world.commit(Some(&two), &package), ());
    assert_eq!(current(&world), None);
    assert!(fs::read_to_string(plain.join("logs/scripts.log")).unwrap().contains("the password is [secret db]"), "the stop script is the old one's");
}

#[test]
fn a_configuration_that_fails_goes_back_with_its_link_and_what_is_reported_is_masked() {
    let world = World::new();
    let validate = "echo \"cannot use $DB\" >&2; [ $LEVEL = good ]";
    let package = world.package("1", &[], "", &[("ApplicationStart", TRACE), ("ValidateService", validate)]);
    let ((good, folder), (bad, _)) = (with(&world, &package, "good", "hunter2"), with(&world, &package, "bad", "correct-horse"));
    world.commit(None, &good);
    let (report, run) = world.deploy(Some(&good), &bad);
    let Outcome::RolledBack { why } = &report.outcome else { panic!("{}", log(&run)) };
    assert_eq!(why.as_str(), "ValidateService exit 1 \"cannot use [secret db]\"");
    assert_eq!(current(&world), Some(folder));
    let trace = world.read("trace");
    assert_eq!(trace.lines().last(), Some("ApplicationStart good good 8080"));
    assert!(!serde_json::to_string(&report).unwrap().contains("correct-horse"));
    for entry in fs::read_dir(&run).unwrap().flatten().filter(|e| e.path().is_file()) {
        let text = fs::read(entry.path()).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains("correct-horse"), "{}", entry.path().display());
    }
}

#[test]
fn what_is_not_rendered_or_was_changed_since_is_refused_before_anything_is_stopped() {
    let world = World::new();
    let package = world.package("1", &[], "", &[("ApplicationStop", TRACE), ("ApplicationStart", TRACE)]);
    let ((one, _), (two, second)) = (with(&world, &package, "one", "hunter2"), with(&world, &package, "two", "hunter2"));
    world.commit(None, &one);
    fs::remove_file(second.join("app.conf")).unwrap();
    let (changed, _) = world.deploy(Some(&one), &two);
    fs::remove_dir_all(&second).unwrap();
    let (missing, _) = world.deploy(Some(&one), &two);
    for (report, expected) in [(changed, "\"app.conf\" is missing"), (missing, "it is not rendered")] {
        let Outcome::NotBegun { why } = report.outcome else { panic!("{:?}", report.outcome) };
        assert!(why.as_str().contains(expected), "{why}");
    }
    assert_eq!(world.read("trace").lines().count(), 1, "nobody was stopped");
}

#[test]
fn what_is_started_again_has_its_configuration() {
    let world = World::new();
    let package = world.package("1", &[], "", &[("ApplicationStart", TRACE)]);
    let (one, folder) = with(&world, &package, "one", "hunter2");
    world.commit(None, &one);
    let run = world.run_directory(&pilotage_agent_core::run::Request { kind: Kind::GoBack, ..world.request(Some(&one), &one) });
    assert_eq!(start(&run).wait().unwrap().code(), Some(0));
    assert_eq!(report(&run).outcome, Outcome::Committed, "{}", log(&run));
    assert_eq!((world.read("trace").lines().count(), current(&world)), (2, Some(folder)));
}
