//! Builds and runs `c-examples/sqlite_race.c`; `cargo race` for short. With `--unguarded` it runs the same program
//! without Quiescent, under `AddressSanitizer`, and shows how that dies.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use harness::{Link, Outcome, Program, run, scratch_dir, sqlite, try_run};

mod asan_report;
use asan_report::AsanReport;

const SOURCES: [&str; 4] =
    ["sqlite_race.c", "sqlite_race_connection.c", "sqlite_race_threads.c", "sqlite_race_report.c"];

/// The exit code `AddressSanitizer` is told to use, to tell its reports from the program's own failures.
const ASAN_EXIT: i32 = 86;

fn main() -> ExitCode {
    let (mut link, mut unguarded, mut arguments) = (Link::Shared, false, Vec::new());
    for argument in env::args_os().skip(1) {
        match argument.to_str() {
            Some("--static") => link = Link::Static,
            Some("--unguarded") => unguarded = true,
            Some("--help") => {
                println!("usage: cargo race [--static] [--unguarded] [what sqlite_race takes]");
                println!("  --static       link with libquiescent.a in place of libquiescent.so");
                println!("  --unguarded    the same race without Quiescent, and how it dies\n");
                arguments.push(argument);
            }
            _ => arguments.push(argument),
        }
    }
    if unguarded { race_unguarded(&arguments) } else { race(link, &arguments) }
}

fn program(name: &str) -> Program {
    let program = Program::c(name).flag("-I").flag(sqlite::include());
    let program = SOURCES.iter().fold(program, |program, source| program.source(format!("c-examples/{source}")));
    program.last_flag("-lm").last_flag("-ldl")
}

fn race(link: Link, arguments: &[OsString]) -> ExitCode {
    let path = program("sqlite_race").source(sqlite::archive()).link(link).build();
    let status = Command::new(path).args(arguments).status().expect("a program that was just built can be started");
    match status.code().map(u8::try_from) {
        Some(Ok(code)) => ExitCode::from(code),
        _ => {
            println!("\nsqlite_race died: {status}");
            ExitCode::FAILURE
        }
    }
}

// ---- without Quiescent ----

fn race_unguarded(arguments: &[OsString]) -> ExitCode {
    println!("The same race without Quiescent: the handle is the pointer, a free is a sqlite3_close.");
    let (path, how) = build_unguarded();
    println!("({how})\n");

    let start = Instant::now();
    let mut command = Command::new(path);
    command.args(arguments).env("ASAN_OPTIONS", format!("exitcode={ASAN_EXIT}:detect_leaks=0:symbolize=1"));
    let outcome = try_run(&mut command, time_limit(arguments));
    let seconds = start.elapsed().as_secs_f64();
    match outcome {
        Err(_) => {
            println!(
                "It hung, and was killed after {seconds:.0} s: most likely in a mutex that a close had destroyed."
            );
            ExitCode::SUCCESS
        }
        Ok(outcome) => obituary(&outcome, seconds),
    }
}

/// Builds the program without the library, with `AddressSanitizer` where that is installed.
fn build_unguarded() -> (std::path::PathBuf, String) {
    let program = program("sqlite_race_unguarded").source("c-examples/sqlite_race_unguarded.c").link(Link::None);
    let flags = ["-fsanitize=address", "-fno-omit-frame-pointer"];
    let instrumented = asan_works().and_then(|()| {
        let program = flags.iter().fold(program.clone(), Program::flag);
        program.source(sqlite::object(&flags)?).try_build()
    });
    match instrumented {
        Ok(path) => (path, "it and SQLite are built with AddressSanitizer".to_owned()),
        Err(reason) => {
            let first = reason.lines().last().unwrap_or_default();
            let path = program.source(sqlite::archive()).build();
            (path, format!("skipped: AddressSanitizer, which does not work here: {first}; running without it"))
        }
    }
}

/// Whether a program built with `AddressSanitizer` runs: its runtime may be missing, or not get along with the kernel.
fn asan_works() -> Result<(), String> {
    let source = scratch_dir().join("asan-probe.c");
    fs::write(&source, "int main(void) { return 0; }\n").map_err(|error| error.to_string())?;
    let path = Program::c("asan-probe").source(source).link(Link::None).flag("-fsanitize=address").try_build()?;
    let outcome = run(&mut Command::new(path), Duration::from_secs(60));
    if outcome.status.success() { Ok(()) } else { Err(outcome.report()) }
}

/// Says how the program ended. It was to die: then this is a success.
fn obituary(outcome: &Outcome, seconds: f64) -> ExitCode {
    if let Some(report) = AsanReport::find(&outcome.stderr) {
        println!("It died after {seconds:.2} s: {report}");
        return ExitCode::SUCCESS;
    }
    if let Some(signal) = outcome.signal() {
        let last_words = outcome.stderr.lines().last().unwrap_or("without a word");
        println!("It died after {seconds:.2} s of signal {signal} ({}): {last_words}", outcome.status);
        return ExitCode::SUCCESS;
    }
    println!("{}{}", outcome.stdout, outcome.stderr);
    println!("It survived ({}). A race need not be lost every time: try again, or another --seed.", outcome.status);
    ExitCode::FAILURE
}

/// Well past what the program was asked to take, under a slow sanitizer.
fn time_limit(arguments: &[OsString]) -> Duration {
    let seconds =
        arguments.windows(2).find(|pair| pair[0] == "--seconds").and_then(|pair| pair[1].to_str()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or(10) + 60)
}
