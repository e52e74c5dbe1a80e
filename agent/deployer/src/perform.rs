//! Performs one run: asks the core for the next step, does it, records it; until the run is closed and reported.

use std::path::Path;

use pilotage_agent_core::acceptable::{HostPolicy, Seen, acceptable};
use pilotage_agent_core::journal::line::JournalError;
use pilotage_agent_core::journal::{Cause, End, Entry, Journal, Record};
use pilotage_agent_core::lifecycle::{Plan, Side, Task};
use pilotage_agent_core::run::{REVOKED, Request, Sight, Step, TURN_BACK, Target, next, report};
use pilotage_shared::ids::BootId;
use pilotage_shared::name::Why;
use pilotage_shared::run::Outcome;

use crate::clock;
use crate::configured;
use crate::directory::{Directory, DirectoryError, JournalFile};
use crate::hook::end;
use crate::hook::order::Program;
use crate::hook::run::{self as hook, Setting};
use crate::install::keep;
use crate::install::installed::{self, Installed};
use crate::install::links::{self, Links};
use crate::install::plan::{Source, plan};
use crate::install::switch::{self, Decision};
use crate::install::unswitch;
use crate::install::{InstallError, sweep};
use crate::layout::Layout;
use crate::prepare::{self, PrepareError, Prepared};
use crate::probe;
use crate::verify;

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
    Run { directory, request, layout, prepared, file, boot }.finish_it()
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
}

impl Run {
    fn finish_it(mut self) -> Result<Outcome, DirectoryError> {
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
        })
    }

    fn target(&self, side: Side) -> &Target {
        match side {
            Side::To => &self.request.to,
            Side::From => self.request.from.as_ref().unwrap_or(&self.request.to),
        }
    }

    fn hook(&mut self, task: Task) -> Result<(), DirectoryError> {
        let (Task::Hook { side, event, script: n }, Some(script)) = (task, self.prepared.plan.script(task).cloned()) else {
            return Ok(());
        };
        let number = self.file.journal().hooks() + 1;
        let package = self.target(side).release.package;
        let (release, bundle) = (self.layout.release(&package), self.layout.bundles().join(package.hex()));
        let configured = configured::of(&self.layout, &self.request, &self.target(side).release).map_err(|e| end::own(&e));
        let held = self.name_bundle(side).map_err(|e| end::own(&e));
        let held = held.and(configured).and_then(|configured| {
            let setting = Setting {
                run: &self.layout.run,
                release: &release,
                bundle: &bundle,
                contract: &self.request.contract,
                variables: &configured.variables,
                masks: &configured.masks,
            };
            hook::make(&setting, number, event.as_str(), n == 0, &script).unwrap_or_else(|e| Err(end::own(&e)))
        });
        let end = match held {
            Ok(held) => {
                self.file.record(Entry::Began { task, process: held.process })?;
                held.run(&self.layout.run).unwrap_or_else(|error| end::own(&error))
            }
            Err(end) => {
                self.file.record(Entry::Began { task, process: None })?;
                end
            }
        };
        self.file.record(Entry::Ended { task, end })
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
        let end = match self.try_own(task) {
            Ok(()) => End::good(),
            Err(end) => end,
        };
        self.file.record(Entry::Ended { task, end })
    }

    fn try_own(&self, task: Task) -> Result<(), End> {
        let package = self.request.to.release.package;
        let failed = |error: InstallError| end::own(&error);
        match task {
            Task::Verify => {
                verify::verify(&self.layout, &package, &self.prepared).map_err(|e| end::own(&e))?;
                configured::verify(&self.layout, &self.request.to.release).map_err(|e| end::own(&e))
            }
            Task::Keep => self.keep().map_err(failed),
            Task::Switch => self.switch(),
            Task::Unswitch => self.unswitch().map_err(failed),
            Task::Health(side) => self.health(side),
            Task::Commit => self.commit().map_err(failed)?.then_some(()).ok_or_else(|| end::failed(Cause::Own, "the switch has left no record", "")),
            Task::Hook { .. } => Ok(()),
        }
    }

    fn keep(&self) -> Result<(), InstallError> {
        let installed: Installed = installed::load(&self.layout.installed())?.unwrap_or_default();
        // What is not in the release yet may be put there by BeforeInstall (B15): then the switch keeps what it finds.
        let planned = match self.source_plan() {
            Err(InstallError::Source(_)) => Default::default(),
            planned => planned?,
        };
        keep::keep(&self.layout.run, &self.layout.app(), installed, &planned)
    }

    fn source_plan(&self) -> Result<crate::install::plan::InstallPlan, InstallError> {
        let release = self.layout.release(&self.request.to.release.package);
        plan(&Source { release: &release, originals: &Default::default(), state: self.layout.state() }, &self.prepared.install)
    }

    fn switch(&self) -> Result<(), End> {
        let package = self.request.to.release.package;
        let manifest = prepare::manifest(&self.layout, &package).map_err(|e| end::own(&e))?;
        let originals = prepare::originals(&manifest);
        let release = self.layout.release(&package);
        let source = Source { release: &release, originals: &originals, state: self.layout.state() };
        let before = unswitch::record(&self.layout.run).map_err(|e| end::own(&e))?.links;
        let from = self.request.from.as_ref().map(|t| t.release.package).filter(|p| *p != package);
        let links = Links { current: Some(release_link(&package)), previous: from.map(|p| release_link(&p)).or(before.previous), config: configured::folder(&self.request.to.release) };
        switch::switch(&self.layout.run, &self.layout.app(), &source, &self.prepared.install, &links).map_err(|e| end::own(&e))
    }

    fn unswitch(&self) -> Result<(), InstallError> {
        unswitch::unswitch(&self.layout.run, &self.layout.app())?;
        // A commit that failed half-way may have said something else.
        installed::save(&self.layout.installed(), &unswitch::record(&self.layout.run)?.installed)
    }

    fn health(&self, side: Side) -> Result<(), End> {
        let target = self.target(side);
        let Some(check) = &target.health else { return Ok(()) };
        let (release, bundle) = (self.layout.release(&target.release.package), self.layout.bundles().join(target.release.package.hex()));
        let configured = configured::of(&self.layout, &self.request, &target.release).map_err(|e| end::own(&e))?;
        let setting = Setting {
            run: &self.layout.run,
            release: &release,
            bundle: &bundle,
            contract: &self.request.contract,
            variables: &configured.variables,
            masks: &configured.masks,
        };
        let command = |location: &str| -> Result<Program, String> { hook::program(&setting, location) };
        self.name_bundle(side).map_err(|e| end::own(&e))?;
        probe::until_healthy(check, command).map_err(|why| end::failed(Cause::Own, &why, ""))
    }

    /// False when there is no record of the switch.
    fn commit(&self) -> Result<bool, InstallError> {
        let Some(decision) = installed::load::<Decision>(&switch::decision_path(&self.layout.run))? else { return Ok(false) };
        installed::save(&self.layout.installed(), &decision.installed)?;
        verify::mark_committed(&self.layout, &self.request.to.release.package)?;
        Ok(true)
    }

    fn finish(self, outcome: Outcome) -> Result<Outcome, DirectoryError> {
        if let Some(report) = report(&self.request, &self.prepared.plan, self.file.journal()) {
            self.directory.write_report(&report)?;
        }
        sweep(&self.layout, &outcome);
        Ok(outcome)
    }
}

/// Relative to the app's folder.
fn release_link(package: &pilotage_shared::digest::Digest) -> std::path::PathBuf {
    Path::new("releases").join(package.hex())
}
