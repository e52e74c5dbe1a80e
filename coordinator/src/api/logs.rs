//! Output of hooks on this machine's disk: `<app>/<host>/<deployment or local>-<attempt>/<event>[.back]`. All parts of a path
//! are checked names: none begins with a dot or holds a slash.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pilotage_disk::durable;
use pilotage_shared::limits::HOOK_LOG_MAX;
use pilotage_shared::name::{AppName, HostName};
use pilotage_shared::run::{Event, RunId};

/// The folder of logs.
#[derive(Debug)]
pub struct Logs {
    folder: PathBuf,
}

/// Bytes of one event's output.
pub const LOG_MAX: usize = HOOK_LOG_MAX as usize;

impl Logs {
    /// Opens or makes the folder.
    pub fn open(folder: &Path) -> io::Result<Logs> {
        fs::create_dir_all(folder)?;
        Ok(Logs { folder: folder.to_owned() })
    }

    fn path(&self, app: &AppName, run: &RunId, event: Event, back: bool) -> PathBuf {
        let of = run.deployment.as_ref().map_or_else(|| "local".to_owned(), ToString::to_string);
        let folder = self.folder.join(app.as_str()).join(run.host.as_str()).join(format!("{of}-{}", run.attempt));
        folder.join(if back { format!("{event}.back") } else { event.to_string() })
    }

    /// Keeps an event's output; replaces what was there.
    pub fn put(&self, app: &AppName, run: &RunId, event: Event, back: bool, output: &[u8]) -> io::Result<()> {
        let path = self.path(app, run, event, back);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        durable::replace(&path, output, 0o600).map_err(io::Error::other)
    }

    /// An event's output, where it is here.
    pub fn get(&self, app: &AppName, run: &RunId, event: Event, back: bool) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.path(app, run, event, back)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }

    /// Runs whose output is here and has not changed for `age`; a folder at a time is read.
    pub fn older_than(&self, age: Duration) -> io::Result<Vec<(AppName, RunId)>> {
        let mut found = Vec::new();
        for app in names(&self.folder)? {
            for host in names(&self.folder.join(&app))? {
                for run in names(&self.folder.join(&app).join(&host))? {
                    let path = self.folder.join(&app).join(&host).join(&run);
                    let old = fs::metadata(&path)?.modified()?.elapsed().is_ok_and(|elapsed| elapsed > age);
                    found.extend(parse(&app, &host, &run).filter(|_| old));
                }
            }
        }
        Ok(found)
    }

    /// Removes a run's output.
    pub fn remove(&self, app: &AppName, run: &RunId) -> io::Result<()> {
        let path = self.path(app, run, Event::Install, false);
        path.parent().map_or(Ok(()), fs::remove_dir_all)
    }

    /// Is it here?
    pub fn has(&self, app: &AppName, run: &RunId, event: Event, back: bool) -> bool {
        self.path(app, run, event, back).exists()
    }
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

fn parse(app: &str, host: &str, run: &str) -> Option<(AppName, RunId)> {
    let (of, attempt) = run.rsplit_once('-')?;
    let deployment = if of == "local" { None } else { Some(of.parse().ok()?) };
    Some((AppName::new(app).ok()?, RunId { deployment, host: HostName::new(host).ok()?, attempt: attempt.parse().ok()? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_kept_replaced_found_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let logs = Logs::open(dir.path()).unwrap();
        let app = AppName::new("web").unwrap();
        let run = RunId { deployment: Some("web-prod.1".parse().unwrap()), host: HostName::new("h-1").unwrap(), attempt: 2 };
        let own = RunId { deployment: None, ..run.clone() };
        for id in [&run, &own] {
            logs.put(&app, id, Event::ApplicationStart, false, b"one").unwrap();
            logs.put(&app, id, Event::ApplicationStart, false, b"two").unwrap();
            assert_eq!(logs.get(&app, id, Event::ApplicationStart, false).unwrap(), Some(b"two".to_vec()));
            assert!(!logs.has(&app, id, Event::ApplicationStart, true));
        }
        let mut found = logs.older_than(Duration::ZERO).unwrap();
        found.sort_by_key(|(_, id)| id.deployment.is_none());
        assert_eq!(found, [(app.clone(), run.clone()), (app.clone(), own)]);
        assert!(logs.older_than(Duration::from_secs(3600)).unwrap().is_empty());
        logs.remove(&app, &run).unwrap();
        assert!(!logs.has(&app, &run, Event::ApplicationStart, false));
    }
}
