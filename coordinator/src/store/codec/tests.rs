//! Golden bytes: `fixtures/v1` holds one record of each table as this version writes it. Nobody edits a fixture of a released
//! version; a record of another form is version 2.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use pilotage_coordinator_core::Answer;
use pilotage_coordinator_core::world::configuration::{Configuration, Numbers, Pair};
use pilotage_coordinator_core::world::recovery::{Left, Recovering, Stage};
use pilotage_coordinator_core::world::{
    Because, Course, Deployment, Fleet, Frozen, Hold, Host, HostState, IdempotencyKey, Loan, Note, Outcome, Package, Refused, Remembered, Slot,
};
use pilotage_shared::digest::Digest;
use pilotage_shared::file_exists::FileExists;
use pilotage_shared::fleet::{FleetSpec, OnFailure, OnLeave, Stragglers};
use pilotage_shared::health::{HealthCheck, HealthNote, Probe, Standing};
use pilotage_shared::ids::{DeploymentId, Epoch, Generation, HostId, LedgerId, SessionId};
use pilotage_shared::intent::Blocked;
use pilotage_shared::name::{AppName, FleetName, HostName, LabelKey, LabelValue, Reason, Version, Why};
use pilotage_shared::policy::Amount;
use pilotage_shared::principal::Principal;
use pilotage_shared::release::Release;
use pilotage_shared::run::{Event, Outcome as RunOutcome, Phase};
use pilotage_shared::status::{Refusal, RunStatus, SlotStatus};
use pilotage_shared::text::Text;
use pilotage_shared::time::{Millis, Time};

use super::*;

fn host(name: &str) -> HostName {
    HostName::new(name).unwrap()
}

fn id() -> DeploymentId {
    "web-prod.87".parse().unwrap()
}

fn note() -> Note {
    Note { by: Principal::Local { uid: 1000, user: Why::lossy("maria") }, reason: Reason::lossy("INC-4711"), at: Time(1_700_000_000_000) }
}

fn release() -> Release {
    Release { package: Digest([1; 32]), config: Some(Digest([2; 32])), restart: 3 }
}

fn epoch() -> Epoch {
    Epoch([9; 32])
}

fn a_host() -> Host {
    Host {
        id: HostId { name: host("h1"), join: 3 },
        state: HostState::Maintenance,
        labels: [(LabelKey::new("zone").unwrap(), LabelValue::lossy("a"))].into(),
        token: [4; 32],
        cordoned: Some(note()),
        quarantined: Some(Why::lossy("two machines")),
        ledger: Some(LedgerId([5; 16])),
        confirmed: Some(SessionId { epoch: epoch(), n: 7 }),
        added: note(),
    }
}

fn a_fleet() -> Fleet {
    let spec = FleetSpec {
        name: FleetName::new("web-prod").unwrap(),
        app: AppName::new("web").unwrap(),
        select: "env=prod,zone in (a,b),rack!=r1,role".parse().unwrap(),
        expect: Some((1, 9)),
        floor: Amount::Percent(66),
        floor_per: BTreeMap::from([(LabelKey::new("zone").unwrap(), Amount::AllBut(1))]),
        parallel: Some(Amount::Count(2)),
        tolerate: Amount::Percent(5),
        on_failure: OnFailure::Pause,
        stragglers: Some(Stragglers { after: Millis::seconds(60), at_most: Amount::Count(1) }),
        health: Some(HealthCheck::of(Probe::Http { url: Text::lossy("http://localhost:8080/healthz") })),
        hook_timeout: Millis::seconds(3600),
        leave: OnLeave::Keep,
        first_install: true,
    };
    let frozen = Frozen { host: host("h1"), seen: Generation(8), counter: Generation(7), epoch: Some(epoch()), at: Time(1) };
    Fleet {
        spec,
        settled: Some(release()),
        settled_file_exists: Some(FileExists::Retain),
        newest: 87,
        active: true,
        unsettled: Some(release()),
        frozen: Some(frozen),
        thawed: vec![None, Some(epoch())],
        applied: note(),
    }
}

fn a_package() -> Package {
    Package {
        digest: Digest([1; 32]),
        app: AppName::new("web").unwrap(),
        version: Version::lossy("1.4.2"),
        files: 412,
        bytes: 38_100_000,
        added: note(),
        held: Some(Hold { by: id(), at: Time(2), why: Why::lossy("ValidateService exit 7") }),
        released: Some(note()),
    }
}

fn a_deployment(names: usize) -> Deployment {
    let hosts = |length: usize| (0..names).map(|i| host(&format!("{i:0>length$}"))).collect::<Vec<_>>();
    Deployment {
        id: id(),
        release: release(),
        file_exists: Some(FileExists::Overwrite),
        over: Some(release()),
        base: Generation(41),
        started: note(),
        paused: Some(note()),
        course: Course::Ended {
            outcome: Outcome::NeedsHands,
            at: Time(3),
            because: Some(Because::TooManyFailed { failed: 3, tolerated: 1, hosts: hosts(63) }),
        },
        others_done: Some(Time(4)),
        stragglers_at: Some(Time(5)),
        stragglers_due: true,
        forgiven: 2,
        left_behind: hosts(62),
    }
}

fn a_slot() -> Slot {
    let refusal = Refusal { release: release(), deployment: id(), why: Why::lossy("exit 7"), needs_hands: true };
    let status = SlotStatus {
        seen: Generation(41),
        spent: Generation(40),
        run: Some(RunStatus { generation: Some(Generation(40)), release: release(), phase: Phase::Back(Event::ApplicationStart) }),
        running: Some(release()),
        previous: Some(release()),
        staged: Some(release()),
        refused: vec![refusal],
        pinned: Some(Why::lossy("by hand")),
        declines: Some(Why::lossy("disk")),
        needs_hands: Some(Why::lossy("look")),
        standing: Standing::Settling,
        last_ended: Some((Generation(39), RunOutcome::RolledBack { why: Why::lossy("exit 7") })),
        health: HealthNote { last: Why::lossy("503"), for_ms: 6 },
    };
    let loan =
        Loan { generation: Generation(41), release: release(), deployment: id(), while_down: true, was_down: false, withdrawn: true, at: Time(6) };
    Slot { status: Some(status), loan: Some(loan), refused: Some(Refused { release: release(), deployment: id(), was_down: true }), since: Time(7) }
}

fn a_recovery() -> Recovering {
    let stage = Stage::GoingOn { note: note(), keep_backup: true, behind: Some(FleetName::new("web-prod").unwrap()) };
    Recovering { backup: Time(9), at: Time(10), stage }
}

fn a_configuration() -> Configuration {
    let numbers = Numbers { files: 2, bytes: 4100, variables: 3, secrets: 1 };
    let (app, fleet) = (AppName::new("web").unwrap(), FleetName::new("web-prod").unwrap());
    Configuration { app, number: 17, digest: Digest([2; 32]), fleet, numbers, added: note() }
}

fn facts() -> Vec<(&'static str, Key, Fact)> {
    let (app, name) = (AppName::new("web").unwrap(), host("h1"));
    let key = IdempotencyKey { by: Principal::Token { name: Why::lossy("operator") }, key: Why::lossy("k-1") };
    let fleet = FleetName::new("web-prod").unwrap();
    let pair = Pair::of(&release());
    let remembered = Remembered { request: [6; 32], answer: Answer::Deployment(id()), at: Time(8) };
    vec![
        ("counter", Key::Counter, Fact::Counter(Generation(41))),
        ("epochs", Key::Epochs, Fact::Epochs(vec![epoch(), Epoch([8; 32])])),
        ("starts", Key::Starts, Fact::Starts([(epoch(), Generation(3)), (Epoch([8; 32]), Generation(40))].into())),
        ("blocked", Key::Blocked, Fact::Blocked(Blocked { version: 2, packages: vec![Digest([1; 32])] })),
        ("host", Key::Host(name.clone()), Fact::Host(a_host())),
        ("fleet", Key::Fleet(FleetName::new("web-prod").unwrap()), Fact::Fleet(a_fleet())),
        ("package", Key::Package(Digest([1; 32])), Fact::Package(a_package())),
        ("deployment", Key::Deployment(id()), Fact::Deployment(a_deployment(1))),
        ("slot", Key::Slot(app.clone(), name.clone()), Fact::Slot(app, name, a_slot())),
        ("remembered", Key::Remembered(key.clone()), Fact::Remembered(key, remembered)),
        ("recovering", Key::Recovering, Fact::Recovering(a_recovery())),
        ("left", Key::Left(fleet.clone()), Fact::Left(fleet, Left { note: note(), why: Why::lossy("h1: web@1, h2: web@2") })),
        ("configuration", Key::Configuration(a_configuration().app, 17), Fact::Configuration(a_configuration())),
        ("held_pair", Key::HeldPair(pair), Fact::HeldPair(pair, Hold { by: id(), at: Time(2), why: Why::lossy("exit 7") })),
    ]
}

fn record(write: Write) -> Record {
    match write {
        Write::Put { table, key, version, value } => Record { table, key, version, value },
        Write::Delete { .. } => panic!("a record was expected"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// The folder of fixtures.
fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/codec/fixtures/v1")
}

#[test]
fn version_1_is_frozen() {
    let mut wrong = Vec::new();
    for (name, key, fact) in facts() {
        let written = record(write(&key, Some(&fact)).unwrap());
        let line = format!("{} {} {} {}", written.table, hex(&written.key), written.version, hex(&written.value));
        match fs::read_to_string(folder().join(name)) {
            Ok(golden) if golden.trim() == line => {}
            _ => wrong.push(format!("fixture {name} {line}")),
        }
    }
    assert!(wrong.is_empty(), "the form of a released record was changed; written now is:\n{}", wrong.join("\n"));
}

#[test]
fn records_of_version_1_are_read() {
    for (name, _, fact) in facts() {
        let golden = fs::read_to_string(folder().join(name)).unwrap();
        let parts: Vec<&str> = golden.split_whitespace().collect();
        let found = Record { table: parts[0].parse().unwrap(), key: bytes(parts[1]), version: parts[2].parse().unwrap(), value: bytes(parts[3]) };
        assert_eq!(read(&found).unwrap(), fact, "{name}");
    }
}

#[test]
fn every_kind_of_record_has_a_fixture_and_a_place_of_its_own() {
    let places: BTreeSet<_> = facts().iter().map(|(_, key, _)| place(key)).collect();
    assert_eq!(places.len(), facts().len());
    assert!(facts().iter().all(|(_, key, _)| place(key).1.len() <= pilotage_disk::records::KEY_MAX));
    let long = |c: char| c.to_string().repeat(63);
    let longest = Key::Slot(AppName::new(&long('a')).unwrap(), host(&long('h')));
    assert_eq!(place(&longest).1.len(), pilotage_disk::records::KEY_MAX);
}

#[test]
fn what_is_over_the_limit_is_compressed_and_read_back() {
    let large = Fact::Deployment(a_deployment(40));
    let written = record(write(&Key::Deployment(id()), Some(&large)).unwrap());
    assert_eq!(written.version, VERSION | COMPRESSED);
    assert!(written.value.len() <= VALUE_MAX);
    assert_eq!(read(&written).unwrap(), large);
}

#[test]
fn newer_and_damaged_records_are_refused() {
    let (_, key, fact) = facts().remove(3);
    let good = record(write(&key, Some(&fact)).unwrap());
    assert!(matches!(read(&Record { version: 2, ..good.clone() }), Err(CodecError::Newer { version: 2, .. })));
    assert!(matches!(read(&Record { table: 99, ..good.clone() }), Err(CodecError::Table(99))));
    let cut = good.value[..good.value.len() - 1].to_vec();
    assert!(matches!(read(&Record { value: cut, ..good.clone() }), Err(CodecError::Payload { .. })));
    let longer = [good.value.clone(), vec![0]].concat();
    assert!(matches!(read(&Record { value: longer, ..good }), Err(CodecError::Payload { .. })));
}
