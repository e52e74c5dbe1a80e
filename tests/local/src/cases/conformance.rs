//! The recorded answers of CodeDeploy's agent (`tests/conformance`), asked of the whole command.

use serde_json::Value;

use super::{Case, Needs};
use crate::world::World;

fn recorded(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap()
}

/// One case for each AppSpec, each pattern and each mode.
pub fn all() -> Vec<Case> {
    let appspecs = recorded(include_str!("../../../conformance/appspec.json"));
    let permissions = recorded(include_str!("../../../conformance/permissions.json"));
    let appspecs = appspecs.into_iter().map(|case| Case {
        item: "A",
        says: format!("recorded {}: {}", case["id"].as_str().unwrap(), case["context"].as_str().unwrap_or_default()),
        needs: if labels(&case) { Needs::Root } else { Needs::Nothing },
        run: Box::new(move |w| appspec(w, &case)),
    });
    let of_kind = |kind: &str| permissions.iter().filter(|c| c["kind"] == kind).cloned().collect::<Vec<_>>();
    let (globs, modes) = (of_kind("glob"), of_kind("mode"));
    let globs = Case { item: "E5", says: "the recorded patterns".into(), needs: Needs::Nothing, run: Box::new(move |w| patterns(w, &globs)) };
    let modes = Case { item: "E10", says: "the recorded modes".into(), needs: Needs::Nothing, run: Box::new(move |w| all_modes(w, &modes)) };
    let (entries, ranges) = (of_kind("ace"), of_kind("range"));
    let entries =
        Case { item: "E13", says: "the recorded entries".into(), needs: Needs::Nothing, run: Box::new(move |w| texts(w, &entries, "acls: [", "]")) };
    let ranges = Case {
        item: "E17",
        says: "the recorded ranges".into(),
        needs: Needs::Nothing,
        run: Box::new(move |w| texts(w, &ranges, "context: {type: t, range: ", "}")),
    };
    appspecs.chain([globs, modes, entries, ranges]).collect()
}

fn labels(case: &Value) -> bool {
    case["appspec"].as_str().unwrap().contains("context:")
}

/// What is asked for of SELinux needs a host that has it. None of them has what it installs, and some name accounts that no host
/// has: what is accepted fails by that, if by anything.
fn appspec(w: &World, case: &Value) {
    if labels(case) {
        w.selinux();
    }
    let ran = w.bundle().text(case["appspec"].as_str().unwrap()).deploy();
    let accepted = case["expect"].get("accept").is_some();
    let missing = ["which its AppSpec names as a source", "permissions: this host has no user "].iter().any(|why| ran.said.contains(why));
    assert_eq!(ran.code == Some(0) || missing, accepted, "{}", ran.said);
    if !accepted {
        ran.fails("appspec.yml line ");
    }
}

/// What is refused is refused with its line, as a text of the AppSpec; each is asked alone.
fn texts(w: &World, cases: &[Value], before: &str, behind: &str) {
    for case in cases.iter().filter(|c| c.get("out").is_none()) {
        let ran = w.page("one").more(&format!("permissions:\n  - object: /\n    {before}{}{behind}\n", case["in"])).deploy();
        ran.fails("appspec.yml line ").says("permissions: the ");
    }
    w.gone("out");
}

/// All in one bundle: a folder for each, with a file of the name and an entry with the pattern.
fn patterns(w: &World, cases: &[Value]) {
    assert_eq!(cases.len(), 21);
    let (mut bundle, mut more) = (w.bundle().install("app", "@/out"), "permissions:\n".to_owned());
    let mut expected = Vec::new();
    for (n, case) in cases.iter().enumerate() {
        let (pattern, name) = (case["in"][0].as_str().unwrap(), case["in"][1].as_str().unwrap());
        if name.is_empty() {
            continue; // no file has such a name
        }
        bundle = bundle.file(&format!("app/{n}/{name}"), "x");
        more += &format!("  - {{object: @/out/{n}, pattern: '{pattern}', mode: 700, type: [file]}}\n");
        expected.push((format!("out/{n}/{name}"), if case["out"] == true { 0o700 } else { 0o644 }));
    }
    bundle.more(&more).deploy().ok();
    for (path, mode) in expected {
        w.mode(&path, mode);
    }
}

/// Those that are accepted in one bundle; each that is not, alone.
fn all_modes(w: &World, cases: &[Value]) {
    let (mut bundle, mut more) = (w.bundle().install("app", "@/out"), "permissions:\n".to_owned());
    let mut expected = Vec::new();
    for (n, case) in cases.iter().enumerate() {
        let Some(mode) = case.get("out").and_then(Value::as_str) else {
            let wrong = format!("permissions:\n  - {{object: /, mode: {}}}\n", case["in"]);
            w.page("one").more(&wrong).deploy().fails("must be at most four digits");
            continue;
        };
        bundle = bundle.file(&format!("app/{n}"), "x");
        more += &format!("  - {{object: @/out/{n}, mode: {}}}\n", case["in"]);
        expected.push((format!("out/{n}"), u32::from_str_radix(mode, 8).unwrap()));
    }
    bundle.more(&more).deploy().ok();
    for (path, mode) in expected {
        w.mode(&path, mode);
    }
}
