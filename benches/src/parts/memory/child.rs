//! What the process does that measures its own memory.

use crate::error::Error;
use crate::pace::Pace;
use crate::pages::resident;
use crate::rounds::{PATIENCE, WANTED};
use crate::stopwatch::{Lap, Stopwatch};
use crate::subject::Payload;
use crate::subjects::new_token;
use crate::thread::{Pinned, cores};
use dashmap::DashMap;
use quiescent_core::handle::{AnyHandle, AnyKind, Hooks};
use quiescent_core::{Freed, HandleGuard};
use sharded_slab::Slab;
use std::fmt::Write;
use std::hint::black_box;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

/// How many are alive at once.
pub const LIVE: u32 = 100_000;
/// How many are opened and freed.
pub const CHURNED: u32 = 1_000_000;

/// Does what `request` says (`NAME:THREADS`), and prints what it found.
pub fn run(request: &str) -> Result<(), Error> {
    let unknown = || Error::new(format!("no measurement {request}"));
    let (name, threads) = request.split_once(':').ok_or_else(unknown)?;
    let all = 0..LIVE;
    let grown = match name {
        "live-box" => growth(|| all.map(|_| Box::new(Payload::default())).collect::<Vec<_>>()),
        "live-arc" => growth(|| all.map(|_| Arc::new(Payload::default())).collect::<Vec<_>>()),
        "live-guard" => growth(|| all.map(|_| Box::new((HandleGuard::new(), Payload::default()))).collect::<Vec<_>>()),
        "live-slab" => growth(|| {
            let slab = Slab::new();
            all.for_each(|_| assert!(slab.insert(Payload::default()).is_some(), "there is room"));
            slab
        }),
        "live-dashmap" => {
            growth(|| all.map(|key| (key, Arc::new(Payload::default()))).collect::<DashMap<u32, Arc<Payload>>>())
        }
        "live-handle" => {
            let kind = bare_kind();
            growth(|| all.map(|_| bare_handle(kind)).collect::<Vec<_>>())
        }
        "live-token" => growth(|| all.map(|_| new_token()).collect::<Vec<_>>()),
        "churn-token" => growth(|| (0..CHURNED / 1000).for_each(|_| open_and_free(1000))),
        "ended-threads" => return ended_threads(threads.parse().map_err(|_| unknown())?),
        _ => return Err(unknown()),
    }?;
    println!("{grown}");
    Ok(())
}

/// By how many bytes the resident pages grow while `make` makes what it makes.
fn growth<T>(make: impl FnOnce() -> T) -> Result<u64, Error> {
    open_and_free(1);
    let before = resident()?;
    let made = black_box(make());
    let after = resident()?;
    drop(made);
    Ok(after.saturating_sub(before))
}

fn open_and_free(number: u32) {
    let tokens: Vec<_> = (0..number).map(|_| new_token()).collect();
    for token in tokens {
        assert_eq!(token.free(Duration::ZERO), Ok(Freed::Destroyed), "nobody is inside");
    }
}

fn bare_kind() -> AnyKind {
    let hooks = Hooks { on_close: None, on_destroy: None, ctx: ptr::null_mut() };
    // SAFETY: there are no callbacks.
    unsafe { AnyKind::new("bare", hooks) }.expect("there is memory")
}

fn bare_handle(kind: AnyKind) -> AnyHandle {
    // SAFETY: the kind has no callbacks, so any object will do.
    unsafe { AnyHandle::open(kind, ptr::null_mut()) }.expect("there is room")
}

/// Prints what a free takes before and after `threads` threads have come and gone.
fn ended_threads(threads: u32) -> Result<(), Error> {
    const AT_ONCE: u32 = 100;
    let kind = bare_kind();
    let core = cores()?[0];
    time_frees(kind, core)?;
    let before = time_frees(kind, core)?;
    let token = new_token();
    for _ in 0..threads / AT_ONCE {
        let all_inside = Barrier::new(100);
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    let inside = token.enter(c"visitor").expect("it is open");
                    all_inside.wait();
                    drop(inside);
                });
            }
        });
    }
    let after = time_frees(kind, core)?;
    println!("{before}\n{after}");
    Ok(())
}

/// Two lines, of two locked adds and of one free: how many batches were disturbed, then the nanoseconds of
/// one call, batch by batch.
fn time_frees(kind: AnyKind, core: usize) -> Result<String, Error> {
    const CALLS: u32 = 200;
    const ROUNDS: u32 = 400;
    let _pinned = Pinned::to(core)?;
    let (control, mut lines) = (AtomicU64::new(0), [Line::default(), Line::default()]);
    let pace = Pace::default();
    for round in 0..ROUNDS * PATIENCE {
        if round >= ROUNDS && lines.iter().all(|line| line.kept >= WANTED) {
            break;
        }
        let mut control_watch = Stopwatch::at(&pace);
        control_watch.time(|| {
            for _ in 0..CALLS {
                control.fetch_add(1, Ordering::Relaxed);
                control.fetch_sub(1, Ordering::Relaxed);
            }
        });
        let handles: Vec<_> = (0..CALLS).map(|_| bare_handle(kind)).collect();
        let mut watch = Stopwatch::at(&pace);
        watch.time(|| {
            for handle in handles {
                assert_eq!(handle.free(Some(kind), Duration::ZERO), Ok(Freed::Destroyed), "nobody is inside");
            }
        });
        for (line, watch) in lines.iter_mut().zip([control_watch, watch]) {
            match watch.lap() {
                Lap::Took(took) => {
                    line.kept += 1;
                    let _ = write!(line.samples, " {:.3}", took.as_secs_f64() * 1e9 / f64::from(CALLS));
                }
                Lap::Disturbed => line.disturbed += 1,
            }
        }
    }
    Ok(lines.map(|line| format!("{}{}", line.disturbed, line.samples)).join("\n"))
}

/// What was timed of one thing.
#[derive(Default)]
struct Line {
    kept: usize,
    disturbed: usize,
    samples: String,
}
