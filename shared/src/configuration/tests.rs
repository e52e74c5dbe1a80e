use super::*;
use proptest::prelude::*;

fn secret(name: &str) -> SecretName {
    SecretName::new(name).unwrap()
}

fn small() -> Configuration {
    let mut configuration = Configuration::empty();
    configuration.environment.insert("LOG".into(), "say \"hi\"".into());
    let access = Access { mode: 0o440, reader: "deploy".into() };
    configuration.files.insert("app.toml".into(), File { access, size: 3, digest: Digest::of(b"a=1") });
    configuration.secret_variables.insert("DB".into(), secret("db-password"));
    configuration.secret_files.insert("tls/key.pem".into(), SecretFile { access: Access::of("web"), secret: secret("tls") });
    configuration
}

#[test]
fn the_text_is_frozen() {
    let text = format!(
        "pilotage-configuration 1\nvariables 2 files 2 bytes 3 secrets 2\nenvironment 0400 \"root\"\n\
         e \"LOG\" \"say \\\"hi\\\"\"\nf 0440 \"deploy\" 3 {} \"app.toml\"\nse \"DB\" \"db-password\"\nsf 0400 \"web\" \"tls/key.pem\" \"tls\"\n",
        Digest::of(b"a=1")
    );
    assert_eq!(small().encode(), text);
    assert_eq!(Configuration::decode(text.as_bytes()), Ok(small()));
    assert_eq!(small().digest().to_string(), "sha256:714d8079c5176c342d8c0579624d06b8ee9aa356ccd41d50e4f9a99da998e373");
}

#[test]
fn what_would_not_be_written_so_is_refused() {
    let good = small().encode();
    for (from, to) in [
        ("variables 2", "variables 3"),
        ("bytes 3", "bytes 03"),
        ("0440", "440"),
        ("0440", "0640"),
        ("0400 \"web\"", "0404 \"web\""),
        ("\"deploy\"", "\"\""),
        ("\"LOG\"", "\"1LOG\""),
        ("\"LOG\"", "\"PATH\""),
        ("\"LOG\"", "\"DB\""),
        ("\"app.toml\"", "\"../app.toml\""),
        ("\"app.toml\"", "\"environment\""),
        ("\"app.toml\"", "\".pilotage/x\""),
        ("\"app.toml\"", "\"tls\""),
        ("\"app.toml\"", "\"tls/key.pem\""),
        ("\"db-password\"", "\"DB PASSWORD\""),
        ("\ne ", "\nx "),
        ("configuration 1", "configuration 2"),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        assert!(Configuration::decode(text.as_bytes()).is_err(), "{from} → {to}");
    }
    let twice = good.replacen("e \"LOG\"", "e \"LOG\" \"x\"\ne \"LOG\"", 1);
    assert!(Configuration::decode(twice.as_bytes()).is_err());
    assert!(Configuration::decode(&good.as_bytes()[..good.len() - 1]).is_err());
    assert!(Configuration::decode(good.replace('\n', "\r\n").as_bytes()).is_err());
}

#[test]
fn a_value_is_one_line_and_a_secret_is_not_for_everyone() {
    let check = |change: &dyn Fn(&mut Configuration), expected: &str| {
        let mut configuration = small();
        change(&mut configuration);
        let why = configuration.check().unwrap_err();
        assert!(why.contains(expected), "{why}");
    };
    check(&|c| drop(c.environment.insert("A".into(), "a\nb".into())), "make it a file");
    check(&|c| drop(c.environment.insert("A".into(), "x".repeat(CONFIGURATION_VALUE_MAX + 1))), "make it a file");
    check(&|c| c.environment_access.mode = 0o444, "environment: mode 0444 cannot be: a secret is not for everyone");
    check(&|c| drop(c.environment.insert("PILOTAGE_X".into(), "1".into())), "cannot be declared");
    check(&|c| c.files.values_mut().for_each(|f| f.size = u64::MAX), "bytes in files");
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        environment in proptest::collection::btree_map("[A-Z][A-Z0-9_]{0,8}", "[ -~é]{0,20}", 0..6),
        files in proptest::collection::btree_map("[a-d]{1,3}(/[e-h\\\\\" ]{1,3}){0,2}", (0u64..9, 0u8..2), 0..6),
        secrets in proptest::collection::btree_map("_[A-Z]{1,5}", "[a-z][a-z.-]{0,5}", 0..4),
    ) {
        let mut configuration = Configuration::empty();
        configuration.environment = environment;
        configuration.files = files.into_iter().map(|(path, (size, mode))| {
            let access = Access { mode: if mode == 0 { 0o400 } else { 0o555 }, reader: "u".into() };
            (path, File { access, size, digest: Digest::of(&size.to_be_bytes()) })
        }).collect();
        configuration.secret_variables = secrets.iter().map(|(k, v)| (k.clone(), secret(v))).collect();
        prop_assume!(configuration.check().is_ok());
        prop_assert_eq!(Configuration::decode(configuration.encode().as_bytes()), Ok(configuration));
    }

    #[test]
    fn no_text_is_a_surprise(text in "(pilotage-configuration 1\n)?([efs ]{1,3}[0-9a-z\" \n:]{0,30}){0,6}") {
        let _ = Configuration::decode(text.as_bytes());
    }
}
