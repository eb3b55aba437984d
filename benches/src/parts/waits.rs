//! What is waited for and held: taken and given back, without and with somebody in the way.

use super::Extent;
use crate::chapter::{Chapter, Figure, OURS_IS_BLUE, median_rows, medians};
use crate::error::Error;
use crate::goal::Goal;
use crate::libraries::Libraries;
use crate::rounds::{Company, measure as measure_rounds};
use crate::series::{Level, Series, ratio};
use crate::stopwatch::Stopwatch;
use crate::subject::Subject;
use crate::subjects::{pools, waits};
use crate::thread::{Pinned, two_cores};
use std::hint::spin_loop;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

pub fn measure(extent: Extent) -> Result<Chapter, Error> {
    let libraries = Libraries::build()?;
    let mut subjects = waits::blocking();
    subjects.push(Box::new(waits::in_c(&libraries.quiescent)));
    let contended = in_turn(&subjects, extent.handovers)?;
    subjects.extend(waits::futures());
    subjects.extend(pools::subjects());
    let results = measure_rounds(&subjects, &[Company::Alone, Company::EachOwnObject], &|| (), extent.plan)?;
    let [alone, each_own] = &results[..] else { unreachable!("one for each company") };

    let find_in = |results: &[Series], name: &str| {
        let at = subjects.iter().position(|subject| subject.name() == name).expect("it is one of the subjects");
        results[at].level()
    };
    let find = |name: &str| find_in(alone, name);
    let in_c = "qz_mutex_lock + qz_hold_release";
    let fastest = |names: [&str; 2]| {
        let [first, second] = names.map(find);
        Some(if first?.median <= second?.median { first? } else { second? })
    };
    let against = |ours: &str, theirs: Option<Level>| ratio(find(ours), theirs);
    let goals = vec![
        Goal::at_most(
            "Mutex, blocking: lock + release against the faster of tokio's and async-lock's",
            1.3,
            "×",
            against("Mutex, blocking", fastest(["tokio Mutex, blocking", "async-lock Mutex, blocking"])),
        ),
        Goal::at_most(
            "Mutex, future: lock + release against the faster of tokio's and async-lock's",
            1.3,
            "×",
            against("Mutex, future", fastest(["tokio Mutex, future", "async-lock Mutex, future"])),
        ),
        Goal::at_most(format!("{in_c}, one thread"), 60.0, " ns", find(in_c)),
        Goal::at_most(format!("{in_c}, two threads, each its own"), 60.0, " ns", find_in(each_own, in_c)),
        // The same, where tokio's Semaphore took 26 ns: as a ratio, since processors differ.
        Goal::at_most(
            format!("{in_c} against tokio's Semaphore"),
            2.3,
            "×",
            against(in_c, find("tokio Semaphore, future")),
        ),
    ];
    let blocking = &subjects[..contended.len()];
    Ok(Chapter {
        title: "Locks and holds".to_owned(),
        intro: "Take, look at what is protected, give back. *Two threads on one* do so in turn as fast as they can, \
                asleep while they wait: the time is that of both, divided by the number of turns, and no batch is \
                dropped. A lock that lets its last holder barge in needs no change of threads at all, a fair one hands \
                over each time somebody waits."
            .to_owned(),
        tables: vec![
            medians("One thread", &subjects, alone),
            medians("Two threads, each its own", &subjects, each_own),
            medians("Two threads on one", blocking, &contended),
        ],
        figures: vec![Figure {
            file: "waits",
            title: "Lock and release".to_owned(),
            axis: "median ns per lock and release, logarithmic",
            blue: OURS_IS_BLUE,
            logarithmic: true,
            points: vec!["one thread", "two threads, each its own"],
            rows: median_rows(&subjects, &[alone, each_own]),
            bound: None,
        }],
        goals,
        absent: Vec::new(),
    })
}

/// Turns that one thread takes in a round.
const TURNS: u32 = 2000;

/// Both threads on object 0, in turn; the subjects in turn, too.
fn in_turn(subjects: &[Box<dyn Subject + '_>], rounds: u32) -> io::Result<Vec<Series>> {
    let cores = two_cores()?;
    let mut series = vec![Series::default(); subjects.len()];
    for _ in 0..rounds {
        for (subject, series) in subjects.iter().zip(&mut series) {
            // Awake, so that neither has a start.
            let arrived = AtomicU32::new(0);
            let run = |core| {
                let pinned = Pinned::to(core);
                arrived.fetch_add(1, Ordering::AcqRel);
                while arrived.load(Ordering::Acquire) < 2 {
                    spin_loop();
                }
                let start = Instant::now();
                subject.batch(0, TURNS, &mut Stopwatch::default());
                pinned.map(|_pinned| start.elapsed())
            };
            let [mine, theirs] = std::thread::scope(|scope| {
                let other = scope.spawn(|| run(cores[1]));
                [run(cores[0]), other.join().expect("a subject does not panic")]
            });
            series.add_sample(mine?.max(theirs?).as_secs_f64() * 1e9 / f64::from(2 * TURNS));
        }
    }
    Ok(series)
}
