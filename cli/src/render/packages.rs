//! `pilotage package list` and `show`.

use pilotage_shared::api::v1::PackageView;

use super::columns::{Align, columns};
use super::words::{Clock, plural, size};
use crate::output::safe;

/// One line each.
pub fn all(packages: &[PackageView], clock: &Clock) -> Vec<String> {
    if packages.is_empty() {
        return vec!["no package yet".to_owned(), "next  pilotage package push DIR --app APP --version VERSION".to_owned()];
    }
    let held: Vec<&PackageView> = packages.iter().filter(|package| package.held.is_some()).collect();
    let mut lines = vec![format!("{}, {} held", plural(packages.len(), "package", "packages"), held.len())];
    let mut rows = vec![["PACKAGE", "DIGEST", "FILES", "SIZE", "ADDED", "BY", "HELD"].map(str::to_owned).to_vec()];
    rows.extend(packages.iter().map(|package| {
        vec![
            safe(&package.package),
            package.digest.short(),
            package.files.to_string(),
            size(package.bytes),
            format!("{} ago", clock.ago(package.added.at)),
            safe(&package.added.by),
            remark(package),
        ]
    }));
    use Align::{Left, Right};
    lines.extend(columns(&[Left, Left, Right, Right, Right, Left, Left], &rows));
    lines.extend(held.first().map(|package| release_hint(package)));
    lines
}

/// One package in full.
pub fn one(package: &PackageView, clock: &Clock) -> Vec<String> {
    let mut lines = vec![
        format!("{}  {}", safe(&package.package), package.digest),
        format!(
            "{}, {} · added by {} {} ago",
            plural(package.files as usize, "file", "files"),
            size(package.bytes),
            safe(&package.added.by),
            clock.ago(package.added.at)
        ),
    ];
    if !package.added.reason.is_empty() {
        lines.push(format!("reason  {}", safe(&package.added.reason)));
    }
    let remark = remark(package);
    if !remark.is_empty() {
        lines.push(remark);
    }
    match package.held {
        Some(_) => lines.push(release_hint(package)),
        None => lines.push(format!("next  pilotage deploy FLEET {}", safe(package.version.as_str()))),
    }
    lines
}

fn remark(package: &PackageView) -> String {
    match (&package.held, package.blocked) {
        (_, true) => "BLOCKED: no host may activate it".to_owned(),
        (Some(held), false) => format!("held by {}: {}", held.by, safe(&held.why)),
        (None, false) => String::new(),
    }
}

fn release_hint(package: &PackageView) -> String {
    format!("next  pilotage package release {} --reason …", safe(&package.package))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples::{clock, when};
    use pilotage_shared::api::v1::{HeldView, NoteView};
    use pilotage_shared::digest::Digest;

    fn package(version: &str, held: Option<HeldView>) -> PackageView {
        PackageView {
            package: format!("web@{version}"),
            app: "web".parse().unwrap(),
            version: version.parse().unwrap(),
            digest: Digest::of(b"abc"),
            files: 412,
            bytes: 38_100_000,
            new_bytes: None,
            added: NoteView { by: "maria".into(), reason: String::new(), at: when("2026-11-23T02:12:07Z") },
            held,
            blocked: false,
        }
    }

    #[test]
    fn held_packages_say_who_holds_them() {
        let held = HeldView { by: "web-prod.87".parse().unwrap(), at: when("2026-11-23T03:00:00Z"), why: "3 hosts, ValidateService exit 7".into() };
        assert_eq!(
            all(&[package("1.4.2", None), package("1.5.0", Some(held))], &clock()),
            [
                "2 packages, 1 held",
                "PACKAGE    DIGEST        FILES     SIZE    ADDED  BY     HELD",
                "web@1.4.2  ba7816bf8f01    412  38.1 MB  51m ago  maria",
                "web@1.5.0  ba7816bf8f01    412  38.1 MB  51m ago  maria  held by web-prod.87: 3 hosts, ValidateService exit 7",
                "next  pilotage package release web@1.5.0 --reason …",
            ]
        );
    }
}
