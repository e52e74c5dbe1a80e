//! Every key of an AppSpec, in one table: what the parser knows, what it suggests, and what the JSON Schema says cannot drift.

/// The keys of one kind of map.
pub struct Table {
    /// In the order of the documentation.
    pub keys: &'static [Key],
    /// An unknown key is an error; else it is ignored with a warning, as CodeDeploy ignores it.
    pub strict: bool,
}

/// One key.
pub struct Key {
    /// As it stands in the document.
    pub name: &'static str,
    /// What it has.
    pub form: Form,
    /// Without it the map is refused.
    pub required: bool,
    /// For people.
    pub about: &'static str,
}

/// What a key has.
pub enum Form {
    /// Any text.
    Text,
    /// Text or number: what CodeDeploy reads by its digits.
    Loose,
    /// A whole number from 1 on.
    Count,
    /// true or false.
    Flag,
    /// As `10s`, `5m`, `2h`.
    Span,
    /// Octal digits.
    Mode,
    /// The number 0.0.
    Version,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list of it.
    List(&'static Form),
    /// A map with these keys.
    Map(&'static Table),
    /// A map of names that people choose.
    Names(&'static Form),
    /// One of several.
    Either(&'static [Form]),
}

impl Table {
    /// The names alone.
    pub fn names(&self) -> Vec<&'static str> {
        self.keys.iter().map(|key| key.name).collect()
    }

    /// Where a key that is not known here would be: what is ours stands below `x-pilotage`, where CodeDeploy does not read it.
    pub fn elsewhere(&self, name: &str) -> Option<String> {
        let ours = self.keys.iter().find(|key| key.name == OURS_KEY)?;
        let Form::Map(table) = &ours.form else { return None };
        table.keys.iter().any(|key| key.name == name).then(|| format!("{OURS_KEY}: {name}:"))
    }
}

/// Where our own settings stand.
pub const OURS_KEY: &str = "x-pilotage";

const fn key(name: &'static str, form: Form, about: &'static str) -> Key {
    Key { name, form, required: false, about }
}

const fn needed(name: &'static str, form: Form, about: &'static str) -> Key {
    Key { name, form, required: true, about }
}

/// The document.
pub static TOP: Table = Table {
    strict: false,
    keys: &[
        needed("version", Form::Version, "always 0.0"),
        needed("os", Form::Word(&["linux"]), "always linux"),
        key("files", Form::List(&Form::Map(&FILE)), "what is installed where"),
        key("permissions", Form::List(&Form::Map(&PERMISSION)), "owners and modes of what was installed"),
        key("hooks", Form::Map(&HOOKS), "scripts by lifecycle event"),
        key("file_exists_behavior", Form::Word(&["DISALLOW", "OVERWRITE", "RETAIN"]), "when a file is there that is not ours"),
        key(OURS_KEY, Form::Map(&OURS), "settings that CodeDeploy does not have; it ignores them"),
    ],
};

/// An entry of `files`.
pub static FILE: Table = Table {
    strict: false,
    keys: &[
        needed("source", Form::Text, "file or folder of the package; / is all of it"),
        needed("destination", Form::Text, "the folder that it goes to"),
    ],
};

/// `hooks`; the events are [`pilotage_shared::run::Event::SCRIPTED`] (a test compares them).
pub static HOOKS: Table = Table {
    strict: false,
    keys: &[
        key("BeforeBlockTraffic", SCRIPTS, "of the release that runs, before the load balancer is told"),
        key("AfterBlockTraffic", SCRIPTS, "of the release that runs, after it was told"),
        key("ApplicationStop", SCRIPTS, "of the release that runs: stop it"),
        key("BeforeInstall", SCRIPTS, "before files move"),
        key("AfterInstall", SCRIPTS, "after files moved"),
        key("ApplicationStart", SCRIPTS, "start it"),
        key("ValidateService", SCRIPTS, "is it good?"),
        key("BeforeAllowTraffic", SCRIPTS, "before the load balancer is told again"),
        key("AfterAllowTraffic", SCRIPTS, "after it was told"),
    ],
};

const SCRIPTS: Form = Form::List(&Form::Map(&SCRIPT));

/// A script of `hooks`.
pub static SCRIPT: Table = Table {
    strict: false,
    keys: &[
        needed("location", Form::Text, "path of the script in the package"),
        key("timeout", Form::Loose, "seconds; 3600 when nothing is said"),
        key("runas", Form::Text, "the account that it runs as"),
        key("sudo", Form::Flag, "as root"),
        key(OURS_KEY, Form::Map(&MORE), "what CodeDeploy does not have"),
    ],
};

/// `x-pilotage` of a script of `hooks`.
pub static MORE: Table = Table { strict: true, keys: &[ARGS, ENV] };

const ARGS: Key = key("args", Form::List(&Form::Text), "what the script is called with");
const ENV: Key = key("env", Form::Names(&Form::Text), "what it finds in its environment beside the deployment's own variables");

/// A script of our own events.
pub static OUR_SCRIPT: Table = Table {
    strict: true,
    keys: &[
        needed("location", Form::Text, "path of the script in the package"),
        key("timeout", Form::Loose, "seconds"),
        key("runas", Form::Text, "the account that it runs as"),
        key("sudo", Form::Flag, "as root"),
        ARGS,
        ENV,
    ],
};

/// An entry of `permissions`.
pub static PERMISSION: Table = Table {
    strict: false,
    keys: &[
        needed("object", Form::Text, "a file or folder; / with pattern ** is everything that is installed"),
        key("pattern", Form::Text, "** is every depth, else names of direct children"),
        key("except", TEXTS, "names of direct children that are left alone"),
        key("owner", Form::Loose, "name or number"),
        key("group", Form::Loose, "name or number"),
        key("mode", Form::Mode, "octal digits"),
        key("acls", Form::List(&Form::Text), "access control entries"),
        key("context", Form::Map(&CONTEXT), "SELinux"),
        key("type", Form::Either(&[Form::Word(KINDS), Form::List(&Form::Word(KINDS))]), "what is meant"),
    ],
};

const KINDS: &[&str] = &["file", "directory"];
const TEXTS: Form = Form::Either(&[Form::Text, Form::List(&Form::Text)]);

/// `context` of a permission.
pub static CONTEXT: Table = Table {
    strict: false,
    keys: &[
        key("name", Form::Text, "the SELinux user"),
        key("user", Form::Text, "the same"),
        needed("type", Form::Text, "the SELinux type"),
        key("range", Form::Text, "as s0-s3:c0.c3"),
    ],
};

/// `x-pilotage`.
pub static OURS: Table = Table {
    strict: true,
    keys: &[
        key("hooks", Form::Map(&OUR_HOOKS), "scripts of events that CodeDeploy does not have"),
        key("preflight", Form::List(&Form::Map(&OUR_SCRIPT)), "scripts that look at the host before anything is stopped; a failure begins nothing"),
        key("health", Form::Either(&[Form::Text, Form::Map(&HEALTH)]), "how the application says that it is well"),
        key("service", Form::Either(&[Form::Text, Form::Map(&SERVICE)]), "the systemd unit that is the application"),
        key("drain", Form::Map(&DRAIN), "what is waited for before the release that runs is stopped"),
        key("retry", Form::Map(&RETRY), "the bounds of exit code 21, try again later"),
        key("files", Form::List(&Form::Map(&OUR_FILE)), "as files, with wildcards"),
        key("shared", Form::List(&Form::Either(&[Form::Text, Form::Map(&SHARED)])), "folders that all releases share"),
        key("retain", Form::Count, "how many releases a host keeps"),
    ],
};

/// `x-pilotage: hooks`.
pub static OUR_HOOKS: Table = Table {
    strict: true,
    keys: &[
        key("OnFailure", Form::List(&Form::Map(&OUR_SCRIPT)), "of the new release, when its run turns back, before anything is undone"),
        key("OnRollback", Form::List(&Form::Map(&OUR_SCRIPT)), "of the previous release, when it is back"),
    ],
};

/// `health`.
pub static HEALTH: Table = Table {
    strict: true,
    keys: &[
        key("http", Form::Text, "GET; good is a status from 200 to 399"),
        key("tcp", Form::Text, "connect"),
        key("unit", Form::Text, "a systemd unit that is active"),
        key("command", Form::Text, "a script of the package that exits with 0"),
        key("every", Form::Span, "how often; 5s"),
        key("timeout", Form::Span, "how long an answer may take; 3s"),
        key("healthy_for", Form::Span, "available after so long; 30s"),
        key("unhealthy_for", Form::Span, "down after so long; 15s"),
        key("deadline", Form::Span, "by then it must be healthy; 5m"),
    ],
};

/// `service`.
pub static SERVICE: Table = Table {
    strict: true,
    keys: &[
        needed("unit", Form::Text, "as web.service"),
        key("file", Form::Text, "its file in the package, installed to /etc/systemd/system"),
        key("timeout", Form::Span, "how long it may take to start, and to stop; 2m"),
    ],
};

/// `drain`.
pub static DRAIN: Table = Table {
    strict: true,
    keys: &[
        key("wait", Form::Span, "at least so long"),
        key("until", Form::Text, "then until this script of the package exits with 0"),
        key("at_most", Form::Span, "never longer; 5m"),
    ],
};

/// `retry`.
pub static RETRY: Table = Table {
    strict: true,
    keys: &[
        key("times", Form::Count, "more tries; 10"),
        key("wait", Form::Span, "between two; 10s"),
        key("at_most", Form::Span, "from the first on; 5m"),
    ],
};

/// An entry of `x-pilotage: files`.
pub static OUR_FILE: Table = Table {
    strict: true,
    keys: &[
        needed("source", Form::Text, "path in the package; * and ? stand for parts of a name, ** for folders"),
        needed("destination", Form::Text, "the folder that it goes to"),
        key("exclude", TEXTS, "what is left out; without a slash at every depth"),
    ],
};

/// An entry of `shared`.
pub static SHARED: Table = Table {
    strict: true,
    keys: &[
        needed("path", Form::Text, "in the release, where a link to the shared folder stands"),
        key("owner", Form::Loose, "name or number; root"),
        key("group", Form::Loose, "name or number; root"),
        key("mode", Form::Mode, "octal digits; 0755"),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;
    use pilotage_shared::run::Event;

    #[test]
    fn the_events_are_those_that_run() {
        assert_eq!(HOOKS.names(), Event::SCRIPTED.map(Event::as_str));
        assert!(OUR_HOOKS.names().iter().all(|name| Event::named(name).is_some()));
    }
}
