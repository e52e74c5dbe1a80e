//! `pilotage simulate`: what a rollout policy would do, before anybody trusts it. A fleet file needs no coordinator; a live
//! fleet is read and not touched.

mod invent;
pub mod standing;

use std::path::{Path, PathBuf};

use pilotage_shared::digest::Digest;
use pilotage_shared::name::{FleetName, LabelKey, Version};
use pilotage_simulator::forecast::pace::Timed;
use pilotage_simulator::forecast::{Bad, Config, HEARTBEAT, Loss, Pace, Package, Scenario, forecast, forecasts, seeds_for};

use super::Caller;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::fleet_file;
use crate::output::{self, Form};
use crate::render::forecast as render;

/// Hosts that are invented when nobody says how many.
const HOSTS: u32 = 100;
/// Beside a larger fleet no bad version is tried unasked: it would take half as long again.
const WHAT_IF_MAX: usize = 50_000;
/// The most that can be invented.
const HOSTS_MAX: u32 = 200_000;

/// Forecast a deployment: how long, how much capacity, and how far a bad version gets; nothing is changed
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A fleet file, or the name of a live fleet
    target: String,
    /// The version that would be deployed to a live fleet; without it one that no host has
    version: Option<String>,
    /// Invent so many hosts (with a file: 100)
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=i64::from(HOSTS_MAX)))]
    hosts: Option<u32>,
    /// Share the invented hosts out to so many zones a, b, c, … (3)
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    zones: Option<u32>,
    /// Share them out to so many values of another label, as shard=40
    #[arg(long, value_name = "LABEL=N", value_parser = invent::spread)]
    spread: Vec<(LabelKey, u32)>,
    /// The invented hosts run nothing yet
    #[arg(long)]
    empty: bool,
    #[command(flatten)]
    tries: Tries,
}

/// What is tried, for `simulate`.
#[derive(Debug, clap::Args)]
pub struct Tries {
    /// How long a hook takes, as start=20s..40s (also stage, stop, install, validate, BeforeInstall, …)
    #[arg(long, value_name = "HOOK=SPAN..SPAN")]
    hook: Vec<Timed>,
    /// How the version is bad, as 'crashes after 20m on 3% of hosts', 'fails validation', 'fails start on zone=a'
    #[arg(long, value_name = "FAULT")]
    bad: Vec<Bad>,
    /// A zone that is lost on the way, as a@10m, and when it comes back: a@10m..30m (another label: rack=r1@10m)
    #[arg(long, value_name = "ZONE@SPAN")]
    lose_zone: Vec<Loss>,
    /// Where chance begins; the same number gives the same forecast
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many courses (by the number of hosts: 2 to 40)
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    seeds: Option<u32>,
    /// Also draw the course into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

impl Args {
    /// A file is forecast without a coordinator.
    pub fn offline(&self) -> bool {
        self.target.contains(['/', '\\']) || self.target.ends_with(".yml") || self.target.ends_with(".yaml") || Path::new(&self.target).is_file()
    }

    fn crowd(&self) -> invent::Crowd {
        let mut spread = self.spread.clone();
        if let Some(zone) = "zone".parse().ok().filter(|zone| !spread.iter().any(|(key, _)| key == zone)) {
            spread.push((zone, self.zones.unwrap_or(3)));
        }
        invent::Crowd { hosts: self.hosts.unwrap_or(HOSTS), spread, empty: self.empty }
    }
}

/// Of a fleet file.
pub fn offline(args: &Args, form: Form) -> Result<Exit, Failure> {
    let path = PathBuf::from(&args.target);
    let text = std::fs::read_to_string(&path).map_err(|source| Failure::Read { path: path.clone(), source })?;
    let mut spec = fleet_file::parse(&text).map_err(|source| Failure::FleetFile { path, source })?;
    if args.version.is_some() {
        return Err(Failure::Usage("a version is of a live fleet: a file is forecast with a version that no host has".to_owned()));
    }
    if args.hosts.is_some() {
        spec.expect = None;
    }
    let crowd = args.crowd();
    let assumed = vec![crowd.words()];
    let scenario = scenario(crowd.scenario(spec)?, &args.tries);
    told(&scenario, assumed, None, &args.tries, form)
}

/// Of a live fleet.
pub async fn live(args: &Args, caller: &Caller) -> Result<Exit, Failure> {
    let name = args.target.parse().map_err(|error| Failure::Usage(format!("{} is no file, and {error}", args.target)))?;
    let found = standing::fleet(&caller.session, &name, args.version.as_deref()).await?;
    let mut assumed = found.assumed;
    let mut scenario = scenario(found.scenario, &args.tries);
    if args.hosts.is_some() || args.zones.is_some() || !args.spread.is_empty() {
        let crowd = args.crowd();
        assumed.push(crowd.words());
        scenario.spec.expect = None;
        let Scenario { pace, heartbeat, bad, lose, package, .. } = scenario;
        scenario = Scenario { pace, heartbeat, bad, lose, package, ..self::scenario(crowd.scenario(scenario.spec)?, &args.tries) };
    }
    told(&scenario, assumed, Some(&caller.session.context), &args.tries, caller.form)
}

/// The forecast of a deployment that is about to be made (`deploy --plan`): nothing goes wrong, and beside it a bad version.
/// `version`: none for what is settled; `config`: as `c17` or `none`.
pub async fn plan(fleet: &FleetName, version: Option<&str>, config: Option<&str>, caller: &Caller) -> Result<Exit, Failure> {
    let found = standing::planned(&caller.session, fleet, version, config).await?;
    let scenario = Scenario { seeds: seeds_for(found.scenario.members.len()), ..found.scenario };
    let words = [Some(fleet.as_str()), version, config.map(|_| "--config"), config];
    let next = format!("pilotage deploy {} --watch", words.into_iter().flatten().collect::<Vec<_>>().join(" "));
    let view = render::View { next: Some(next), ..forecasted(&scenario, found.assumed, Some(caller.session.context.clone()))? };
    match caller.form {
        Form::Json => output::json(&render::json::forecast(&view)),
        Form::Text => output::lines(render::lines(&view)),
    }
    Ok(Exit::Reached)
}

/// What is tried is put into a scenario.
fn scenario(mut scenario: Scenario, tries: &Tries) -> Scenario {
    for timed in &tries.hook {
        scenario.pace.set(timed.clone());
    }
    scenario.bad.clone_from(&tries.bad);
    scenario.lose.clone_from(&tries.lose_zone);
    scenario.seed = tries.seed;
    scenario.seeds = tries.seeds.unwrap_or_else(|| seeds_for(scenario.members.len()));
    scenario
}

fn told(scenario: &Scenario, assumed: Vec<String>, context: Option<&str>, tries: &Tries, form: Form) -> Result<Exit, Failure> {
    for loss in &scenario.lose {
        if !scenario.members.iter().any(|member| loss.takes(&member.labels)) {
            return Err(Failure::Usage(format!("no host has {}={}: nothing would be lost", loss.key, loss.value)));
        }
    }
    let view = forecasted(scenario, assumed, context.map(str::to_owned))?;
    if let Some(path) = &tries.svg {
        std::fs::write(path, render::svg::drawing(&view)).map_err(|source| Failure::Write { path: path.clone(), source })?;
    }
    match form {
        Form::Json => output::json(&render::json::forecast(&view)),
        Form::Text => output::lines(render::lines(&view)),
    }
    Ok(Exit::Reached)
}

/// The forecast, and beside one without a bad version what a bad one would do.
pub fn forecasted(scenario: &Scenario, assumed: Vec<String>, context: Option<String>) -> Result<render::View, Failure> {
    let refused = Failure::Refused;
    let unasked = scenario.bad.is_empty() && scenario.lose.is_empty() && scenario.members.len() <= WHAT_IF_MAX;
    let (summary, what_if) = match render::what_if().filter(|_| unasked) {
        Some(bad) => {
            let beside = Scenario { bad: vec![bad], seeds: scenario.seeds.div_ceil(2), ..scenario.clone() };
            let [summary, what_if] = forecasts([scenario, &beside]).map_err(refused)?;
            (summary, Some(what_if))
        }
        None => (forecast(scenario).map_err(refused)?, None),
    };
    Ok(render::View {
        context,
        fleet: scenario.spec.name.to_string(),
        package: match scenario.config {
            Config::Current => format!("{}@{}", scenario.spec.app, scenario.package.version),
            Config::Without => format!("{}@{} without a configuration", scenario.spec.app, scenario.package.version),
            Config::This { number, .. } => format!("{}@{}+c{number}", scenario.spec.app, scenario.package.version),
        },
        bytes: scenario.package.bytes,
        tried: scenario.bad.iter().map(ToString::to_string).chain(scenario.lose.iter().map(ToString::to_string)).collect(),
        pace: scenario.pace.clone(),
        assumed,
        summary,
        what_if,
        next: None,
    })
}

/// A package that no host has.
fn unknown_package() -> Package {
    Package { digest: Digest::of(b"a version that no host has"), version: Version::lossy("next"), bytes: 0, refusal: None }
}

/// Everything but the fleet, as it is without a word of anybody.
fn plain(spec: pilotage_shared::fleet::FleetSpec, package: Package) -> Scenario {
    Scenario {
        spec,
        members: Vec::new(),
        settled: None,
        newest: 0,
        package,
        config: Config::Current,
        pace: Pace::default(),
        heartbeat: HEARTBEAT,
        bad: Vec::new(),
        lose: Vec::new(),
        seed: 1,
        seeds: 1,
    }
}
