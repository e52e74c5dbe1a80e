//! The play: each version is pushed and deployed as a person would, while the prober watches.

use std::time::{Duration, Instant};

use pilotage_shared::api::v1::{CreateDeployment, DeploymentView, OutcomeWord};
use pilotage_shared::ids::DeploymentId;

use super::package::{self, VERSIONS, Version};
use super::prober::Seen;
use super::stage::{Stage, because};
use super::story::{self, Act, Told};
use super::{DemoError, Teller, judge};
use crate::output::progress::Bar;
use crate::push::{self, Wish};

/// A deployment of the demo that takes longer has hung.
const BOUND: Duration = Duration::from_secs(120);

/// At the end of a deployment every host answers already; the prober's next round has seen it.
const ANSWER: Duration = Duration::from_secs(10);

/// Plays every act, and tells each when it is over.
pub async fn all(stage: &Stage, teller: Teller, told: &mut Told) -> Result<(), DemoError> {
    let mut good: Option<Version> = None;
    for version in VERSIONS {
        // Hosts that have just come back count only when they have been healthy for long enough: each act has its own time.
        if good.is_some() {
            stage.settled().await?;
        }
        let act = act(stage, version, good, teller).await?;
        if act.outcome == OutcomeWord::Succeeded {
            good = Some(version);
        }
        for line in story::lines(&act, &stage.hosts) {
            teller.say(&line);
        }
        told.acts.push(act);
    }
    Ok(())
}

async fn act(stage: &Stage, version: Version, good: Option<Version>, teller: Teller) -> Result<Act, DemoError> {
    let path = package::write(&stage.packages, version).map_err(DemoError::system("write a package"))?;
    let wish = Wish {
        path,
        appspec: None,
        app: "web".parse().map_err(|_| crate::failure::Failure::Usage("app name".to_owned()))?,
        version: version.number.parse().map_err(|_| crate::failure::Failure::Usage("version".to_owned()))?,
        reason: because("the demo"),
    };
    push::push(&stage.session, wish).await?;
    let bar = (!teller.json).then(|| Bar::new(&format!("web@{}  {:<15}", version.number, version.title)));
    // What was seen while the hosts settled belongs to this act too: no moment is left out.
    if good.is_none() {
        stage.prober.next_phase();
    }
    let begin = Instant::now();
    let body = CreateDeployment {
        fleet: stage.fleet.clone(),
        package: Some(version.number.to_owned()),
        restart: false,
        config: None,
        file_exists: None,
        reason: because(version.title),
    };
    let id = stage.session.deploy(&body).await?.id;
    let view = ended(stage, &id, begin, bar.as_ref()).await?;
    let seconds = begin.elapsed().as_secs_f64();
    let expected = expected_answer(version, good);
    answered(stage, &expected).await?;
    let runs = stage.session.runs(&id).await?;
    let held = stage.session.package(&format!("web@{}", version.number)).await?.held.is_some();
    let answers = stage.prober.answers();
    let seen: Seen = stage.prober.next_phase();
    let outcome = view.outcome.unwrap_or(OutcomeWord::Unknown);
    let mut act = Act {
        version,
        outcome,
        seconds,
        floor: stage.floor,
        seen,
        runs,
        held,
        because: view.because.clone(),
        first: good.is_none(),
        problems: Vec::new(),
    };
    act.problems = judge::problems(&act, &expected, &answers, stage.hosts.len());
    Ok(act)
}

/// Until the prober has heard the same good answer from every host, or for so long that it will not any more.
async fn answered(stage: &Stage, expected: &str) -> Result<(), DemoError> {
    let begin = Instant::now();
    let look = async || {
        let answers = stage.prober.answers();
        let all = answers.len() == 1 && answers.contains_key(&Some(expected.to_owned()));
        Ok((all || begin.elapsed() > ANSWER).then_some(()))
    };
    stage.until("the prober's next round", look).await
}

/// What every host must say at the end of an act.
fn expected_answer(version: Version, good: Option<Version>) -> String {
    let stays = match version.behaviour {
        super::app::Behaviour::Good => version,
        super::app::Behaviour::CannotValidate | super::app::Behaviour::DiesAfter(_) => good.unwrap_or(version),
    };
    format!("web {}", stays.number)
}

async fn ended(stage: &Stage, id: &DeploymentId, begin: Instant, bar: Option<&Bar>) -> Result<DeploymentView, DemoError> {
    loop {
        let look = async || {
            let view = stage.session.deployment(id).await?;
            if let Some(bar) = bar {
                bar.show(&view);
            }
            Ok(view.outcome.is_some().then_some(view))
        };
        match stage.until("the end of the deployment", look).await {
            Err(DemoError::Late { what, .. }) if begin.elapsed() > BOUND => {
                return Err(DemoError::Late { what: format!("{what} {id}"), seconds: BOUND.as_secs() });
            }
            Err(DemoError::Late { .. }) => {}
            other => return other,
        }
    }
}
