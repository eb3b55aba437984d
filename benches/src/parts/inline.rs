//! Enter and leave, compiled into the caller.

use super::Extent;
use crate::chapter::{Chapter, Figure, OURS_IS_BLUE, median_rows, medians};
use crate::error::Error;
use crate::goal::Goal;
use crate::rounds::{Company, measure as measure_rounds};
use crate::series::{Series, ratio};
use crate::subjects;

const COMPANIES: [Company; 3] = [Company::Alone, Company::OnOneObject, Company::EachOwnObject];

pub fn measure(extent: Extent) -> Result<Chapter, Error> {
    let subjects = subjects::inline();
    let results = measure_rounds(&subjects, &COMPANIES, &|| (), extent.plan)?;
    let [alone, on_one, each_own] = &results[..] else { unreachable!("one for each company") };

    let find = |series: &[Series], name: &str| {
        let at = subjects.iter().position(|subject| subject.name() == name).expect("it is one of the subjects");
        series[at].level()
    };
    let faster = |series: &[Series], name: &str| ratio(find(series, name), find(series, "Token::enter"));

    let mut goals = vec![
        Goal::at_least("token, one thread: faster than Arc", 4.0, "×", faster(alone, "Arc clone + drop")),
        Goal::at_least(
            "token, two threads on one handle: faster than Arc",
            15.0,
            "×",
            faster(on_one, "Arc clone + drop"),
        ),
    ];
    for rival in ["std RwLock read", "parking_lot RwLock read", "run-down", "sharded-slab get"] {
        goals.push(Goal::at_least(format!("token, one thread: faster than {rival}"), 7.0, "×", faster(alone, rival)));
    }
    for rival in ["crossbeam-epoch pin", "haphazard protect"] {
        goals.push(Goal::at_least(format!("token, one thread: faster than {rival}"), 4.0, "×", faster(alone, rival)));
    }
    goals.push(Goal::at_most(
        "token, inline: two threads on one handle against one thread",
        1.15,
        "×",
        ratio(find(on_one, "Token::enter"), find(alone, "Token::enter")),
    ));
    goals.push(Goal::at_most(
        "HandleGuard against two bare locked adds, one thread",
        1.05,
        "×",
        ratio(find(alone, "HandleGuard"), find(alone, "two locked adds")),
    ));

    Ok(Chapter {
        title: "Enter and leave, inline".to_owned(),
        intro:
            "Protect an object, call a small function that looks at it (it is in every number), stop protecting it. \
                All of it in Rust, compiled into the caller, nothing freed meanwhile. The release profile as it \
                comes, without link-time optimisation: what is inlined is what each library allows."
                .to_owned(),
        tables: vec![
            medians("One thread", &subjects, alone),
            medians("Two threads, one object", &subjects, on_one),
            medians("Two threads, each its own object", &subjects, each_own),
        ],
        figures: vec![Figure {
            file: "inline",
            title: "Protecting one call, compiled in".to_owned(),
            axis: "median ns per call of each thread, logarithmic",
            blue: OURS_IS_BLUE,
            logarithmic: true,
            points: vec!["one thread", "two threads, one object", "two threads, each its own"],
            rows: median_rows(&subjects, &[alone, on_one, each_own]),
            bound: None,
        }],
        goals,
        absent: Vec::new(),
    })
}
