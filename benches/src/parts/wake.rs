//! How long after the last leave the free returns.

use super::Extent;
use super::drained::{self, ByToken, Make};
use crate::chapter::{Chapter, Figure, FigureRow, OURS_IS_BLUE, Table, TableRow, few_samples, number};
use crate::error::Error;
use crate::goal::Goal;
use crate::series::{Level, Series, ratio};
use crate::stopwatch::Lap;
use crate::thread::{self, Pinned, Switches};
use std::hint::spin_loop;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const HOLDS: [(&str, Duration); 3] =
    [("5 µs", Duration::from_micros(5)), ("100 µs", Duration::from_micros(100)), ("1 ms", Duration::from_millis(1))];
const CONTESTANTS: [(&str, bool, Make); 5] = [
    ("run-down: wait_for_rundown", false, drained::run_down_crate),
    ("two-word guard: sleeps 1 ms", false, drained::two_words),
    ("RundownRef: wait_for_rundown", true, drained::rundown),
    ("HandleGuard: begin_free", true, drained::guard),
    ("Token: free", true, ByToken::closed),
];

pub fn measure(extent: Extent) -> Result<Chapter, Error> {
    let cores = thread::two_cores()?;
    let mut results = vec![vec![Series::default(); CONTESTANTS.len()]; HOLDS.len()];
    for _ in 0..extent.wakes {
        for ((_, hold), results) in HOLDS.iter().zip(&mut results) {
            for ((_, _, make), series) in CONTESTANTS.iter().zip(results) {
                let drained = make();
                let drain = || assert!(drained.drain(Duration::from_secs(5)), "five seconds are enough");
                series.add(trial(|stay| drained.occupy(stay), drain, *hold, cores)?, 1);
            }
        }
    }
    let level = |hold: usize, contestant: usize| results[hold][contestant].level();
    let token = CONTESTANTS.len() - 1;
    Ok(Chapter {
        title: "Drain wake".to_owned(),
        intro: "One thread is inside while another frees: from just before the last leave to the return of the free. A \
                sample is dropped if either thread was taken from its core; that they sleep is part of it. The ratio is \
                to run-down's median for the same time inside."
            .to_owned(),
        tables: HOLDS.iter().zip(&results).map(|((hold, _), series)| table(hold, series)).collect(),
        figures: vec![figure(&results)],
        goals: vec![
            Goal::at_most("drain within the spin window (5 µs), median", 0.5, " µs", ratio(level(0, token), Some(Level::exactly(1e3)))),
            Goal::at_most("drain, parked (1 ms): median against run-down's", 1.4, "×", ratio(level(2, token), level(2, 0))),
        ],
        absent: Vec::new(),
    })
}

/// From just before the end of `occupy`, on the second core, to the return of `wait`, on the first one. `occupy` runs what it is
/// given while it has what `wait` waits for: for so long.
pub(super) fn trial(
    occupy: impl Fn(&mut dyn FnMut()) + Sync,
    wait: impl FnOnce(),
    hold: Duration,
    cores: [usize; 2],
) -> io::Result<Lap> {
    let (inside, waiting) = (AtomicBool::new(false), AtomicBool::new(false));
    let wait_for = |flag: &AtomicBool| {
        while !flag.load(Ordering::Acquire) {
            spin_loop();
        }
    };
    let occupant = || -> io::Result<(Instant, bool)> {
        let _pinned = Pinned::to(cores[1])?;
        let mut left = Instant::now();
        let before = Switches::now();
        occupy(&mut || {
            inside.store(true, Ordering::Release);
            wait_for(&waiting);
            let until = Instant::now() + hold;
            left = Instant::now();
            while left < until {
                spin_loop();
                left = Instant::now();
            }
        });
        Ok((left, Switches::now().involuntary == before.involuntary))
    };
    let _pinned = Pinned::to(cores[0])?;
    std::thread::scope(|scope| {
        let occupant = scope.spawn(occupant);
        wait_for(&inside);
        let before = Switches::now();
        waiting.store(true, Ordering::Release);
        wait();
        let returned = Instant::now();
        let undisturbed = Switches::now().involuntary == before.involuntary;
        let (left, was_undisturbed) = occupant.join().expect("it does not panic")?;
        let took = returned.saturating_duration_since(left);
        Ok(if undisturbed && was_undisturbed { Lap::Took(took) } else { Lap::Disturbed })
    })
}

fn table(hold: &str, series: &[Series]) -> Table {
    let baseline = series[0].median();
    let microseconds = |ns: Option<f64>| ns.map_or_else(few_samples, |ns| number(ns / 1e3));
    let rows = CONTESTANTS.iter().zip(series).map(|((name, ours, _), series)| TableRow {
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
    Table {
        title: format!("{hold} inside"),
        head: ["", "p50 µs", "p99 µs", "p50 × baseline", "samples kept", "dropped"].map(str::to_owned).to_vec(),
        rows: rows.collect(),
    }
}

fn figure(results: &[Vec<Series>]) -> Figure {
    let microseconds = |ns: Option<f64>| ns.map(|ns| ns / 1e3);
    let rows = HOLDS.iter().zip(results).flat_map(|((hold, _), series)| {
        CONTESTANTS.iter().zip(series).map(move |((name, ours, _), series)| FigureRow {
            name: format!("{hold}, {name}"),
            ours: *ours,
            values: vec![microseconds(series.median()), microseconds(series.percentile(99))],
        })
    });
    Figure {
        file: "wake",
        title: "From the last leave to the return of the free".to_owned(),
        axis: "µs, logarithmic",
        blue: OURS_IS_BLUE,
        logarithmic: true,
        points: vec!["p50", "p99"],
        rows: rows.collect(),
        bound: None,
    }
}
