//! Round-robin over the subjects, in short batches, many rounds: what disturbs the machine disturbs all.

use crate::pace::Pace;
use crate::partner::{Partner, Sibling, with_partner};
use crate::series::Series;
use crate::stopwatch::{Lap, Stopwatch};
use crate::subject::Subject;
use crate::thread;
use std::io;
use std::time::Duration;

/// Who else is there while a batch runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Company {
    /// One thread.
    Alone,
    /// Two threads, the same object.
    OnOneObject,
    /// Two threads, an object each.
    EachOwnObject,
    /// One thread, and a sibling that is proven to run.
    BesideSibling,
}

/// A company, and how fast a thread is in it.
struct Place {
    company: Company,
    pace: Pace,
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// In how many turns each company comes again.
    pub blocks: u32,
    /// Batches of each subject in each of them.
    pub rounds: u32,
    /// How long a batch should take.
    pub batch: Duration,
}

/// On a machine that is not quiet it goes on until so many batches of each subject were undisturbed,
pub const WANTED: usize = 100;
/// but not for more than so many times as long as planned.
pub const PATIENCE: u32 = 20;

/// All batches: first by company, then by subject.
pub fn measure(
    subjects: &[Box<dyn Subject + '_>],
    companies: &[Company],
    sibling: Sibling<'_>,
    plan: Plan,
) -> io::Result<Vec<Vec<Series>>> {
    let cores = thread::two_cores()?;
    // A pace for each: the two threads may be each other's neighbours.
    let places: Vec<Place> = companies.iter().map(|&company| Place { company, pace: Pace::default() }).collect();
    with_partner(cores, subjects, sibling, |partner| {
        let mut results = vec![vec![Series::default(); subjects.len()]; companies.len()];
        let calls: Vec<Vec<u32>> = places.iter().map(|place| calibrate(subjects, place, partner, plan.batch)).collect();
        let is_enough = |results: &[Vec<Series>]| results.iter().flatten().all(|series| series.kept() >= WANTED);
        for blocks in 0..plan.blocks * PATIENCE {
            if blocks >= plan.blocks && is_enough(&results) {
                break;
            }
            for ((place, calls), results) in places.iter().zip(&calls).zip(&mut results) {
                block(subjects, place, calls, partner, plan.rounds, results);
            }
        }
        results
    })
}

fn block<'a>(
    subjects: &[Box<dyn Subject + '_>],
    place: &'a Place,
    calls: &[u32],
    partner: &Partner<'_, 'a>,
    rounds: u32,
    results: &mut [Series],
) {
    let all = |run: &mut dyn FnMut(usize) -> Lap| {
        for _ in 0..rounds {
            for subject in 0..subjects.len() {
                results[subject].add(run(subject), calls[subject]);
            }
        }
    };
    one_by_one(subjects, place, calls, partner, all);
}

/// Hands `all` the means to run one batch of a subject in `place`.
fn one_by_one<'a>(
    subjects: &[Box<dyn Subject + '_>],
    place: &'a Place,
    calls: &[u32],
    partner: &Partner<'_, 'a>,
    all: impl FnOnce(&mut dyn FnMut(usize) -> Lap),
) {
    let Place { company, pace } = place;
    match company {
        Company::Alone => all(&mut |subject| {
            let mut watch = Stopwatch::at(pace);
            subjects[subject].batch(0, calls[subject], &mut watch);
            watch.lap()
        }),
        Company::OnOneObject => all(&mut |subject| partner.batch_by_both(subject, [0, 0], calls[subject], pace)),
        Company::EachOwnObject => all(&mut |subject| partner.batch_by_both(subject, [0, 1], calls[subject], pace)),
        Company::BesideSibling => partner.beside_sibling(|ticks| {
            all(&mut |subject| {
                let mut watch = Stopwatch::at(pace).beside(ticks);
                subjects[subject].batch(0, calls[subject], &mut watch);
                watch.lap()
            });
        }),
    }
}

/// How many calls of each subject fill a batch. Also the warm-up: well over a thousand calls of each, on
/// each object and thread that the company has.
fn calibrate<'a>(
    subjects: &[Box<dyn Subject + '_>],
    place: &'a Place,
    partner: &Partner<'_, 'a>,
    batch: Duration,
) -> Vec<u32> {
    const WARM_UP: u32 = 2000;
    let fixed: Vec<u32> = subjects.iter().map(|subject| subject.calls().unwrap_or(WARM_UP)).collect();
    let mut calls = fixed.clone();
    one_by_one(subjects, place, &fixed, partner, |run| {
        for (index, subject) in subjects.iter().enumerate() {
            let undisturbed = (0..40).filter_map(|_| match run(index) {
                Lap::Took(took) => Some(took),
                Lap::Disturbed => None,
            });
            let fastest = undisturbed.take(4).min();
            if let Some(fastest) = fastest.filter(|_| subject.calls().is_none()) {
                let each = fastest.as_secs_f64() / f64::from(WARM_UP);
                calls[index] = whole(batch.as_secs_f64() / each).clamp(64, 200_000);
            }
        }
    });
    calls
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is clamped afterwards")]
fn whole(number: f64) -> u32 {
    number as u32
}
