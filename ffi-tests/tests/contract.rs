//! The C contract: one program for each type (and more where a type has much to say), and the proof that they provoke
//! every status that the header promises. What handles promise does not depend on how often they were entered: those programs
//! run a second time with handles that are busy, so that operations take the hazard lane.

#[allow(dead_code, reason = "each test uses a part of it")]
mod parsed_header;

use harness::{Outcome, Program, repository, run};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

macro_rules! contracts {
    ($($stem:ident)*) => {
        /// Programs of `ffi-tests/c`.
        const STEMS: &[&str] = &[$(stringify!($stem)),*];
        $(
            #[test]
            fn $stem() {
                outcome(stringify!($stem)).expect_success();
            }
        )*
    };
}

contracts! {
    status kind hold guard rundown cache_aware_rundown fork no_memory lane
    handle handle_tokens handle_free handle_hooks handle_occupants handle_threads handle_deadlines handle_many
    handle_signals stats report misuse cancel mutex semaphore barrier notify rwlock once
    pool pool_callbacks filelock
    backend backend_calls backend_current backend_fd backend_free backend_many backend_nested
}

/// Programs whose handles may as well be busy (`keep_busy` in `thing.h`).
const BUSY: &[&str] = &[
    "kind",
    "hold",
    "fork",
    "handle",
    "handle_tokens",
    "handle_free",
    "handle_hooks",
    "handle_occupants",
    "handle_threads",
    "handle_deadlines",
    "handle_many",
    "handle_signals",
];

#[test]
fn busy_handles() {
    std::thread::scope(|scope| {
        for stem in BUSY {
            scope.spawn(move || {
                let outcome = run(Command::new(program(stem)).env("QZ_BUSY", "1"), Duration::from_secs(180));
                println!("{stem}, with busy handles:\n{}", outcome.stdout);
                outcome.expect_success();
            });
        }
    });
}

/// Compiles a program of `ffi-tests/c`.
fn program(stem: &str) -> PathBuf {
    Program::c(stem).source(format!("ffi-tests/c/{stem}.c")).build()
}

/// Where a program notes each status that a call answered.
fn status_log(stem: &str) -> PathBuf {
    harness::scratch_dir().join(format!("{stem}.statuses"))
}

/// Runs a program once, however many tests ask.
fn outcome(stem: &str) -> &'static Outcome {
    static RAN: [OnceLock<Outcome>; STEMS.len()] = [const { OnceLock::new() }; STEMS.len()];
    let position = STEMS.iter().position(|listed| *listed == stem).expect("listed above");
    RAN[position].get_or_init(|| {
        let outcome = run(Command::new(program(stem)).env("QZ_STATUS_LOG", status_log(stem)), Duration::from_secs(180));
        println!("{}", outcome.stdout);
        outcome
    })
}

/// Each status that a program of ours was answered, with the function that did.
fn answered() -> BTreeSet<(String, String)> {
    let mut answered = BTreeSet::new();
    for stem in STEMS {
        outcome(stem).expect_success();
        let log = std::fs::read_to_string(status_log(stem)).unwrap_or_default();
        let pairs = log.lines().filter_map(|line| line.split_once(' '));
        answered.extend(pairs.map(|(function, status)| (function.to_owned(), status.to_owned())));
    }
    answered
}

/// Named in a contract, and not to be provoked here. (The limits are checked in the core's own tests, with small ones.)
const EXCUSED: &[(&str, &str, &str)] = &[
    ("qz_kind_close", "QZ_ERR_FREED", "it says what qz_handle_new answers from then on"),
    ("qz_handle_try_free", "QZ_ERR_INVALID_ARGUMENT", "as qz_handle_free, but it has no timeout to be wrong"),
    ("qz_handle_free_many", "QZ_ALREADY_FREED", "it says what `out_status` gets for a handle listed twice"),
    ("qz_cancel_free", "QZ_FREE_PENDING", "nobody stays inside a cancel token"),
    ("qz_handle_enter", "QZ_ERR_LIMIT", "a thread looks through its operations at each enter: 2^24 of them take hours"),
];

/// Words in the names of functions that open a handle or a hold, of which 2^24 would have to be open.
const OPENING: &[&str] = &["new", "child", "hold", "acquire", "lock", "read", "write"];

#[test]
fn every_promised_status_is_provoked() {
    let answered = answered();
    let functions = parsed_header::functions();
    let (mut promised, mut missing) = (0, Vec::new());
    for function in functions.iter().filter(|function| function.returns_status) {
        for status in parsed_header::promised_statuses(function, &functions) {
            let provoked = answered.contains(&(function.name.clone(), status.clone()));
            let is_opening = function.name.split('_').any(|word| OPENING.contains(&word));
            let excused = EXCUSED.iter().any(|(name, what, _)| *name == function.name && *what == status)
                || is_opening && !provoked && status == "QZ_ERR_LIMIT";
            assert!(!(excused && provoked), "{} was provoked for {status}: take it off EXCUSED", function.name);
            if !excused && !provoked {
                missing.push(format!("{} {status}", function.name));
            }
            promised += 1;
        }
    }
    assert!(promised >= 100, "only {promised} promises found: the comments' shape has changed");
    assert!(
        missing.is_empty(),
        "promised in the header, provoked by no program of ffi-tests/c:\n  {}",
        missing.join("\n  ")
    );
    println!("{promised} promised statuses, {} of them excused", EXCUSED.len());
}

/// And the other way: a status that was answered is one that the function's contract names.
#[test]
fn every_answered_status_is_promised() {
    let functions = parsed_header::functions();
    let mut surprises = BTreeSet::new();
    for (name, status) in answered() {
        let function = functions.iter().find(|function| function.name == name);
        let function = function.unwrap_or_else(|| panic!("a program called {name}, which the header lacks"));
        if !parsed_header::allowed_statuses(function, &functions).contains(&status) {
            surprises.insert(format!("{name} {status}"));
        }
    }
    let surprises: Vec<_> = surprises.into_iter().collect();
    assert!(surprises.is_empty(), "answered, but not named in the header:\n  {}", surprises.join("\n  "));
}

/// A program that nobody runs checks nothing.
#[test]
fn every_program_of_this_directory_is_run_by_a_test() {
    let tests: String =
        files("ffi-tests/tests", "rs").iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    for (directory, extension) in [("ffi-tests/c", "c"), ("ffi-tests/cpp", "cpp"), ("ffi-tests/python", "py")] {
        for path in files(directory, extension) {
            let name = path.file_name().unwrap().to_string_lossy();
            let stem = path.file_stem().unwrap().to_string_lossy();
            let listed = directory == "ffi-tests/c" && STEMS.iter().any(|listed| *listed == stem);
            let imported = ["abi.py", "checking.py"].contains(&name.as_ref());
            let named = tests.contains(&format!("{directory}/{name}"));
            assert!(listed || imported || named, "{directory}/{name} is run by no test");
        }
    }
}

fn files(directory: &str, extension: &str) -> Vec<PathBuf> {
    let entries =
        std::fs::read_dir(repository().join(directory)).unwrap_or_else(|error| panic!("{directory}: {error}"));
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}
