//! Runs cases side by side. A case that is a known gap must fail; when it does not, the gap is closed and leaves the list.

use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use crate::cases::{self, Case, Needs};
use crate::gaps;
use crate::users;
use crate::world::World;

/// The arguments of Rust's own runner that other tools use.
struct Arguments {
    filters: Vec<String>,
    exact: bool,
    list: bool,
    ignored: bool,
}

fn arguments() -> Arguments {
    let mut found = Arguments { filters: Vec::new(), exact: false, list: false, ignored: false };
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--exact" => found.exact = true,
            "--list" => found.list = true,
            "--ignored" => found.ignored = true,
            other if other.starts_with('-') || other == "terse" => {}
            filter => found.filters.push(filter.to_owned()),
        }
    }
    found
}

enum Verdict {
    Good,
    Gap,
    Skipped,
    Bad(String),
}

/// All cases that the arguments mean.
pub fn main() -> ExitCode {
    let arguments = arguments();
    let mut all = cases::all();
    all.retain(|case| {
        let name = case.name();
        arguments.filters.is_empty() || arguments.filters.iter().any(|f| if arguments.exact { name == *f } else { name.contains(f.as_str()) })
    });
    if arguments.list {
        for case in all.iter().filter(|_| !arguments.ignored) {
            println!("{}: test", case.name());
        }
        return ExitCode::SUCCESS;
    }
    panic::set_hook(Box::new(|_| {}));
    let begin = Instant::now();
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = thread::available_parallelism().map_or(4, |n| n.get() * 2);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(case) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (at, verdict) = (Instant::now(), judge(case));
                    say(case, &verdict, at);
                    done.lock().unwrap().push((case.name(), verdict));
                }
            });
        }
    });
    users::remove();
    let done = done.into_inner().unwrap();
    let count = |test: fn(&Verdict) -> bool| done.iter().filter(|(_, v)| test(v)).count();
    let bad = count(|v| matches!(v, Verdict::Bad(_)));
    for (name, verdict) in &done {
        if let Verdict::Bad(why) = verdict {
            println!("\n---- {name}\n{why}");
        }
    }
    let (good, gaps, skipped) =
        (count(|v| matches!(v, Verdict::Good)), count(|v| matches!(v, Verdict::Gap)), count(|v| matches!(v, Verdict::Skipped)));
    let result = if bad == 0 { "ok" } else { "FAILED" };
    let took = begin.elapsed().as_secs_f32();
    println!("\ntest result: {result}. {good} passed; {bad} failed; {gaps} known gaps; {skipped} skipped without root; finished in {took:.1}s");
    if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn judge(case: &Case) -> Verdict {
    if case.needs == Needs::Root && !nix::unistd::geteuid().is_root() {
        return Verdict::Skipped;
    }
    let world = World::new();
    let result = panic::catch_unwind(AssertUnwindSafe(|| (case.run)(&world)));
    match (result, gaps::of(&case.name())) {
        (Ok(()), None) => Verdict::Good,
        (Ok(()), Some(_)) => Verdict::Bad("this gap is closed: take it off the list in gaps.rs, and write the table anew".into()),
        (Err(_), Some(_)) => Verdict::Gap,
        (Err(why), None) => {
            let text = why.downcast_ref::<String>().map(String::as_str).or_else(|| why.downcast_ref::<&str>().copied());
            Verdict::Bad(text.unwrap_or("it panicked").to_owned())
        }
    }
}

fn say(case: &Case, verdict: &Verdict, at: Instant) {
    let word = match verdict {
        Verdict::Good => "ok",
        Verdict::Gap => "known gap",
        Verdict::Skipped => "skipped: it needs root",
        Verdict::Bad(_) => "FAILED",
    };
    println!("test {} ... {word} ({:.1}s)", case.name(), at.elapsed().as_secs_f32());
}
