//! Bytes, and what threads leave behind that have ended. Each in a process of its own, which does nothing
//! else: memory is counted from outside, by the pages that are resident.

mod child;

use super::{Extent, one_number};
use crate::chapter::{Chapter, Figure, FigureRow, OURS_IS_BLUE, Table, TableRow, few_samples, number};
use crate::error::Error;
use crate::goal::Goal;
use crate::series::{Series, ratio};

pub use child::run as run_child;
use child::{CHURNED, LIVE};

const LIVING: [(&str, &str, bool); 7] = [
    ("Box", "live-box", false),
    ("Arc", "live-arc", false),
    ("sharded-slab", "live-slab", false),
    ("dashmap + Arc", "live-dashmap", false),
    ("HandleGuard in a Box", "live-guard", true),
    ("token, no object", "live-handle", true),
    ("token of a boxed object", "live-token", true),
];

pub fn measure(extent: Extent) -> Result<Chapter, Error> {
    let mut live = Vec::new();
    for (name, child, ours) in LIVING {
        let grown = one_number(&ask(child, extent)?)?;
        live.push((name, ours, grown / f64::from(LIVE)));
    }
    let churned = one_number(&ask("churn-token", extent)?)?;
    let answer = read_series(&ask("ended-threads", extent)?)?;
    let [control_before, before, control_after, after] = &answer[..] else {
        return Err(Error::new("the child that ends threads did not answer four series"));
    };
    let slower = ratio(ratio(after.level(), control_after.level()), ratio(before.level(), control_before.level()));
    let rows = |series: &Series, when: &str| TableRow {
        ours: false,
        cells: vec![
            when.to_owned(),
            series.median().map_or_else(few_samples, number),
            series.kept().to_string(),
            series.dropped().to_string(),
        ],
    };
    Ok(Chapter {
        title: "Memory".to_owned(),
        intro: format!(
            "Growth of the resident pages, each in a process of its own, divided by the {} objects of 8 bytes that are \
             alive. Then {} handles opened and freed, a thousand alive at a time. Then the time of an idle free in a \
             process in which {} threads have come and gone, 100 at a time, each of which had been inside a handle; \
             the goal is about its ratio to two locked adds, which tell whether the machine itself became slower.",
            number(f64::from(LIVE)),
            number(f64::from(CHURNED)),
            number(f64::from(extent.threads)),
        ),
        tables: vec![
            Table {
                title: "Bytes for each live object".to_owned(),
                head: ["", "bytes"].map(str::to_owned).to_vec(),
                rows: live
                    .iter()
                    .map(|(name, ours, bytes)| TableRow {
                        ours: *ours,
                        cells: vec![(*name).to_owned(), format!("{bytes:.0}")],
                    })
                    .collect(),
            },
            Table {
                title: "Growth after a million handles".to_owned(),
                head: ["", "kB"].map(str::to_owned).to_vec(),
                rows: vec![TableRow {
                    ours: true,
                    cells: vec!["token of a boxed object".to_owned(), format!("{:.0}", churned / 1024.0)],
                }],
            },
            Table {
                title: "Idle free, no destructor".to_owned(),
                head: ["", "median ns", "batches kept", "dropped"].map(str::to_owned).to_vec(),
                rows: vec![
                    rows(control_before, "two locked adds, before"),
                    rows(control_after, "two locked adds, after the threads"),
                    rows(before, "**idle free, before**"),
                    rows(after, "**idle free, after the threads**"),
                ],
            },
        ],
        figures: vec![Figure {
            file: "memory",
            title: "Memory of one live object of 8 bytes".to_owned(),
            axis: "bytes resident",
            blue: OURS_IS_BLUE,
            logarithmic: false,
            points: vec!["bytes"],
            rows: live
                .iter()
                .map(|(name, ours, bytes)| FigureRow {
                    name: (*name).to_owned(),
                    ours: *ours,
                    values: vec![Some(*bytes)],
                })
                .collect(),
            bound: None,
        }],
        goals: vec![Goal::at_most(
            format!("free after {} ended threads against before", number(f64::from(extent.threads))),
            1.2,
            "×",
            slower,
        )],
        absent: Vec::new(),
    })
}

fn ask(child: &str, extent: Extent) -> Result<String, Error> {
    super::ask(&format!("{child}:{}", extent.threads))
}

/// One series a line: how many were dropped, then the samples.
fn read_series(answer: &str) -> Result<Vec<Series>, Error> {
    let mut all = Vec::new();
    for line in answer.lines() {
        let mut series = Series::default();
        let mut numbers = line.split_whitespace();
        series.add_dropped(numbers.next().and_then(|dropped| dropped.parse().ok()).unwrap_or(0));
        for sample in numbers {
            series.add_sample(one_number(sample)?);
        }
        all.push(series);
    }
    Ok(all)
}
