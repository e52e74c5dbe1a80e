//! `pilotage config push`, `list`, `show` and `check`.

use pilotage_shared::api::v1::{ConfigurationContent, ConfigurationFile, ConfigurationPushed, ConfigurationView};
use pilotage_shared::configuration::Configuration;

use super::columns::{Align, columns};
use super::words::{Clock, plural, size};
use crate::output::safe;

/// What a push has made.
pub fn pushed(context: &str, pushed: &ConfigurationPushed, only_registered: bool) -> Vec<String> {
    let view = &pushed.configuration;
    let mut lines = vec![format!("{context}: c{} of {}  sha256:{}…  {}", view.number, view.app, view.digest.short(), numbers(view))];
    match &pushed.deployment {
        // The deployment says for itself what comes next.
        Some(_) => {}
        None if only_registered => lines.push(format!("next  pilotage deploy {} --config c{}", view.fleet, view.number)),
        None if !view.settled.is_empty() => lines.push("nothing to deploy: the fleet is settled on it, or goes there already".to_owned()),
        None => {
            lines.push("nothing is settled yet: it goes out with the first deployment".to_owned());
            lines.push(format!("next  pilotage deploy {} VERSION", view.fleet));
        }
    }
    lines
}

/// What a push would make.
pub fn checked(configuration: &Configuration) -> Vec<String> {
    let variables = configuration.environment.len() + configuration.secret_variables.len();
    let secrets: Vec<String> = configuration.secrets().iter().map(|name| name.to_string()).collect();
    let mut lines = vec![format!(
        "configuration ok: {}, {}, {}, {}",
        plural(configuration.files.len(), "file", "files"),
        size(configuration.bytes()),
        plural(variables, "variable", "variables"),
        plural(secrets.len(), "secret", "secrets")
    )];
    if !secrets.is_empty() {
        lines.push(format!("needs  {}   in [secrets] of each host's agent.toml", secrets.join(" ")));
    }
    lines.push(format!("next  pilotage config push … --fleet FLEET   it will be {}", configuration.digest()));
    lines
}

/// One line each.
pub fn all(list: &[ConfigurationView], clock: &Clock) -> Vec<String> {
    if list.is_empty() {
        return vec!["no configuration yet".to_owned(), "next  pilotage config push DIR --fleet FLEET".to_owned()];
    }
    let held: Vec<&ConfigurationView> = list.iter().filter(|view| !view.held.is_empty()).collect();
    let mut lines = vec![format!("{}, {} held", plural(list.len(), "configuration", "configurations"), held.len())];
    let mut rows =
        vec![["CONFIG", "APP", "DIGEST", "FILES", "SIZE", "VARIABLES", "SECRETS", "ADDED", "BY", "SETTLED", "HELD"].map(str::to_owned).to_vec()];
    rows.extend(list.iter().map(|view| {
        vec![
            format!("c{}", view.number),
            view.app.to_string(),
            view.digest.short(),
            view.files.to_string(),
            size(view.bytes),
            view.variables.to_string(),
            view.secrets.to_string(),
            format!("{} ago", clock.ago(view.added.at)),
            safe(&view.added.by),
            settled(view),
            view.held.iter().map(|h| format!("with {}", safe(&h.package))).collect::<Vec<_>>().join(", "),
        ]
    }));
    use Align::{Left, Right};
    lines.extend(columns(&[Left, Left, Left, Right, Right, Right, Right, Right, Left, Left, Left], &rows));
    lines.extend(held.first().map(|view| release_hint(view)));
    lines
}

/// One in full; of secrets the names.
pub fn one(view: &ConfigurationView, clock: &Clock) -> Vec<String> {
    let mut lines = vec![
        format!("c{} of {}  {}", view.number, view.app, view.digest),
        format!("{} · pushed for {} by {} {} ago", numbers(view), view.fleet, safe(&view.added.by), clock.ago(view.added.at)),
    ];
    if !view.added.reason.is_empty() {
        lines.push(format!("reason  {}", safe(&view.added.reason)));
    }
    if !view.settled.is_empty() {
        lines.push(format!("settled on it  {}", settled(view)));
    }
    lines.extend(view.held.iter().map(|h| format!("held with {} by {}: {}", safe(&h.package), h.held.by, safe(&h.held.why))));
    match &view.content {
        Some(content) => lines.extend(inside(content)),
        None => lines.push("its content is not in this store (it was made of a backup): push it again".to_owned()),
    }
    lines.push(if view.held.is_empty() { format!("next  pilotage deploy {} --config c{}", view.fleet, view.number) } else { release_hint(view) });
    lines
}

fn inside(content: &ConfigurationContent) -> Vec<String> {
    let mut lines: Vec<String> = content.environment.iter().map(|(name, value)| format!("  {name}={}", safe(value))).collect();
    lines.extend(content.secrets.iter().map(|(name, secret)| format!("  {name}  secret {}", safe(secret))));
    let rows = content.files.iter().map(|(path, file)| vec![format!("  {}", file.mode), safe(&file.reader), safe(path), what(file)]);
    let rows: Vec<Vec<String>> = std::iter::once(vec![String::new(); 4]).chain(rows).collect();
    use Align::Left;
    lines.extend(columns(&[Left, Left, Left, Left], &rows).into_iter().skip(1));
    lines
}

fn what(file: &ConfigurationFile) -> String {
    match (&file.secret, file.size) {
        (Some(secret), _) => format!("secret {}", safe(secret)),
        (None, Some(bytes)) => size(bytes),
        (None, None) => "the environment, rendered".to_owned(),
    }
}

fn settled(view: &ConfigurationView) -> String {
    view.settled.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn numbers(view: &ConfigurationView) -> String {
    let files = plural(view.files as usize, "file", "files");
    let (variables, secrets) = (plural(view.variables as usize, "variable", "variables"), plural(view.secrets as usize, "secret", "secrets"));
    format!("{files}, {}, {variables}, {secrets}", size(view.bytes))
}

fn release_hint(view: &ConfigurationView) -> String {
    format!("next  pilotage config release c{} --app {} --reason …", view.number, view.app)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples::{clock, when};
    use pilotage_shared::api::v1::{HeldView, HeldWithView, NoteView};
    use pilotage_shared::digest::Digest;

    fn view(number: u32) -> ConfigurationView {
        ConfigurationView {
            app: "web".parse().unwrap(),
            number,
            digest: Digest::of(b"abc"),
            fleet: "web-prod".parse().unwrap(),
            files: 2,
            bytes: 4100,
            variables: 3,
            secrets: 1,
            added: NoteView { by: "maria".into(), reason: String::new(), at: when("2026-11-23T02:12:07Z") },
            settled: vec!["web-prod".parse().unwrap()],
            held: Vec::new(),
            content: None,
        }
    }

    fn held() -> ConfigurationView {
        let hold = HeldView { by: "web-prod.88".parse().unwrap(), at: when("2026-11-23T03:00:00Z"), why: "h1 is down".into() };
        ConfigurationView { settled: Vec::new(), held: vec![HeldWithView { package: "web@1.4.2".into(), held: hold }], ..view(18) }
    }

    #[test]
    fn the_list_says_what_is_settled_and_what_is_held() {
        assert_eq!(
            all(&[held(), view(17)], &clock()),
            [
                "2 configurations, 1 held",
                "CONFIG  APP  DIGEST        FILES    SIZE  VARIABLES  SECRETS    ADDED  BY     SETTLED   HELD",
                "c18     web  ba7816bf8f01      2  4.1 kB          3        1  51m ago  maria            with web@1.4.2",
                "c17     web  ba7816bf8f01      2  4.1 kB          3        1  51m ago  maria  web-prod",
                "next  pilotage config release c18 --app web --reason …",
            ]
        );
    }

    #[test]
    fn content_is_shown_and_of_secrets_the_names() {
        let file = |size, secret: Option<&str>| ConfigurationFile {
            mode: "0400".into(),
            reader: "web".into(),
            size,
            digest: None,
            secret: secret.map(str::to_owned),
        };
        let files = [("app.toml", file(Some(97), None)), ("environment", file(None, None)), ("tls/key.pem", file(None, Some("web-tls")))];
        let content = ConfigurationContent {
            environment: [("LOG".to_owned(), "\u{1b}[31m".to_owned())].into(),
            secrets: [("DB".to_owned(), "db-password".to_owned())].into(),
            files: files.into_iter().map(|(path, file)| (path.to_owned(), file)).collect(),
        };
        let lines = one(&ConfigurationView { content: Some(content), ..held() }, &clock());
        assert_eq!(
            &lines[1..],
            [
                "2 files, 4.1 kB, 3 variables, 1 secret · pushed for web-prod by maria 51m ago",
                "held with web@1.4.2 by web-prod.88: h1 is down",
                "  LOG=\\x1b[31m",
                "  DB  secret db-password",
                "  0400  web  app.toml     97 B",
                "  0400  web  environment  the environment, rendered",
                "  0400  web  tls/key.pem  secret web-tls",
                "next  pilotage config release c18 --app web --reason …",
            ]
        );
    }
}
