//! How soon a wait is over on this thread, after another thread gave back what it waits for.

use crate::chapter::{Table, TableRow, few_samples, number};
use crate::error::Error;
use crate::libraries::Quiescent;
use crate::parts::wake::trial;
use crate::series::{Series, ratio};
use crate::subjects::completions::{InC, InTokio, NOTHING};
use crate::thread::two_cores;
use std::ffi::c_int;
use std::time::Duration;

/// For so long the other thread has it: longer than anybody spins.
const HELD: Duration = Duration::from_micros(200);

/// One sort of wait.
trait Waiting: Sync {
    /// Takes the permit, as what is measured does, and gives it back. The thread sleeps meanwhile.
    fn wait(&self);
    /// Has the permit while `stay` runs, on another thread.
    fn hold(&self, stay: &mut dyn FnMut());
}

struct Task(InTokio);

impl Waiting for Task {
    fn wait(&self) {
        drop(self.0.runtime.block_on(async { self.0.spawn().await.expect("it does not panic") }));
    }

    fn hold(&self, stay: &mut dyn FnMut()) {
        let permit = self.0.semaphore.try_acquire().expect("nobody has it");
        stay();
        drop(permit);
    }
}

/// Ours: how it is waited for.
struct Ours(InC, How);

enum How {
    Blocking,
    Polling,
    /// As an event loop does, which watches this.
    Watching(c_int),
}

impl Waiting for Ours {
    fn wait(&self) {
        let Ours(in_c, how) = self;
        let hold = match how {
            How::Blocking => in_c.take(),
            How::Polling => {
                in_c.submit();
                in_c.poll_one()
            }
            How::Watching(descriptor) => {
                in_c.submit();
                loop {
                    readable(*descriptor);
                    if let [completion] = in_c.poll(&mut [NOTHING], 0) {
                        break completion.hold;
                    }
                }
            }
        };
        in_c.release(hold);
    }

    fn hold(&self, stay: &mut dyn FnMut()) {
        let hold = self.0.take();
        stay();
        self.0.release(hold);
    }
}

/// Sleeps until it is.
fn readable(descriptor: c_int) {
    let mut watched = libc::pollfd { fd: descriptor, events: libc::POLLIN, revents: 0 };
    // SAFETY: `watched` is one, and writable.
    while unsafe { libc::poll(&raw mut watched, 1, -1) } != 1 {}
}

/// Sample by sample, in turn.
pub fn measure(quiescent: &Quiescent, samples: u32) -> Result<Table, Error> {
    let cores = two_cores()?;
    let ours = |how: fn(&InC) -> How| {
        let in_c = InC::new(quiescent, 1);
        Box::new(Ours(in_c, how(&in_c)))
    };
    let contestants: [(&str, bool, Box<dyn Waiting>); 4] = [
        ("tokio task: block_on", false, Box::new(Task(InTokio::new(1)))),
        ("blocking: qz_semaphore_acquire", true, ours(|_| How::Blocking)),
        ("qz_backend_poll", true, ours(|_| How::Polling)),
        ("poll(2) of the descriptor, then qz_backend_poll", true, ours(|in_c| How::Watching(in_c.watch()))),
    ];
    let mut results = vec![Series::default(); contestants.len()];
    for _ in 0..samples {
        for ((_, _, waiting), series) in contestants.iter().zip(&mut results) {
            series.add(trial(|stay| waiting.hold(stay), || waiting.wait(), HELD, cores)?, 1);
        }
    }
    let microseconds = |ns: Option<f64>| ns.map_or_else(few_samples, |ns| number(ns / 1e3));
    let baseline = results[0].median();
    let rows = contestants.iter().zip(&results).map(|((name, ours, _), series)| TableRow {
        ours: *ours,
        cells: vec![
            (*name).to_owned(),
            microseconds(series.median()),
            microseconds(series.percentile(99)),
            ratio(series.median(), baseline).map_or_else(few_samples, number),
            series.kept().to_string(),
            series.dropped().to_string(),
        ],
    });
    let head = ["", "p50 µs", "p99 µs", "p50 × baseline", "samples kept", "dropped"];
    Ok(Table {
        title: "From the release on one thread to the end of the wait on another".to_owned(),
        head: head.map(str::to_owned).to_vec(),
        rows: rows.collect(),
    })
}
