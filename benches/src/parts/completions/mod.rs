//! Calls that complete on a backend, against tasks and against threads: what one costs, what one takes, and how soon it is over.

mod pending;
mod wake;

use super::Extent;
use crate::chapter::{Chapter, Figure, OURS_IS_BLUE, Table, TableRow, few_samples, median_rows, medians, number};
use crate::error::Error;
use crate::goal::Goal;
use crate::libraries::Libraries;
use crate::rounds::{Company, measure as measure_rounds};
use crate::series::{Series, ratio};
use crate::subject::{Role, Subject};
use crate::subjects::completions::{AT_ONCE, CALL, TASK, batches, hand_overs, round_trips};

pub use pending::run_child;

pub fn measure(extent: Extent) -> Result<Chapter, Error> {
    let libraries = Libraries::build()?;
    let quiescent = &libraries.quiescent;
    let (trips, hand_overs, batches) = (round_trips(quiescent), hand_overs(quiescent), batches(quiescent));
    let alone = |subjects: &[Box<dyn Subject>]| -> Result<Vec<Series>, Error> {
        let mut results = measure_rounds(subjects, &[Company::Alone], &|| (), extent.plan)?;
        Ok(results.remove(0))
    };
    let (of_trips, of_hand_overs, of_batches) = (alone(&trips)?, alone(&hand_overs)?, alone(&batches)?);
    let wakes = wake::measure(quiescent, extent.wakes)?;
    let pending = pending::measure(&libraries)?;

    let find = |name: &str| {
        let at = trips.iter().position(|subject| subject.name() == name).expect("it is one of the subjects");
        of_trips[at].level()
    };
    Ok(Chapter {
        title: "Completions".to_owned(),
        intro: format!(
            "A permit of a semaphore, waited for without a thread for each wait: by a call that completes on a backend, beside \
             a task of tokio's on a runtime of one thread (with no driver for sockets: the fastest it has). *Round trip*: \
             nobody else wants the permit. It is submitted, driven until it is over, and given back by whoever collects it; in \
             Rust by the call itself. A thread for each wait sleeps on the way, which is part of it, and shares the core. \
             *Watched*: an event loop may have the backend's descriptor, so that it is made readable for each call that ends, \
             and quieted. *Hand-over*: somebody has the permit; one gets in line, the permit is given back, and that one has \
             it. *Pending*: {} calls or tasks, or {} threads, wait at once: growth of the resident pages, and of the stacks of \
             threads in the kernel (of the whole machine); what else the kernel keeps for a thread is not counted. *Wake-up*: \
             two threads on a core each, the waiting one asleep; its time to give the permit back again is in it.",
            number(f64::from(pending::CALLS)),
            number(f64::from(pending::THREADS)),
        ),
        tables: vec![
            medians("Round trip on one thread", &trips, &of_trips),
            medians("Hand-over on one thread", &hand_overs, &of_hand_overs),
            throughput(&batches, &of_batches),
            wakes,
            pending.table(),
        ],
        figures: vec![Figure {
            file: "completions",
            title: "A permit, waited for without blocking: round trip".to_owned(),
            axis: "median ns, logarithmic",
            blue: OURS_IS_BLUE,
            logarithmic: true,
            points: vec!["median"],
            rows: median_rows(&trips, &[&of_trips]),
            bound: None,
        }],
        goals: vec![
            Goal::at_most(
                "completions: round trip of qz_semaphore_acquire_async against a tokio task's",
                1.5,
                "×",
                ratio(find(CALL), find(TASK)),
            ),
            pending.goal(),
        ],
        absent: Vec::new(),
    })
}

fn throughput(subjects: &[Box<dyn Subject>], series: &[Series]) -> Table {
    let rows = subjects.iter().zip(series).map(|(subject, series)| {
        let median = series.median();
        TableRow {
            ours: subject.role() == Role::Ours,
            cells: vec![
                subject.name().to_owned(),
                median.map_or_else(few_samples, |ns| number(1e9 / ns)),
                median.map_or_else(few_samples, number),
                series.kept().to_string(),
                series.dropped().to_string(),
            ],
        }
    });
    let head = ["", "in a second", "median ns each", "batches kept", "dropped"];
    Table {
        title: format!("Completions on one core, {AT_ONCE} at a time"),
        head: head.map(str::to_owned).to_vec(),
        rows: rows.collect(),
    }
}
