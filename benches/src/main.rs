//! What Quiescent costs, measured against what else protects an object from being freed too early.
//!
//! `cargo bench-report` runs ours and the rivals in one process, in turn, and writes
//! `docs/benchmarks/README.md` and its plots. See [`arguments::USAGE`].
//!
//! | file | what |
//! |---|---|
//! | `subject.rs`, `subjects/` | what is measured: ours, rivals, what they are made of |
//! | `rounds.rs`, `partner.rs` | who is measured when, and the second thread |
//! | `stopwatch.rs`, `series.rs` | one batch; many of them |
//! | `thread.rs`, `pace.rs` | whether the thread stayed on its core, and had it to itself |
//! | `parts/` | the parts of the report, each a chapter |
//! | `pages.rs` | how much memory is taken |
//! | `libraries.rs`, `python.rs` | the shared libraries, and callers that are not Rust |
//! | `goal.rs`, `chapter.rs`, `report.rs`, `plot.rs`, `scale.rs`, `machine.rs` | what is written |

mod arguments;
mod chapter;
mod error;
mod goal;
mod libraries;
mod machine;
mod membarrier;
mod pace;
mod pages;
mod partner;
mod parts;
mod plot;
mod python;
mod report;
mod rounds;
mod scale;
mod series;
mod stopwatch;
mod subject;
mod subjects;
mod thread;

use arguments::{Arguments, USAGE};
use chapter::{Chapter, Figure, FigureRow};
use error::Error;
use goal::Verdict;
use machine::Machine;
use parts::Extent;
use report::Run;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use std::{env, fs};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quiescent-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Error> {
    let arguments = Arguments::parse(env::args().skip(1))?;
    if arguments.help {
        print!("{USAGE}");
        return Ok(());
    }
    if let Some(request) = &arguments.child {
        return parts::run_child(request);
    }
    let extent = if arguments.quick { Extent::QUICK } else { Extent::FULL };
    let (start, load) = (Instant::now(), machine::load());
    let mut chapters = Vec::new();
    for part in arguments.parts() {
        eprintln!("measuring: {}", part.name());
        let measured = part.measure(extent);
        chapters.push(measured.map_err(|error| Error::new(format!("{}: {error}", part.name())))?);
    }
    let run = Run {
        machine: Machine::here(),
        load: [load, machine::load()],
        seconds: start.elapsed().as_secs(),
        quick: arguments.quick,
    };
    write(&arguments, &run, &chapters)
}

fn write(arguments: &Arguments, run: &Run, chapters: &[Chapter]) -> Result<(), Error> {
    let directory = directory(arguments);
    fs::create_dir_all(&directory)?;
    let goals = goals_figure(chapters);
    for figure in chapters.iter().flat_map(|chapter| &chapter.figures).chain([&goals]) {
        plot::draw(figure, &directory)?;
    }
    let report = directory.join("README.md");
    fs::write(&report, report::markdown(run, chapters, goals.file))?;
    let goals: Vec<_> = chapters.iter().flat_map(|chapter| &chapter.goals).collect();
    println!("{}\n{}", report::goals_table(&goals), report.display());
    Ok(())
}

/// Only a full run replaces the committed report.
fn directory(arguments: &Arguments) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("benches lies in the repository");
    let whole = !arguments.quick && arguments.only.is_empty();
    let usual = if whole { "docs/benchmarks" } else { "target/benchmarks" };
    arguments.out.clone().unwrap_or_else(|| root.join(usual))
}

fn goals_figure(chapters: &[Chapter]) -> Figure {
    let goals = chapters.iter().flat_map(|chapter| &chapter.goals);
    let rows = goals.map(|goal| FigureRow {
        name: goal.what.clone(),
        ours: goal.verdict() == Verdict::Met,
        values: vec![goal.used()],
    });
    Figure {
        file: "goals",
        title: "Goals: how much of what is allowed is used".to_owned(),
        axis: "measured ÷ allowed, logarithmic: beyond 1 is missed",
        blue: "blue: met",
        logarithmic: true,
        points: vec!["used"],
        rows: rows.collect(),
        bound: Some(1.0),
    }
}
