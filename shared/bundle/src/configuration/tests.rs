use super::*;

/// A folder with these files, as a configuration or as what is wrong with it.
fn built(files: &[(&str, &str)]) -> Result<Built, String> {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let store = tempfile::tempdir().unwrap();
    build(dir.path(), &Objects::open(store.path()).unwrap()).map_err(|e| e.to_string())
}

#[test]
fn a_folder_becomes_what_its_file_says() {
    let spec = "reader: web\nenvironment:\n  LOG: info\n  N: 0440\n  ON: yes\n  EMPTY: \"\"\nsecrets:\n  DB: db-password\n  tls/key.pem: tls-key\n  ./id_rsa: deploy-key\n\
                files:\n  app.toml: { mode: 0440, reader: deploy }\n  tls/key.pem: { mode: \"0440\" }\n";
    let found = built(&[("config.yml", spec), ("files/app.toml", "a = 1\n"), ("files/etc/x", "")]).unwrap();
    let text = found.configuration.encode();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        &lines[1..7],
        [
            "variables 5 files 4 bytes 6 secrets 3",
            "environment 0400 \"root\"",
            "e \"EMPTY\" \"\"",
            "e \"LOG\" \"info\"",
            "e \"N\" \"0440\"",
            "e \"ON\" \"yes\""
        ]
    );
    assert!(lines[7].starts_with("f 0440 \"deploy\" 6 sha256:") && lines[8].starts_with("f 0400 \"web\" 0 sha256:"), "{text}");
    assert_eq!(
        &lines[9..],
        ["se \"DB\" \"db-password\"", "sf 0400 \"web\" \"id_rsa\" \"deploy-key\"", "sf 0440 \"web\" \"tls/key.pem\" \"tls-key\""]
    );
    assert_eq!(found.warnings, Vec::<String>::new());
}

#[test]
fn files_alone_and_a_file_alone_are_configurations_and_nothing_is_none() {
    assert_eq!(built(&[("files/a", "x")]).unwrap().configuration.files.len(), 1);
    assert_eq!(built(&[("config.yml", "")]).unwrap().configuration, Configuration::empty());
    assert_eq!(built(&[]).unwrap_err(), "there is neither config.yml nor files/ in the folder");
}

#[test]
fn mistakes_are_named_with_their_line() {
    let check = |spec: &str, expected: &str| {
        let why = built(&[("config.yml", spec), ("files/a.b", "x")]).unwrap_err();
        assert_eq!(why, expected);
    };
    check("enviroment: {}\n", "config.yml line 1: \"enviroment\" is not known: reader, environment, secrets, files");
    check("environment:\n  A: 1\n  A: 2\n", "config.yml line 3: environment: \"A\" stands twice");
    check("environment:\n  A:\n", "config.yml line 2: A: has no value; write \"\" for an empty one");
    check("environment:\n  A: [1]\n", "config.yml line 2: A: a text is expected, this is a list");
    check("environment:\n  PATH: /x\n", "config.yml line 2: PATH is set by the agent itself and cannot be declared");
    check(
        "secrets:\n  DB: Not A Name\n",
        "config.yml line 2: secret name \"Not A Name\" is not valid: it must begin with a lower-case letter or a digit",
    );
    check("secrets:\n  ../x: a\n", "config.yml line 2: \"../x\" has an empty name, `.` or `..` in it");
    check("files:\n  a.b: { mode: 0x }\n", "config.yml line 2: mode: \"0x\" is no mode, as 0440");
    check("files:\n  a.c: { mode: 0440 }\n", "config.yml line 2: files: there is no files/a.c, and no secret goes there");
    check("secrets:\n  a.b: a\n", "files/a.b: a secret goes there: take the file away");
    check("files:\n  a.b: { mode: 0660 }\n", "the configuration cannot be: \"a.b\": mode 0660 cannot be: the reader reads, nobody writes");
    check("a: [\n", &built(&[("config.yml", "a: [\n")]).unwrap_err());
}

#[test]
fn links_are_refused_and_what_looks_like_a_secret_is_said() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("files")).unwrap();
    fs::write(dir.path().join("README"), "").unwrap();
    fs::write(dir.path().join("config.yml"), "environment: { DB_PASSWORD: hunter2 }\n").unwrap();
    let store = tempfile::tempdir().unwrap();
    let objects = Objects::open(store.path()).unwrap();
    let warnings = build(dir.path(), &objects).unwrap().warnings;
    assert!(warnings[0].starts_with("README lies beside") && warnings[1].contains("DB_PASSWORD looks like a secret"), "{warnings:?}");
    std::os::unix::fs::symlink("/etc/passwd", dir.path().join("files/link")).unwrap();
    assert!(build(dir.path(), &objects).unwrap_err().to_string().contains("a link is not followed"));
}
