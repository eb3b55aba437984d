//! Whether a drain is lost to callers who are refused.

use super::Extent;
use super::drained::{self, ByToken, Drained, Make};
use crate::chapter::{Chapter, Figure, FigureRow, OURS_IS_BLUE, Table, TableRow, few_samples, number};
use crate::error::Error;
use crate::goal::Goal;
use crate::series::{ENOUGH, Level, Series};
use crate::stopwatch::Lap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const REFUSED: usize = 8;
const DEADLINE: Duration = Duration::from_millis(200);
const STAY: Duration = Duration::from_millis(20);
const CONTESTANTS: [(&str, bool, Make); 5] = [
    ("two-word guard", false, drained::two_words),
    ("HandleGuard", true, drained::guard),
    ("RundownRef", true, drained::rundown),
    ("Token, refused: the token being freed", true, ByToken::closed),
    ("Token, refused: stale tokens", true, ByToken::stale),
];

#[derive(Clone, Default)]
struct Tally {
    lost: u32,
    refused: u64,
    /// Drains that say nothing: there was no storm, or the one inside was itself late.
    dropped: u32,
    wakes: Series,
}

impl Tally {
    /// How many drains count.
    fn counted(&self, all: u32) -> u32 {
        all - self.dropped
    }

    fn lost(&self, all: u32) -> Option<f64> {
        let enough = usize::try_from(self.counted(all)).is_ok_and(|counted| counted >= ENOUGH);
        enough.then_some(f64::from(self.lost))
    }
}

pub fn measure(extent: Extent) -> Result<Chapter, Error> {
    let mut tallies = vec![Tally::default(); CONTESTANTS.len()];
    for _ in 0..extent.storms {
        for ((_, _, make), tally) in CONTESTANTS.iter().zip(&mut tallies) {
            trial(&*make(), tally);
        }
    }
    let all = extent.storms;
    let lost = |contestant: usize| tallies[contestant].lost(all);
    Ok(Chapter {
        title: "Drains under a storm".to_owned(),
        intro: format!(
            "{REFUSED} threads are refused over and over while one drains with a deadline of {} ms; the only one inside \
             leaves after {} ms. A drain is lost if it answers that it timed out. {all} drains each; those where nobody \
             was refused, or the one inside was itself late (half of the deadline or more), do not count.",
            DEADLINE.as_millis(),
            STAY.as_millis(),
        ),
        tables: vec![table(&tallies, all)],
        figures: vec![Figure {
            file: "storm",
            title: format!("Drains lost to {REFUSED} refused callers, of {all}"),
            axis: "drains that timed out",
            blue: OURS_IS_BLUE,
            logarithmic: false,
            points: vec!["lost"],
            rows: CONTESTANTS
                .iter()
                .zip(&tallies)
                .map(|((name, ours, _), tally)| FigureRow {
                    name: (*name).to_owned(),
                    ours: *ours,
                    values: vec![tally.lost(all)],
                })
                .collect(),
            bound: None,
        }],
        goals: vec![
            Goal::at_most(
                format!("drains of {all} lost to a storm with the token being freed"),
                0.0,
                "",
                lost(3).map(Level::exactly),
            ),
            Goal::at_most(
                format!("drains of {all} lost to a storm with stale tokens"),
                0.0,
                "",
                lost(4).map(Level::exactly),
            ),
        ],
        absent: vec![(
            "run-down crate".to_owned(),
            "its wait has no deadline, so no drain of it can be lost".to_owned(),
        )],
    })
}

fn trial(drained: &dyn Drained, tally: &mut Tally) {
    let [inside, draining, over] = [const { AtomicBool::new(false) }; 3];
    let refused = AtomicU64::new(0);
    let hammer = |thread: usize| {
        let mut attempts = 0;
        let mut mine = 0;
        while !over.load(Ordering::Relaxed) {
            mine += u64::from(drained.is_refused(thread + attempts));
            attempts += 1;
        }
        refused.fetch_add(mine, Ordering::Relaxed);
    };
    let occupant = || {
        let mut left = Instant::now();
        drained.occupy(&mut || {
            inside.store(true, Ordering::Release);
            while !draining.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(STAY);
            left = Instant::now();
        });
        left
    };
    let (began, drained_in_time, returned, left) = std::thread::scope(|scope| {
        let occupant = scope.spawn(occupant);
        while !inside.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        for thread in 0..REFUSED {
            scope.spawn(move || hammer(thread));
        }
        let began = Instant::now();
        draining.store(true, Ordering::Release);
        let drained_in_time = drained.drain(DEADLINE);
        let returned = Instant::now();
        over.store(true, Ordering::Relaxed);
        (began, drained_in_time, returned, occupant.join().expect("it does not panic"))
    });
    let refused = refused.into_inner();
    tally.refused += refused;
    if refused == 0 || left.saturating_duration_since(began) >= DEADLINE / 2 {
        tally.dropped += 1;
    } else if drained_in_time {
        tally.wakes.add(Lap::Took(returned.saturating_duration_since(left)), 1);
    } else {
        tally.lost += 1;
    }
}

#[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
fn calls(number_of_them: u64) -> String {
    number(number_of_them as f64)
}

fn table(tallies: &[Tally], all: u32) -> Table {
    let milliseconds = |ns: Option<f64>| ns.map_or_else(few_samples, |ns| number(ns / 1e6));
    let rows = CONTESTANTS.iter().zip(tallies).map(|((name, ours, _), tally)| TableRow {
        ours: *ours,
        cells: vec![
            (*name).to_owned(),
            tally.lost(all).map_or_else(few_samples, number),
            tally.counted(all).to_string(),
            tally.dropped.to_string(),
            milliseconds(tally.wakes.median()),
            milliseconds(tally.wakes.percentile(99)),
            calls(tally.refused / u64::from(all)),
        ],
    });
    let head = [
        "",
        "drains lost",
        "counted",
        "dropped",
        "p50 ms from the last leave",
        "p99 ms",
        "refused calls during each drain",
    ];
    Table { title: "Lost drains".to_owned(), head: head.map(str::to_owned).to_vec(), rows: rows.collect() }
}
