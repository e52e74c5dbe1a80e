use super::*;
use pilotage_shared::configuration::{self, SecretFile};

struct Given(BTreeMap<SecretName, Vec<u8>>);

impl Values for Given {
    fn value(&self, name: &SecretName) -> Option<&[u8]> {
        self.0.get(name).map(Vec::as_slice)
    }
}

fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

fn given(pairs: &[(&str, &[u8])]) -> Given {
    Given(pairs.iter().map(|(n, v)| (name(n), v.to_vec())).collect())
}

/// A store, and a configuration with one of everything; its readers are root.
fn small(at: &Path) -> (Objects, Configuration) {
    let objects = Objects::open(&at.join("objects")).unwrap();
    let (digest, size) = objects.put(&b"a = 1\n"[..]).unwrap();
    let mut configuration = Configuration::empty();
    let access = Access { mode: 0o440, reader: "root".into() };
    configuration.files.insert("etc/app.toml".into(), configuration::File { access, size, digest });
    configuration.environment.insert("QUOTED".into(), "a \"b\" $HOME `x` \\".into());
    configuration.secret_variables.insert("DB".into(), name("db"));
    configuration.secret_files.insert("etc/key".into(), SecretFile { access: Access::of("root"), secret: name("key") });
    (objects, configuration)
}

#[test]
fn a_folder_is_rendered_sealed_and_replaced_in_one_step() {
    let dir = tempfile::tempdir().unwrap();
    let (objects, configuration) = small(dir.path());
    let (folder, aside) = (dir.path().join("c"), dir.path().join(".c"));
    render(&configuration, &objects, &given(&[("db", b"hunter2\n"), ("key", b"\xff\x00k\n")]), &folder, &aside).unwrap();
    let mode = |path: &str| folder.join(path).metadata().unwrap().mode() & 0o7777;
    assert_eq!(["", "etc", "etc/app.toml", "etc/key", "environment", SEAL].map(mode), [0o711, 0o711, 0o440, 0o400, 0o400, 0o600]);
    assert_eq!(fs::read(folder.join("etc/key")).unwrap(), b"\xff\x00k\n", "a file gets the bytes as they are");
    let shown =
        std::process::Command::new("sh").args(["-c", ". ./environment; printf '%s|%s' \"$QUOTED\" \"$DB\""]).current_dir(&folder).output().unwrap();
    assert_eq!(String::from_utf8(shown.stdout).unwrap(), "a \"b\" $HOME `x` \\|hunter2", "a shell reads it back");
    let seal = verify(&configuration.digest(), &folder).ok().unwrap();
    let variables = seal.variables(&folder);
    assert_eq!((variables["DB"].as_str(), &variables[FOLDER_VARIABLE]), ("hunter2", &folder.display().to_string()));
    assert_eq!(
        seal.masks.iter().map(|m| (m.name.as_str(), m.value())).collect::<Vec<_>>(),
        [("db", b"hunter2\n".to_vec()), ("key", b"\xff\x00k\n".to_vec())]
    );
    render(&configuration, &objects, &given(&[("db", b"rotated"), ("key", b"k2")]), &folder, &aside).unwrap();
    assert_eq!(fs::read(folder.join("etc/key")).unwrap(), b"k2");
    assert!(!aside.exists());
}

#[test]
fn what_was_changed_since_is_refused_by_name_and_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    let (objects, configuration) = small(dir.path());
    let (folder, aside) = (dir.path().join("c"), dir.path().join(".c"));
    let values = given(&[("db", b"hunter2"), ("key", b"k")]);
    let why = |folder: &Path| verify(&configuration.digest(), folder).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(why(&folder).contains("it is not rendered"), "{}", why(&folder));
    let check = |change: &dyn Fn(), expected: &str| {
        render(&configuration, &objects, &values, &folder, &aside).unwrap();
        assert_eq!(why(&folder), "");
        change();
        assert!(why(&folder).contains(expected) && !why(&folder).contains("hunter2"), "{}", why(&folder));
    };
    let file = folder.join("etc/app.toml");
    check(&|| fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap(), "\"etc/app.toml\" is not as it was rendered");
    check(&|| fs::remove_file(&file).unwrap(), "\"etc/app.toml\" is missing");
    check(&|| (fs::remove_file(&file).unwrap(), std::os::unix::fs::symlink("/etc/passwd", &file).unwrap()).1, "not as it was rendered");
    let seal = folder.join(SEAL);
    check(&|| fs::write(&seal, &fs::read(&seal).unwrap()[..60]).unwrap(), "its seal is damaged");
    render(&configuration, &objects, &values, &folder, &aside).unwrap();
    assert!(verify(&Digest::of(b"x"), &folder).err().unwrap().to_string().contains("another configuration"));
}

#[test]
fn a_missing_reader_a_missing_value_and_bytes_in_the_environment_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (objects, configuration) = small(dir.path());
    let (folder, aside) = (dir.path().join("c"), dir.path().join(".c"));
    let check = |configuration: &Configuration, values: &Given, expected: &str| {
        let why = render(configuration, &objects, values, &folder, &aside).unwrap_err().to_string();
        assert!(why.contains(expected), "{why}");
        assert!(!folder.exists() && !aside.exists());
    };
    let good = given(&[("db", b"x"), ("key", b"k")]);
    check(&configuration, &given(&[("db", b"x")]), "secret key was not read");
    check(&configuration, &given(&[("db", b"\xff"), ("key", b"k")]), "secret db goes into the environment and is not text");
    let mut other = configuration.clone();
    other.environment_access.reader = "pilotage-no-such-user".into();
    check(&other, &good, "there is no user \"pilotage-no-such-user\" on this host, who reads \"environment\"");
}
