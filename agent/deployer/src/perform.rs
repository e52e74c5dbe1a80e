//! Performs one run: asks the core for the next step, does it, records it; until the run is closed and reported.

use std::path::Path;
use std::thread;
use std::time::Duration;

use pilotage_agent_core::acceptable::{HostPolicy, Seen, acceptable};
use pilotage_agent_core::journal::line::JournalError;
use pilotage_agent_core::journal::{Cause, End, Entry, Journal, Record, Turn};
use pilotage_agent_core::lifecycle::{self, Plan, Side, Task};
use pilotage_agent_core::run::{REVOKED, Request, Sight, Step, TURN_BACK, Target, next, report};
use pilotage_disk::Together;
use pilotage_shared::ids::BootId;
use pilotage_shared::name::Why;
use pilotage_shared::run::Outcome;

use crate::clock;
use crate::configured;
use crate::declared::{Declared, Service};
use crate::directory::{Directory, DirectoryError, JournalFile};
use crate::hook::end;
use crate::hook::order::Asks;
use crate::hook::run::{self as hook, Setting, Spare, Wanted};
use crate::install::installed::{self, Installed};
use crate::install::keep;
use crate::install::links::{self, Links};
use crate::install::plan::{self, Originals, Source};
use crate::install::ready;
use crate::install::{InstallError, context, foreign, handed, kept, rules, sweep, switch, unswitch};
use crate::layout::Layout;
use crate::prepare::{self, PrepareError, Prepared};
use crate::{drain, offered, probe, reboot, seal, service, shared, verify};

/// How often a run that waits looks whether it shall turn back.
const LOOK: Duration = Duration::from_millis(200);

/// A wall clock is set back by so many seconds at most in the middle of a run.
const CLOCK_STEPS: i64 = 120;

/// Performs the run of this directory to its end, or goes on with it.
pub fn perform(path: &Path) -> Result<Outcome, DirectoryError> {
    let directory = Directory::lock(path)?;
    let request = directory.request()?;
    let boot = clock::boot()?;
    let mut file = match directory.journal() {
        Ok(file) => file,
        Err(DirectoryError::Journal(error)) => return damaged(&directory, &request, boot, &error),
        Err(error) => return Err(error),
    };
    if file.journal().records().is_empty() {
        file.record(Entry::Opened { boot })?;
    } else if file.journal().closed().is_none() {
        file.record(Entry::Resumed { boot })?;
    }
    let layout = Layout::new(&request, directory.path());
    let prepared = match prepare::prepare(&request, &layout) {
        Ok(prepared) => prepared,
        Err(error) => {
            close_unprepared(&mut file, &error)?;
            Prepared::default()
        }
    };
    let reboot_refused = reboot::refused(&request.host);
    let run = Run { directory, request, layout, prepared, file, boot, reboot_refused, spare: None };
    run.finish_it()
}

/// A journal that cannot be read says neither what was done nor what is left: nothing is guessed, a person looks (promise 4).
fn damaged(directory: &Directory, request: &Request, boot: BootId, error: &JournalError) -> Result<Outcome, DirectoryError> {
    let why = format!("{error}: what this run has done is not known; look at {}, then unpin and deploy", directory.path().display());
    let outcome = Outcome::NeedsHands { why: Why::lossy(&why) };
    let mut journal = Journal::default();
    for entry in [Entry::Opened { boot }, Entry::Closed(outcome.clone())] {
        journal.record(Record { at: clock::uptime()?, wall: clock::wall(), entry })?;
    }
    if let Some(report) = report(request, &Plan::default(), &journal) {
        directory.write_report(&report)?;
    }
    Ok(outcome)
}

/// A release that cannot even be read is not begun with. In the middle of a run the plan is there already.
fn close_unprepared(file: &mut JournalFile, error: &PrepareError) -> Result<(), DirectoryError> {
    if file.journal().closed().is_some() {
        return Ok(());
    }
    let why = Why::lossy(&end::said(error));
    let outcome = if file.journal().disturbed() { Outcome::NeedsHands { why } } else { Outcome::NotBegun { why } };
    if let Some((task, _)) = file.journal().pending() {
        file.record(Entry::Ended { task, end: end::own(error) })?;
    }
    file.record(Entry::Closed(outcome))
}

struct Run {
    directory: Directory,
    request: Request,
    layout: Layout,
    prepared: Prepared,
    file: JournalFile,
    boot: BootId,
    reboot_refused: Option<Why>,
    spare: Option<Spare>,
}

impl Run {
    fn finish_it(mut self) -> Result<Outcome, DirectoryError> {
        self.make_spare(None);
        loop {
            let sight = self.sight()?;
            match next(&self.request, &self.prepared.plan, self.file.journal(), &sight) {
                Step::Disturb => self.file.record(Entry::Disturbed)?,
                Step::TurnBack(turn) => self.file.record(Entry::Turned(turn))?,
                Step::Close(outcome) => self.file.record(Entry::Closed(outcome))?,
                Step::Do(task @ Task::Hook { .. }) => self.hook(task)?,
                Step::Do(task) => self.own(task)?,
                Step::Adopt(task, process) => {
                    let same_boot = self.file.journal().began_in() == Some(self.boot);
                    let end = hook::adopt(&self.layout.run, self.file.journal().hooks(), process, same_boot);
                    let end = end.unwrap_or_else(|error| end::own(&error));
                    self.file.record(Entry::Ended { task, end })?;
                }
                // Something may happen meanwhile that is worth a look.
                Step::Wait(at) => {
                    self.file.sync()?;
                    thread::sleep(LOOK.min(Duration::from_millis((at - sight.uptime).0)));
                }
                Step::Reboot(_) => {
                    self.file.sync()?;
                    self.reboot_refused = Some(reboot::reboot());
                }
                Step::Finished(outcome) => return self.finish(outcome),
            }
        }
    }

    fn sight(&self) -> Result<Sight, DirectoryError> {
        let seen = Seen { blocked: installed::load(&self.layout.blocked()).ok().flatten().unwrap_or_default() };
        let refused = |target: &Target| {
            let answer = acceptable(&target.release, &self.request.proofs, &HostPolicy::default(), &seen);
            answer.err().map(|why| Why::lossy(&format!("{}: {why}", target.package)))
        };
        Ok(Sight {
            uptime: clock::uptime()?,
            boot: self.boot,
            revoked: self.directory.marker(REVOKED)?,
            turn_back: self.directory.marker(TURN_BACK)?,
            to_refused: refused(&self.request.to),
            from_refused: match &self.prepared.from_unreadable {
                Some(why) => Some(Why::lossy(why)),
                None => self.request.from.as_ref().and_then(refused),
            },
            reboot_refused: self.reboot_refused.clone(),
        })
    }

    fn target(&self, side: Side) -> &Target {
        match side {
            Side::To => &self.request.to,
            Side::From => self.request.from.as_ref().unwrap_or(&self.request.to),
        }
    }

    fn hook(&mut self, task: Task) -> Result<(), DirectoryError> {
        let (Task::Hook { side, event, script: n }, Some(mut script)) = (task, self.prepared.plan.script(task).cloned()) else {
            return Ok(());
        };
        if let (true, Some(Turn::Failed(why) | Turn::Asked(why))) = (task.tells(), self.file.journal().turned()) {
            script.env.insert("PILOTAGE_REASON".to_owned(), why.to_string());
        }
        let asks = self.asks(task, side);
        let wanted = Wanted { number: self.file.journal().hooks() + 1, event: event.as_str(), first: n == 0, asks, script: &script };
        let mut spare = self.spare.take();
        let held = self.in_setting(side, |setting| hook::make(setting, &wanted, &mut spare).unwrap_or_else(|e| Err(end::own(&e))));
        self.spare = spare;
        let held = held.unwrap_or_else(Err);
        let end = match held {
            Ok(held) => {
                self.file.record(Entry::Began { task, process: held.process })?;
                let running = held.let_go();
                self.make_spare(Some(task));
                running.end(&self.layout.run).unwrap_or_else(|error| end::own(&error))
            }
            Err(end) => {
                self.file.record(Entry::Began { task, process: None })?;
                end
            }
        };
        self.file.record(Entry::Ended { task, end })
    }

    /// For the next hook after this task, if there is one on the way forward. It only saves time.
    fn make_spare(&mut self, after: Option<Task>) {
        if self.spare.is_some() || self.file.journal().turned().is_some() || self.file.journal().closed().is_some() {
            return;
        }
        let forward = lifecycle::forward(&self.prepared.plan);
        let from = after.and_then(|after| forward.iter().position(|task| *task == after)).map_or(0, |at| at + 1);
        if forward[from..].iter().any(|task| matches!(task, Task::Hook { .. })) {
            self.spare = Spare::make(&self.layout.run).ok();
        }
    }

    /// A reboot is made for the new release on its way forward; others would wait for it in vain.
    fn asks(&self, task: Task, side: Side) -> Asks {
        let means = self.prepared.plan.retry(task).is_some();
        let forward = side == Side::To && task.disturbs() && self.file.journal().turned().is_none() && !self.prepared.plan.again;
        Asks { later: means, reboot: means && forward && !task.overruled() }
    }

    /// With everything that a script of that side is run with.
    fn in_setting<T>(&self, side: Side, act: impl FnOnce(&Setting) -> T) -> Result<T, End> {
        let failed = |error: InstallError| end::own(&error);
        self.name_bundle(side).map_err(failed)?;
        let package = self.target(side).release.package;
        let (release, bundle) = (self.layout.release(&package), self.layout.bundles().join(package.hex()));
        let contract = &self.request.contract;
        let mut deployments_log = None;
        if let Some(root) = self.request.host.codedeploy_root.as_deref().map(Path::new) {
            self.name_bundle(Side::To).map_err(failed)?;
            offered::offer(root, contract, &self.layout.bundles().join(self.request.to.release.package.hex()), &self.layout.run).map_err(failed)?;
            deployments_log = Some(offered::log(root, contract));
        }
        let configured = configured::of(&self.layout, &self.request, &self.target(side).release).map_err(|e| end::own(&e))?;
        let (run, variables, masks) = (self.layout.run.as_path(), &configured.variables, configured.masks.as_slice());
        Ok(act(&Setting { run, release: &release, bundle: &bundle, contract, variables, masks, deployments_log }))
    }

    /// The name that hooks are called by.
    fn name_bundle(&self, side: Side) -> Result<(), InstallError> {
        let package = self.target(side).release.package;
        let bundles = self.layout.bundles();
        std::fs::create_dir_all(&bundles).map_err(InstallError::io("make", &bundles))?;
        links::set(&bundles.join(package.hex()), Some(&Path::new("..").join("apps").join(self.request.app.as_str()).join(release_link(&package))))
    }

    fn own(&mut self, task: Task) -> Result<(), DirectoryError> {
        if self.file.journal().pending().is_none() {
            self.file.record(Entry::Began { task, process: None })?;
        }
        let end = self.try_own(task).unwrap_or_else(|end| end);
        self.file.record(Entry::Ended { task, end })
    }

    fn try_own(&self, task: Task) -> Result<End, End> {
        let package = self.request.to.release.package;
        let failed = |error: InstallError| end::own(&error);
        let done = match task {
            Task::Verify => {
                verify::verify(&self.layout, &package, &self.prepared).map_err(|e| end::own(&e))?;
                shared::link(&self.layout, &self.layout.release(&package), &self.prepared.to.shared).map_err(failed)?;
                configured::verify(&self.layout, &self.request.to.release).map_err(|e| end::own(&e))
            }
            Task::Keep => self.keep().map_err(failed),
            Task::Prepare => self.prepare_files(),
            Task::Switch => return self.switch(),
            Task::Unswitch => return self.unswitch(),
            Task::Health(side) => self.health(side),
            Task::Commit => self.commit(),
            Task::Drain => self.drain(),
            Task::Stop(side) => self.service(side, service::stop),
            Task::Start(side) => self.service(side, service::start),
            Task::Hook { .. } => Ok(()),
        };
        done.map(|()| End::good())
    }

    fn declared(&self, side: Side) -> &Declared {
        match side {
            Side::To => &self.prepared.to,
            Side::From => &self.prepared.from,
        }
    }

    fn service(&self, side: Side, act: fn(&Service) -> Result<(), String>) -> Result<(), End> {
        let Some(service) = &self.declared(side).service else { return Ok(()) };
        act(service).map_err(|why| end::failed(Cause::Own, &why, ""))
    }

    fn drain(&self) -> Result<(), End> {
        let Some(declared) = &self.declared(Side::From).drain else { return Ok(()) };
        let drained = self.in_setting(Side::From, |setting| drain::drain(declared, |location: &str| hook::program(setting, location)));
        drained?.map_err(|why| end::failed(Cause::Own, &why, ""))
    }

    fn keep(&self) -> Result<(), InstallError> {
        let installed: Installed = installed::load(&self.layout.installed())?.unwrap_or_default();
        keep::keep(
            &self.layout.run,
            &self.layout.app(),
            installed,
            &self.with_source(&Originals::new(), |source| {
                // What is not in the release yet may be put there by BeforeInstall (B15): then the switch keeps what it finds.
                plan::plan(source, &self.prepared.install, &mut Vec::new())
            })?,
            handed::kept(&self.layout.prepared(), &self.request.to.release.package)?.as_deref(),
        )
    }

    fn with_source<T>(&self, originals: &Originals, done: impl FnOnce(&Source) -> T) -> T {
        let release = self.layout.release(&self.request.to.release.package);
        let foreign = self.layout.foreign();
        done(&Source { release: &release, originals, state: self.layout.state(), foreign: &foreign, selinux: context::enabled() })
    }

    fn originals(&self) -> Result<Originals, End> {
        let manifest = prepare::manifest(&self.layout, &self.request.to.release.package).map_err(|e| end::own(&e))?;
        Ok(prepare::originals(&manifest))
    }

    fn prepare_files(&self) -> Result<(), End> {
        let package = self.request.to.release.package;
        // Made executable now (H6), so that a bundle that installs its own scripts need not be prepared anew for it.
        hook::make_executable(&self.layout.release(&package), self.prepared.plan.to.values().flatten());
        let firm = !lifecycle::forward(&self.prepared.plan).iter().take_while(|t| **t != Task::Switch).any(|t| matches!(t, Task::Hook { .. }));
        let install = &self.prepared.install;
        let before = handed::take(&self.layout.run, &self.layout.prepared()).map_err(|e| end::own(&e))?;
        let done = self.with_source(&self.originals()?, |source| {
            ready::prepare(&self.layout.run, source, install, &self.layout.installed_by_others(), firm, before)
        });
        done.map_err(|e| end::own(&e))
    }

    fn switch(&self) -> Result<End, End> {
        shared::dress(&self.layout, &self.prepared.to.shared).map_err(|e| end::own(&e))?;
        let links = self.links().map_err(|e| end::own(&e))?;
        let install = &self.prepared.install;
        let done = self.with_source(&self.originals()?, |source| switch::switch(&self.layout.run, &self.layout.app(), source, install, &links));
        done.and_then(|()| rules::follow(&self.layout.run, Side::To)).map(|note| End::Good { last_line: note }).map_err(|e| end::own(&e))
    }

    /// Where the app's links shall point.
    fn links(&self) -> Result<Links, InstallError> {
        let package = self.request.to.release.package;
        let before = unswitch::record(&self.layout.run)?.links;
        let from = self.request.from.as_ref().map(|t| t.release.package).filter(|p| *p != package);
        let config = configured::folder(&self.request.to.release);
        Ok(Links { current: Some(release_link(&package)), previous: from.map(|p| release_link(&p)).or(before.previous), config })
    }

    fn unswitch(&self) -> Result<End, End> {
        self.put_back().map_err(|e| end::own(&e))?;
        // What is restored stands as it was, labels too; a rule that stays behind is no reason to call for hands.
        let note = rules::follow(&self.layout.run, Side::From).unwrap_or_else(|error| Why::lossy(&end::said(&error)));
        let mended = match (&self.request.from, &self.prepared.plan.from, &self.prepared.from_unreadable) {
            (Some(from), Some(hooks), None) => verify::mend(&self.layout, &from.release.package, hooks).map_err(|e| end::own(&e)),
            (Some(_) | None, Some(_) | None, Some(_) | None) => Ok(()),
        };
        mended.map(|()| End::Good { last_line: note })
    }

    fn put_back(&self) -> Result<(), InstallError> {
        unswitch::unswitch(&self.layout.run, &self.layout.app())?;
        // A commit that failed half-way may have said something else.
        installed::save(&self.layout.installed(), &unswitch::record(&self.layout.run)?.installed)
    }

    fn health(&self, side: Side) -> Result<(), End> {
        let target = self.target(side);
        let Some(check) = &target.health else { return Ok(()) };
        let healthy = self.in_setting(side, |setting| probe::until_healthy(check, |location: &str| hook::program(setting, location)));
        healthy?.map_err(|why| end::failed(Cause::Own, &why, ""))
    }

    fn commit(&self) -> Result<(), End> {
        self.keep_for_good().map_err(|e| end::own(&*e))
    }

    /// What the switch took the place of is where it outlives the run, the release is sealed, and what it has installed is on record:
    /// all of it durable at once.
    fn keep_for_good(&self) -> Result<(), Box<dyn std::error::Error>> {
        let package = self.request.to.release.package;
        let Some(ready) = switch::decided(&self.layout.run)? else { return Err("the switch has left no record".into()) };
        let record = unswitch::record(&self.layout.run)?;
        let copies = kept::Copies::open(&keep::copies_path(&self.layout.run), record.copies)?;
        let mut together = Together::default();
        foreign::take(&self.layout.foreign(), &record, &ready.decision, &copies, &mut together)?;
        let sealed = verify::seal(&self.layout, &package, self.verified(), &mut together)?;
        installed::add(&mut together, &self.layout.installed(), &ready.decision.installed)?;
        together.finish()?;
        seal::tidy(&self.layout, &package, &sealed);
        Ok(())
    }

    /// When the release was verified, in seconds since 1970, with some to spare.
    fn verified(&self) -> i64 {
        let verified = self.file.journal().records().first().map_or(0, |r| r.wall / 1000);
        i64::try_from(verified).unwrap_or(i64::MAX) - CLOCK_STEPS
    }

    fn finish(mut self, outcome: Outcome) -> Result<Outcome, DirectoryError> {
        self.spare.take().into_iter().for_each(Spare::dismiss);
        let failed = |task| matches!(self.file.journal().end(task), Some(End::Failed(_)));
        if matches!(outcome, Outcome::NotBegun { .. }) && !failed(Task::Keep) && !failed(Task::Prepare) {
            // What cannot be handed on is made again.
            let _ = handed::hand_on(&self.layout.run, &self.layout.prepared(), &self.request.app, &self.request.to.release.package);
        }
        if let Some(report) = report(&self.request, &self.prepared.plan, self.file.journal()) {
            self.directory.write_report(&report)?;
        }
        sweep(&self.layout, &outcome);
        seal::sweep(&self.layout);
        Ok(outcome)
    }
}

/// Relative to the app's folder.
fn release_link(package: &pilotage_shared::digest::Digest) -> std::path::PathBuf {
    Path::new("releases").join(package.hex())
}
