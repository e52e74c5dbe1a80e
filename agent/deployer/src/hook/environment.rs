//! A hook's environment, built from nothing (H1; bundles in the wild 12, 15, 23): nothing of ours leaks into it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use pilotage_agent_core::run::Contract;

use super::account::Account;

/// Where programs are: scripts call `useradd`, `service`, `docker` by bare name.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The longest file of `/etc` that is read.
const FILE_MAX: u64 = 64 << 10;

/// The environment of one hook. `host` are the files of the system that `su` would read for a `runas` script.
pub fn environment(
    account: &Account,
    contract: &Contract,
    event: &str,
    variables: &BTreeMap<String, String>,
    host: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut all = BTreeMap::from([own("LANG", "C.UTF-8"), own("PATH", PATH)]);
    all.extend(host.iter().map(|(k, v)| (k.clone(), v.clone())));
    if let Some(path) = host.get("PATH") {
        all.insert("PATH".into(), completed(path));
    }
    all.extend(variables.iter().map(|(k, v)| (k.clone(), v.clone())));
    all.extend([
        own("HOME", &account.home.to_string_lossy()),
        own("LOGNAME", &account.name),
        own("SHELL", &account.shell.to_string_lossy()),
        own("USER", &account.name),
        own("APPLICATION_NAME", &contract.application),
        own("DEPLOYMENT_GROUP_ID", contract.deployment_group_id.as_ref().unwrap_or(&contract.deployment_group)),
        own("DEPLOYMENT_GROUP_NAME", &contract.deployment_group),
        own("DEPLOYMENT_ID", &contract.deployment_id),
        own("LIFECYCLE_EVENT", event),
    ]);
    // A NUL or '=' cannot be in an environment; what has one was never a variable.
    all.retain(|k, v| !k.is_empty() && !k.contains(['=', '\0']) && !v.contains('\0'));
    all
}

/// What PAM gives a session of this host: `/etc/environment` and the locale.
pub fn of_host() -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for path in ["/etc/default/locale", "/etc/locale.conf", "/etc/environment"] {
        let small = fs::metadata(Path::new(path)).is_ok_and(|m| m.is_file() && m.len() <= FILE_MAX);
        if let Some(text) = small.then(|| fs::read_to_string(path).ok()).flatten() {
            all.extend(parse(&text));
        }
    }
    all
}

/// `NAME=value` lines, `export` and one pair of quotes allowed, as pam_env reads them.
fn parse(text: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|l| !l.starts_with('#')) {
        let Some((name, value)) = line.strip_prefix("export ").unwrap_or(line).split_once('=') else { continue };
        let (name, value) = (name.trim(), value.trim());
        let quoted = |q: char| value.strip_prefix(q).and_then(|v| v.strip_suffix(q));
        let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
        if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            all.insert(name.to_owned(), value.to_owned());
        }
    }
    all
}

/// A host's own path, with every folder of ours that it lacks behind it.
fn completed(path: &str) -> String {
    let mut folders: Vec<&str> = path.split(':').filter(|f| !f.is_empty()).collect();
    for folder in PATH.split(':') {
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    folders.join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn golden(host: &[(&str, &str)], variables: &[(&str, &str)]) -> String {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let account = Account { name: "deploy".into(), uid: 7, gid: 7, home: "/home/deploy".into(), shell: "/bin/bash".into() };
        let contract = Contract {
            application: "web".into(),
            deployment_group: "web-prod".into(),
            deployment_group_id: None,
            deployment_id: "web-prod.87".into(),
        };
        let all = environment(&account, &contract, "ApplicationStart", &map(variables), &map(host));
        all.iter().map(|(k, v)| format!("{k}={v}\n")).collect()
    }

    const GOLDEN: &str = "APPLICATION_NAME=web\nDEPLOYMENT_GROUP_ID=web-prod\nDEPLOYMENT_GROUP_NAME=web-prod\nDEPLOYMENT_ID=web-prod.87\n\
         HOME=/home/deploy\nLANG=C.UTF-8\nLIFECYCLE_EVENT=ApplicationStart\nLOGNAME=deploy\n\
         PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nSHELL=/bin/bash\nUSER=deploy\n";

    #[test]
    fn the_environment_is_built_from_nothing() {
        assert_eq!(golden(&[], &[]), GOLDEN);
    }

    #[test]
    fn the_contract_outranks_the_hosts_variables_and_those_the_hosts_files() {
        let found = golden(&[("LANG", "de_DE.UTF-8"), ("A", "1")], &[("A", "2"), ("LIFECYCLE_EVENT", "x"), ("B=", "x"), ("C", "x\0")]);
        assert_eq!(found, format!("A=2\n{}", GOLDEN.replace("C.UTF-8", "de_DE.UTF-8")));
        assert!(
            golden(&[("PATH", "/snap/bin:/usr/bin")], &[]).contains("PATH=/snap/bin:/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin:/bin\n")
        );
    }

    #[test]
    fn environment_files_are_read_as_pam_does() {
        let found = parse("# x\nA=\"b c\"\nexport D='e'\n\nF = g\nbad line\n1-2=x\nURL=http://h/?a=b\n");
        let expected = [("A", "b c"), ("D", "e"), ("F", "g"), ("URL", "http://h/?a=b")];
        assert_eq!(found, expected.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect());
    }
}
