//! Opening and freeing, alone and beside a sibling that runs.

use super::Extent;
use crate::chapter::{Chapter, Figure, OURS_IS_BLUE, median_rows, medians};
use crate::error::Error;
use crate::goal::Goal;
use crate::libraries::{Author, Libraries};
use crate::membarrier;
use crate::rounds::{Company, measure as measure_rounds};
use crate::series::{Series, ratio};
use crate::subject::{Apart, Payload, Role, Subject, repeated, staged};
use crate::subjects::{Boxed, TwoWords, new_token};
use quiescent_core::handle::{AnyHandle, AnyKind, Hooks, free_many};
use quiescent_core::{Freed, HandleGuard, Token};
use std::hint::black_box;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

const COMPANIES: [Company; 2] = [Company::Alone, Company::BesideSibling];
const POINTS: [&str; 2] = ["alone", "beside a running sibling"];
const PATIENCE: Duration = Duration::from_secs(5);

fn whole_lives(author: Author) -> Vec<Box<dyn Subject>> {
    let nothing = || [(), ()];
    vec![
        Box::new(repeated(
            "Box: new, use, drop",
            Role::Baseline,
            nothing(),
            || (),
            |(), ()| black_box(Box::new(Payload::default())).touch(),
        )),
        Box::new(repeated(
            "Arc: new, clone, use, drop both",
            Role::Rival,
            nothing(),
            || (),
            |(), ()| {
                let first = black_box(Arc::new(Payload::default()));
                let used = Arc::clone(&first).touch();
                drop(first);
                used
            },
        )),
        Box::new(repeated(
            "two-word guard: new, use, free",
            Role::Rival,
            nothing(),
            || (),
            |(), ()| {
                let object = black_box(Box::new((TwoWords::default(), Payload::default())));
                assert!(object.0.enter(), "it is open");
                let used = object.1.touch();
                object.0.leave();
                assert!(object.0.close_and_poll(PATIENCE), "nobody is inside");
                used
            },
        )),
        Box::new(repeated(
            "token: open, use, free",
            Role::Ours,
            nothing(),
            || (),
            |(), ()| {
                let token = black_box(new_token());
                let used = token.enter(c"measured").expect("it is open").0.touch();
                free(token);
                used
            },
        )),
        Box::new(repeated(
            "shared library, unguarded: new, use, free",
            Role::Rival,
            nothing(),
            || (),
            move |(), ()| {
                // SAFETY: an object of that library, used and then freed once.
                unsafe {
                    let object = (author.plain_new)();
                    (author.plain)(object);
                    answered_ok((author.plain_free)(object))
                }
            },
        )),
        Box::new(repeated(
            "shared library, token: new, use, free",
            Role::Ours,
            nothing(),
            || (),
            move |(), ()| {
                let mut token = ptr::null_mut();
                // SAFETY: `token` is writable; the others take any value.
                unsafe {
                    answered_ok((author.new)(&mut token));
                    answered_ok((author.op)(token));
                    answered_ok((author.free)(token, 5000))
                }
            },
        )),
    ]
}

fn answered_ok(status: i32) -> u64 {
    assert_eq!(status, 0, "a function of the shared library refused");
    0
}

fn free(token: Token<Boxed>) {
    assert_eq!(token.free(PATIENCE), Ok(Freed::Destroyed), "nobody is inside");
}

/// A kind whose handles have no destructor: what is timed is the free and nothing else.
fn bare_kind() -> AnyKind {
    let hooks = Hooks { on_close: None, on_destroy: None, ctx: ptr::null_mut() };
    // SAFETY: there are no callbacks.
    unsafe { AnyKind::new("bare", hooks) }.expect("there is memory")
}

fn bare_handles(kind: AnyKind, number: u32) -> Vec<AnyHandle> {
    // SAFETY: the kind has no callbacks, so any object will do.
    (0..number).map(|_| unsafe { AnyHandle::open(kind, ptr::null_mut()) }.expect("there is room")).collect()
}

fn idle_frees() -> Vec<Box<dyn Subject>> {
    const CALLS: u32 = 200;
    let kind = bare_kind();
    vec![
        Box::new(staged(
            "Box: drop",
            Role::Baseline,
            CALLS,
            |calls| (0..calls).map(|_| Box::<Apart<Payload>>::default()).collect::<Vec<_>>(),
            Vec::clear,
        )),
        Box::new(staged(
            "HandleGuard: begin_free",
            Role::Ours,
            CALLS,
            |calls| (0..calls).map(|_| Apart(HandleGuard::new())).collect::<Vec<_>>(),
            |guards| guards.iter().for_each(|guard| assert!(guard.begin_free(PATIENCE), "nobody is inside")),
        )),
        Box::new(staged(
            "token: free, no destructor",
            Role::Ours,
            CALLS,
            move |calls| bare_handles(kind, calls),
            move |handles| {
                for handle in handles.drain(..) {
                    assert_eq!(handle.free(Some(kind), PATIENCE), Ok(Freed::Destroyed), "nobody is inside");
                }
            },
        )),
        Box::new(staged(
            "token: free, drops a Box",
            Role::Ours,
            CALLS,
            |calls| (0..calls).map(|_| new_token()).collect::<Vec<_>>(),
            |tokens| tokens.drain(..).for_each(free),
        )),
        Box::new(staged(
            "free_many of 100, each",
            Role::Ours,
            100,
            move |calls| bare_handles(kind, calls),
            |handles| {
                let each = |_, freed| assert_eq!(freed, Ok(Freed::Destroyed), "nobody is inside");
                free_many(handles, PATIENCE, each).expect("there is memory");
            },
        )),
    ]
}

fn busy_frees() -> Vec<Box<dyn Subject>> {
    const CALLS: u32 = 32;
    vec![
        Box::new(staged(
            "membarrier",
            Role::Baseline,
            CALLS,
            |calls| calls,
            |calls| (0..*calls).for_each(|_| membarrier::issue()),
        )),
        Box::new(staged(
            "token: free, entered 10 000 times",
            Role::Ours,
            CALLS,
            |calls| {
                let tokens: Vec<_> = (0..calls).map(|_| new_token()).collect();
                for token in &tokens {
                    (0..10_000).for_each(|_| drop(token.enter(c"measured")));
                }
                tokens
            },
            |tokens| tokens.drain(..).for_each(free),
        )),
    ]
}

pub fn measure(extent: Extent) -> Result<Chapter, Error> {
    membarrier::register()?;
    // The sibling uses a handle of its own, so the library knows its thread.
    let token = new_token();
    let sibling = || drop(token.enter(c"sibling"));

    let (lives, idle, busy) = (whole_lives(Libraries::build()?.author), idle_frees(), busy_frees());
    let of_lives = measure_rounds(&lives, &COMPANIES, &sibling, extent.plan)?;
    let of_idle = measure_rounds(&idle, &COMPANIES, &sibling, extent.plan)?;
    let of_busy = measure_rounds(&busy, &COMPANIES, &sibling, extent.plan)?;

    let mut tables = Vec::new();
    let (mut rows, mut frees) = (Vec::new(), Vec::new());
    let groups = [
        ("New, use, free", &lives, &of_lives, &mut rows),
        ("Free of a handle that nobody is inside", &idle, &of_idle, &mut frees),
    ];
    for (title, subjects, results, rows) in groups {
        for (company, series) in POINTS.iter().zip(results) {
            tables.push(medians(&format!("{title}, {company}"), subjects, series));
        }
        rows.extend(median_rows(subjects, &by_company(results)));
    }
    for (company, series) in POINTS.iter().zip(&of_busy) {
        tables.push(medians(&format!("Free of a handle that was busy, {company}"), &busy, series));
    }
    frees.extend(median_rows(&busy, &by_company(&of_busy)));

    Ok(Chapter {
        title: "Open and free".to_owned(),
        intro:
            "Each on one thread: alone (the process has another thread, which sleeps), or beside a sibling on the other core that uses a handle of its own, and is \
                seen to get on during each batch. *membarrier*: one bare system call \
                (`MEMBARRIER_CMD_PRIVATE_EXPEDITED`), which any scheme has to pay that lets readers do without locked \
                instructions. What opens the objects, and enters them before, is not timed."
                .to_owned(),
        tables,
        figures: vec![
            figure("lives", "New, use, free", rows),
            figure("frees", "Free of an object that nobody is inside", frees),
        ],
        goals: goals(&of_lives, &of_idle, &of_busy),
        absent: Vec::new(),
    })
}

fn by_company(results: &[Vec<Series>]) -> Vec<&[Series]> {
    results.iter().map(Vec::as_slice).collect()
}

fn figure(file: &'static str, title: &str, rows: Vec<crate::chapter::FigureRow>) -> Figure {
    Figure {
        file,
        title: title.to_owned(),
        axis: "median ns each, logarithmic",
        blue: OURS_IS_BLUE,
        logarithmic: true,
        points: POINTS.to_vec(),
        rows,
        bound: None,
    }
}

fn goals(lives: &[Vec<Series>], idle: &[Vec<Series>], busy: &[Vec<Series>]) -> Vec<Goal> {
    let against = |series: &[Series], subject: usize| ratio(series[subject].level(), series[0].level());
    vec![
        Goal::at_most("new + use + free against Box, alone", 1.4, "×", against(&lives[0], 3)),
        Goal::at_most("new + use + free against Box, beside a running sibling", 1.4, "×", against(&lives[1], 3)),
        Goal::at_most("idle free of an embedded guard", 10.0, " ns", idle[0][1].level()),
        Goal::at_most("idle free of a token, no destructor", 25.0, " ns", idle[0][2].level()),
        Goal::at_most("free_many of 100, each", 80.0, " ns", idle[0][4].level()),
        Goal::at_most(
            "free of a busy handle against a membarrier, beside a running sibling",
            1.2,
            "×",
            against(&busy[1], 1),
        ),
    ]
}
