//! Round-robin over the subjects, in short batches, many rounds: what disturbs the machine disturbs all.

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

/// All batches: first by company, then by subject.
pub fn measure(
    subjects: &[Box<dyn Subject + '_>],
    companies: &[Company],
    sibling: Sibling<'_>,
    plan: Plan,
) -> io::Result<Vec<Vec<Series>>> {
    let cores = thread::two_cores()?;
    with_partner(cores, subjects, sibling, |partner| {
        let mut results = vec![vec![Series::default(); subjects.len()]; companies.len()];
        let calls: Vec<Vec<u32>> =
            companies.iter().map(|&company| calibrate(subjects, company, partner, plan.batch)).collect();
        for _ in 0..plan.blocks {
            for ((&company, calls), results) in companies.iter().zip(&calls).zip(&mut results) {
                block(subjects, company, calls, partner, plan.rounds, results);
            }
        }
        results
    })
}

fn block(
    subjects: &[Box<dyn Subject + '_>],
    company: Company,
    calls: &[u32],
    partner: &Partner,
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
    one_by_one(subjects, company, calls, partner, all);
}

/// Hands `all` the means to run one batch of a subject in `company`.
fn one_by_one(
    subjects: &[Box<dyn Subject + '_>],
    company: Company,
    calls: &[u32],
    partner: &Partner,
    all: impl FnOnce(&mut dyn FnMut(usize) -> Lap),
) {
    match company {
        Company::Alone => all(&mut |subject| {
            let mut watch = Stopwatch::new(None);
            subjects[subject].batch(0, calls[subject], &mut watch);
            watch.lap()
        }),
        Company::OnOneObject => all(&mut |subject| partner.batch_by_both(subject, [0, 0], calls[subject])),
        Company::EachOwnObject => all(&mut |subject| partner.batch_by_both(subject, [0, 1], calls[subject])),
        Company::BesideSibling => partner.beside_sibling(|ticks| {
            all(&mut |subject| {
                let mut watch = Stopwatch::new(Some(ticks));
                subjects[subject].batch(0, calls[subject], &mut watch);
                watch.lap()
            });
        }),
    }
}

/// How many calls of each subject fill a batch. Also the warm-up: well over a thousand calls of each, on
/// each object and thread that the company has.
fn calibrate(subjects: &[Box<dyn Subject + '_>], company: Company, partner: &Partner, batch: Duration) -> Vec<u32> {
    const WARM_UP: u32 = 2000;
    let fixed: Vec<u32> = subjects.iter().map(|subject| subject.calls().unwrap_or(WARM_UP)).collect();
    let mut calls = fixed.clone();
    one_by_one(subjects, company, &fixed, partner, |run| {
        for (index, subject) in subjects.iter().enumerate() {
            let mut fastest = Duration::MAX;
            for _ in 0..4 {
                if let Lap::Took(took) = run(index) {
                    fastest = fastest.min(took);
                }
            }
            if subject.calls().is_none() && fastest != Duration::MAX {
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
