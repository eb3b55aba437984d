//! The report as Markdown.

use crate::chapter::{Chapter, Table, few_samples, number};
use crate::goal::{Bound, Goal, Verdict};
use crate::machine::Machine;
use crate::series::Level;
use std::fmt::Write;

/// What is said about the whole run.
#[derive(Debug)]
pub struct Run {
    /// Where.
    pub machine: Machine,
    /// The load before and after.
    pub load: [Option<f64>; 2],
    /// How long it took.
    pub seconds: u64,
    /// Whether it was a smoke test.
    pub quick: bool,
}

/// All of it.
pub fn markdown(run: &Run, chapters: &[Chapter], goals_figure: &str) -> String {
    let mut out = String::from("# What it costs\n\n");
    let load = |load: Option<f64>| load.map_or_else(|| "unknown".to_owned(), |load| format!("{load:.1}"));
    let _ = writeln!(
        out,
        "Written by `cargo bench-report` ({} s{}). {}; load before {}, after {}.\n\n\
         One process measures ours (**bold**) and every rival in turn, in short batches, many rounds. A number is the median of \
         its batches; a ratio is to the first line of its table, from the same run. A batch is dropped when a measuring \
         thread was off its core meanwhile (its context switches, before and after), when it had the core not to itself (what \
         runs on the other half of a core, somebody else's work perhaps, makes a thread up to twice as slow: a microsecond of \
         plain arithmetic, before and after, took over {} times as long as it can), or when the sibling beside it stood \
         still. With fewer than {} batches left there is no number. Absolute times differ from machine to machine; ratios much \
         less. At p10 a tenth of the batches is faster.\n",
        run.seconds,
        if run.quick { ", a quick run: rough" } else { "" },
        run.machine.describe(),
        load(run.load[0]),
        load(run.load[1]),
        crate::pace::TOLERANCE,
        crate::series::ENOUGH,
    );
    let goals: Vec<&Goal> = chapters.iter().flat_map(|chapter| &chapter.goals).collect();
    if !goals.is_empty() {
        out += &goals_table(&goals);
        let _ = writeln!(out, "\n![How much of each goal is used up]({goals_figure}.svg)\n");
    }
    for chapter in chapters {
        let _ = writeln!(out, "## {}\n\n{}\n", chapter.title, chapter.intro);
        for figure in &chapter.figures {
            let _ = writeln!(out, "![{}]({}.svg)\n", figure.title, figure.file);
        }
        for table in &chapter.tables {
            let _ = writeln!(out, "### {}\n\n{}", table.title, markdown_table(table));
        }
        for (rival, why) in &chapter.absent {
            let _ = writeln!(out, "Not measured: {rival}, because {why}.\n");
        }
    }
    out.truncate(out.trim_end().len());
    out + "\n"
}

/// The goals, for the report and the terminal.
pub fn goals_table(goals: &[&Goal]) -> String {
    let met = goals.iter().filter(|goal| goal.verdict() == Verdict::Met).count();
    let mut out = format!(
        "## Goals\n\n{met} of {} met, by the median.\n\n| goal | wanted | measured | at p10 | |\n|---|---:|---:|---:|---|\n",
        goals.len()
    );
    for goal in goals {
        let wanted = match goal.bound {
            Bound::AtMost(limit) => format!("≤ {}{}", number(limit), goal.unit),
            Bound::AtLeast(limit) => format!("≥ {}{}", number(limit), goal.unit),
        };
        let written =
            |of: fn(Level) -> f64| goal.measured.map_or_else(few_samples, |measured| number(of(measured)) + goal.unit);
        let (measured, p10) = (written(|level| level.median), written(|level| level.p10));
        let verdict = match goal.verdict() {
            Verdict::Met => "met".to_owned(),
            Verdict::MissedBy(_) if goal.bound == Bound::AtMost(0.0) => "**missed**".to_owned(),
            Verdict::MissedBy(factor) => format!("**missed** by {}×", number(factor)),
            Verdict::FewSamples => "unknown".to_owned(),
        };
        // A number stays with its unit.
        let numbers = [wanted, measured, p10, verdict].map(|cell| cell.replace(' ', "\u{a0}")).join(" | ");
        let _ = writeln!(out, "| {} | {numbers} |", literal(&goal.what));
    }
    out
}

fn markdown_table(table: &Table) -> String {
    let mut out = format!("| {} |\n|---|{}\n", table.head.join(" | "), "---:|".repeat(table.head.len() - 1));
    for row in &table.rows {
        let mut cells: Vec<String> = row.cells.iter().map(|cell| literal(cell)).collect();
        if row.ours {
            cells[0] = format!("**{}**", cells[0]);
        }
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    out
}

/// `text` as it is: Markdown takes `<HashMap>` for HTML, and shows nothing.
fn literal(text: &str) -> String {
    text.replace('<', "\\<")
}

#[cfg(test)]
mod tests {
    use super::markdown_table;
    use crate::chapter::{Table, TableRow};

    #[test]
    fn the_names_of_subjects_are_no_html() {
        let row = TableRow { ours: true, cells: vec!["Mutex<HashMap> + Arc".to_owned(), "30.5".to_owned()] };
        let table = Table { title: String::new(), head: vec![String::new(), "median ns".to_owned()], rows: vec![row] };
        assert!(markdown_table(&table).ends_with("| **Mutex\\<HashMap> + Arc** | 30.5 |\n"));
    }
}
