//! How fast a lock changes hands between two processes, and what waiting for it costs and leaves.

use super::Extent;
use crate::chapter::{Chapter, Figure, FigureRow, OURS_IS_BLUE, Table, TableRow, few_samples, number};
use crate::error::Error;
use crate::goal::Goal;
use crate::series::{Level, Series};
use crate::stopwatch::Lap;
use crate::subjects::file_locks::{FdLock, Fs4, Locking, Ours, open};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// So many wait at once.
const WAITERS: usize = 100;
/// For so long nobody does anything.
const IDLE: Duration = Duration::from_millis(500);
/// After this all that were started wait, and what ends after a wait has ended.
const SETTLED: Duration = Duration::from_millis(300);
const COMMAND: &str = "flock(1), a process that starts a command";

#[derive(Default)]
struct Tally {
    hand_over: Series,
    cancel: Series,
    threads_left: Option<usize>,
    /// Milliseconds of processor time in a second.
    idle: Option<f64>,
}

/// A directory that is removed at the end.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn measure(extent: Extent) -> Result<Chapter, Error> {
    let scratch = Scratch(std::env::temp_dir().join(format!("quiescent-bench-{}", std::process::id())));
    fs::create_dir_all(&scratch.0)?;
    let path = scratch.0.join("lock");
    let fd_lock = FdLock::new();
    let libraries: [&dyn Locking; 3] = [&Ours, &fd_lock, &Fs4];
    let has_command = Command::new("flock").arg("--version").output().is_ok();
    let mut tallies: Vec<_> =
        libraries.iter().map(|_| Tally::default()).chain(has_command.then(Tally::default)).collect();

    hand_over(&libraries, &path, extent.file_locks, &mut tallies)?;
    cancel(&libraries, &path, extent.file_locks, &mut tallies)?;
    idle(&libraries, &scratch.0.join("idle"), &mut tallies)?;

    let names: Vec<_> = libraries.iter().map(|library| library.name()).chain(has_command.then_some(COMMAND)).collect();
    let ours = &tallies[0];
    let milliseconds = |ns: Option<f64>| ns.map(|ns| ns / 1e6);
    Ok(Chapter {
        title: "Locks between processes".to_owned(),
        intro: format!(
            "Two processes and one file. *Hand-over*: one gives it back after 2 to 13 ms, from then until the other one, which \
             waited, has it. *Cancel*: from the cancel to the answer of the call that waited; {} waits each, and then the \
             threads that are there still, while the lock is held. A call of fs4 cannot be cancelled: its thread is left to \
             itself; flock(1) is killed. *Waiting*: {WAITERS} threads of one process, and what they take of a processor.",
            extent.file_locks
        ),
        tables: vec![table(&names, &tallies)],
        figures: vec![Figure {
            file: "file-lock",
            title: "From the release in one process to the lock in another".to_owned(),
            axis: "ms, logarithmic",
            blue: OURS_IS_BLUE,
            logarithmic: true,
            points: vec!["p50", "p99"],
            rows: names
                .iter()
                .zip(&tallies)
                .enumerate()
                .map(|(index, (name, tally))| FigureRow {
                    name: (*name).to_owned(),
                    ours: index == 0,
                    values: [50, 99].map(|percent| milliseconds(tally.hand_over.percentile(percent))).to_vec(),
                })
                .collect(),
            bound: None,
        }],
        goals: vec![
            goal(
                "file lock: hand-over between two processes, median",
                2.0,
                " ms",
                milliseconds(ours.hand_over.median()),
            ),
            goal(
                "file lock: hand-over between two processes, p99",
                20.0,
                " ms",
                milliseconds(ours.hand_over.percentile(99)),
            ),
            goal("file lock: threads left by cancelled waits", 0.0, "", ours.threads_left.map(exact)),
            goal("file lock: 100 waiters, processor time in a second", 10.0, " ms", ours.idle),
        ],
        absent: if has_command { Vec::new() } else { vec![("flock(1)".to_owned(), "it is not installed".to_owned())] },
    })
}

fn goal(what: &str, limit: f64, unit: &'static str, measured: Option<f64>) -> Goal {
    Goal::at_most(what, limit, unit, measured.map(Level::exactly))
}

#[allow(clippy::cast_precision_loss, reason = "a small number")]
fn exact(threads: usize) -> f64 {
    threads as f64
}

fn table(names: &[&str], tallies: &[Tally]) -> Table {
    let scaled = |ns: Option<f64>, by: f64| ns.map_or_else(few_samples, |ns| number(ns / by));
    let rows = names.iter().zip(tallies).enumerate().map(|(index, (name, tally))| TableRow {
        ours: index == 0,
        cells: vec![
            (*name).to_owned(),
            scaled(tally.hand_over.median(), 1e6),
            scaled(tally.hand_over.percentile(99), 1e6),
            if tally.cancel.kept() == 0 { "cannot".to_owned() } else { scaled(tally.cancel.median(), 1e3) },
            tally.threads_left.map_or_else(|| "none: a process".to_owned(), |threads| threads.to_string()),
            tally.idle.map_or_else(|| "not measured".to_owned(), number),
        ],
    });
    let head =
        ["", "hand-over p50 ms", "p99 ms", "cancel p50 µs", "threads left", "100 waiters: processor ms in a second"];
    Table { title: "Between two processes".to_owned(), head: head.map(str::to_owned).to_vec(), rows: rows.collect() }
}

/// Another process that waits for the lock whenever it is told.
struct Other {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Other {
    fn start(command: &mut Command) -> Result<Other, Error> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let out = BufReader::new(child.stdout.take().expect("piped"));
        Ok(Other { child, out })
    }

    fn of(library: &dyn Locking, path: &Path) -> Result<Other, Error> {
        let request = format!("file-lock:{}:{}", library.name(), path.display());
        Other::start(Command::new(std::env::current_exe()?).args(["--child", &request]))
    }

    fn of_the_command(path: &Path) -> Result<Other, Error> {
        let mut command = Command::new("flock");
        Other::start(command.arg(path).arg(std::env::current_exe()?).args(["--child", "file-lock:stamp:"]))
    }

    fn go_on(&mut self) -> Result<(), Error> {
        Ok(self.child.stdin.as_mut().expect("piped").write_all(b"\n")?)
    }

    /// When it had the lock, by the monotonic clock.
    fn held(&mut self) -> Result<u64, Error> {
        let mut line = String::new();
        self.out.read_line(&mut line)?;
        line.trim().parse().map_err(|_| Error::new("the other process has ended"))
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The other process: `NAME:PATH`.
pub fn run_child(request: &str) -> Result<(), Error> {
    let (name, path) = request.split_once(':').ok_or_else(|| Error::new("no measurement"))?;
    let stamp = || println!("{}", monotonic());
    if name == "stamp" {
        stamp();
        return Ok(());
    }
    let fd_lock = FdLock::new();
    let libraries: [&dyn Locking; 3] = [&Ours, &fd_lock, &Fs4];
    let library = libraries.into_iter().find(|library| library.name() == name);
    let library = library.ok_or_else(|| Error::new(format!("no lock {name}")))?;
    while std::io::stdin().read_exact(&mut [0]).is_ok() {
        library.hold(Path::new(path), &mut || stamp());
    }
    Ok(())
}

fn monotonic() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is writable.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).unwrap_or(0)
}

/// In turn, sample by sample.
fn hand_over(libraries: &[&dyn Locking], path: &Path, samples: u32, tallies: &mut [Tally]) -> Result<(), Error> {
    let others: Result<Vec<_>, Error> = libraries.iter().map(|library| Other::of(*library, path)).collect();
    let mut others = others?;
    for sample in 0..samples {
        let wait = Duration::from_millis(2 + u64::from(sample) * 7 % 12);
        for (index, tally) in tallies.iter_mut().enumerate() {
            let mut released = 0;
            let mut command = None;
            // What has no library of its own here meets one.
            libraries.get(index).unwrap_or(&libraries[2]).hold(path, &mut || {
                let begun = match others.get_mut(index) {
                    Some(other) => other.go_on(),
                    None => Other::of_the_command(path).map(|other| command = Some(other)),
                };
                begun.expect("the other process is there");
                std::thread::sleep(wait);
                released = monotonic();
            });
            let held = others.get_mut(index).or(command.as_mut()).expect("it was started").held()?;
            tally.hand_over.add(Lap::Took(Duration::from_nanos(held.saturating_sub(released))), 1);
        }
    }
    Ok(())
}

fn cancel(libraries: &[&dyn Locking], path: &Path, samples: u32, tallies: &mut [Tally]) -> Result<(), Error> {
    let wait = Duration::from_millis(2);
    let holder = open(path);
    fs4::fs_std::FileExt::lock_exclusive(&holder)?;
    let mut left = vec![0; libraries.len()];
    for _ in 0..samples {
        for (index, tally) in tallies.iter_mut().enumerate() {
            let took = match libraries.get(index) {
                Some(library) => {
                    let before = threads()?;
                    let took = library.cancelled(path, wait);
                    left[index] += threads()?.saturating_sub(before);
                    took
                }
                None => {
                    let mut other = Other::of_the_command(path)?;
                    std::thread::sleep(wait);
                    let at = Instant::now();
                    other.child.kill()?;
                    other.child.wait()?;
                    Some(at.elapsed())
                }
            };
            took.into_iter().for_each(|took| tally.cancel.add(Lap::Took(took), 1));
        }
    }
    // Ours lingers for a moment, for the next one that waits.
    let before = threads()?;
    std::thread::sleep(SETTLED);
    left[0] = left[0].saturating_sub(before - threads()?);
    for (left, tally) in left.into_iter().zip(tallies) {
        tally.threads_left = Some(left);
    }
    Ok(())
}

fn threads() -> Result<usize, Error> {
    Ok(fs::read_dir("/proc/self/task")?.count())
}

fn idle(libraries: &[&dyn Locking], path: &Path, tallies: &mut [Tally]) -> Result<(), Error> {
    for (library, tally) in libraries.iter().zip(tallies) {
        let holder = open(path);
        fs4::fs_std::FileExt::lock_exclusive(&holder)?;
        let mut holder = Some(holder);
        library.all_wait(path, WAITERS, &mut || {
            std::thread::sleep(SETTLED);
            let before = processor_time();
            std::thread::sleep(IDLE);
            tally.idle = Some((processor_time() - before).as_secs_f64() * 1e3 / IDLE.as_secs_f64());
            drop(holder.take());
        });
    }
    Ok(())
}

/// Of this process.
fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is writable.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    Duration::from_nanos(u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).unwrap_or(0))
}
