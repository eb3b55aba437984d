//! Free-idempotency of everything in the library that ends something, from one table, in three languages.
//!
//! [`TABLE`] is the only list. The programs (`c/free_table.c`, `cpp/free_table.cpp`, `python/free_table.py`) get one row
//! and case as arguments and refuse what they do not know. A function of the header that sounds like an end and is in
//! neither list here fails a test with its name, so that a new kind cannot be forgotten.

#[allow(dead_code, reason = "each test uses a part of it")]
mod parsed_header;

use harness::{Program, python, repository, run};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

struct Row {
    function: &'static str,
    /// What it ends; the programs know how to make one.
    subject: &'static str,
    /// What it answers once the subject has ended, …
    again: &'static str,
    /// … what it may answer instead while another call is ending it, …
    meanwhile: &'static str,
    /// … the first and the second time while somebody is inside (its deadline passes), …
    pending: [&'static str; 2],
    /// … and when those have left.
    after: &'static str,
    cases: &'static [&'static str],
}

/// Three in a row · 64 threads at once · after a timeout · in a shell that was used 10^6 times · an old token of such a shell.
const ALL: &[&str] = &["sequential", "concurrent", "timeout", "reuse", "stale"];
/// For what never waits for anybody.
const NO_WAIT: &[&str] = &["sequential", "concurrent", "reuse", "stale"];
/// For what is embedded in its author's memory: no shell, no token, no generation.
const EMBEDDED: &[&str] = &["sequential", "concurrent"];
const NONE: [&str; 2] = ["QZ_OK", "QZ_OK"];
const PENDING: [&str; 2] = ["QZ_FREE_PENDING", "QZ_FREE_PENDING"];

#[rustfmt::skip]
const TABLE: &[Row] = &[
    Row { function: "qz_handle_free", subject: "handle", again: "QZ_ALREADY_FREED", meanwhile: "QZ_ALREADY_FREED", pending: PENDING, after: "QZ_ALREADY_FREED", cases: ALL },
    Row { function: "qz_handle_free", subject: "bare_kind", again: "QZ_ALREADY_FREED", meanwhile: "QZ_ALREADY_FREED", pending: NONE, after: "QZ_OK", cases: NO_WAIT },
    // It does not wait: somebody else has closed it, and may still be destroying it.
    Row { function: "qz_handle_try_free", subject: "handle", again: "QZ_ALREADY_FREED", meanwhile: "QZ_FREE_PENDING", pending: ["QZ_ERR_BUSY"; 2], after: "QZ_OK", cases: ALL },
    Row { function: "qz_handle_try_free", subject: "bare_kind", again: "QZ_ALREADY_FREED", meanwhile: "QZ_FREE_PENDING", pending: NONE, after: "QZ_OK", cases: NO_WAIT },
    Row { function: "qz_handle_free_many", subject: "handle", again: "QZ_ALREADY_FREED", meanwhile: "QZ_ALREADY_FREED", pending: PENDING, after: "QZ_ALREADY_FREED", cases: ALL },
    // The handle is closed already: this leave, this release is the last one out and destroys it.
    Row { function: "qz_handle_leave", subject: "operation", again: "QZ_ERR_FREED", meanwhile: "QZ_ERR_NOT_INSIDE", pending: NONE, after: "QZ_OK", cases: NO_WAIT },
    Row { function: "qz_hold_release", subject: "hold", again: "QZ_ALREADY_FREED", meanwhile: "QZ_ALREADY_FREED", pending: NONE, after: "QZ_OK", cases: NO_WAIT },
    Row { function: "qz_kind_close", subject: "kind", again: "QZ_ALREADY_FREED", meanwhile: "QZ_ALREADY_FREED", pending: PENDING, after: "QZ_ALREADY_FREED", cases: ALL },
    // The ready-made kinds. Nothing of a cancel token, a barrier or a notify can be held.
    Row { function: "qz_barrier_free", subject: "barrier", again: "QZ_ALREADY_FREED", meanwhile: "QZ_ALREADY_FREED", pending: NONE, after: "QZ_OK", cases: NO_WAIT },
    Row { function: "qz_notify_free", subject: "notify", again: "QZ_ALREADY_FREED", meanwhile: "QZ_ALREADY_FREED", pending: NONE, after: "QZ_OK", cases: NO_WAIT },
    // Each opens four descriptors, so a million of them take long; its shell is like any other.
    Row { function: "qz_backend_free", subject: "backend", again: "QZ_ALREADY_FREED", meanwhile: "QZ_ALREADY_FREED", pending: NONE, after: "QZ_OK", cases: &["sequential", "concurrent", "stale"] },
    Row { function: "qz_rwlock_free", subject: "rwlock", again: "QZ_ALREADY_FREED", meanwhile: "QZ_ALREADY_FREED", pending: PENDING, after: "QZ_ALREADY_FREED", cases: ALL },
    Row { function: "qz_once_free", subject: "once", again: "QZ_ALREADY_FREED", meanwhile: "QZ_ALREADY_FREED", pending: PENDING, after: "QZ_ALREADY_FREED", cases: ALL },
    Row { function: "qz_pool_free", subject: "pool", again: "QZ_ALREADY_FREED", meanwhile: "QZ_ALREADY_FREED", pending: PENDING, after: "QZ_ALREADY_FREED", cases: ALL },
    Row { function: "qz_cancel_free", subject: "cancel", again: "QZ_ALREADY_FREED", meanwhile: "QZ_ALREADY_FREED", pending: NONE, after: "QZ_OK", cases: NO_WAIT },
    Row { function: "qz_mutex_free", subject: "mutex", again: "QZ_ALREADY_FREED", meanwhile: "QZ_ALREADY_FREED", pending: PENDING, after: "QZ_ALREADY_FREED", cases: ALL },
    Row { function: "qz_semaphore_free", subject: "semaphore", again: "QZ_ALREADY_FREED", meanwhile: "QZ_ALREADY_FREED", pending: PENDING, after: "QZ_ALREADY_FREED", cases: ALL },
    Row { function: "qz_filelock_free", subject: "filelock", again: "QZ_ALREADY_FREED", meanwhile: "QZ_ALREADY_FREED", pending: PENDING, after: "QZ_ALREADY_FREED", cases: ALL },
    // Ends whatever there is, so it may always be called again.
    Row { function: "qz_quiesce_all", subject: "handle", again: "QZ_OK", meanwhile: "QZ_OK", pending: PENDING, after: "QZ_OK", cases: &["sequential", "concurrent", "timeout", "reuse"] },
    // OK hands the end to one caller: by begin_free, or by wait_drained after its timeout.
    Row { function: "qz_guard_begin_free", subject: "guard", again: "QZ_ALREADY_FREED", meanwhile: "QZ_ALREADY_FREED", pending: ["QZ_ERR_TIMEOUT", "QZ_ALREADY_FREED"], after: "QZ_ALREADY_FREED", cases: &["sequential", "concurrent", "timeout"] },
    Row { function: "qz_guard_wait_drained", subject: "guard_drained", again: "QZ_ALREADY_FREED", meanwhile: "QZ_ALREADY_FREED", pending: NONE, after: "QZ_OK", cases: EMBEDDED },
    Row { function: "qz_guard_wait_drained", subject: "guard_closing", again: "QZ_ALREADY_FREED", meanwhile: "QZ_ALREADY_FREED", pending: ["QZ_ERR_TIMEOUT"; 2], after: "QZ_OK", cases: &["timeout"] },
    Row { function: "qz_guard_leave", subject: "guard_operation", again: "QZ_ERR_NOT_INSIDE", meanwhile: "QZ_ERR_NOT_INSIDE", pending: NONE, after: "QZ_OK", cases: EMBEDDED },
    // Any number may wait. The re-use of a run-down is its re_init, 10^6 times.
    Row { function: "qz_rundown_wait", subject: "rundown", again: "QZ_OK", meanwhile: "QZ_OK", pending: ["QZ_ERR_TIMEOUT"; 2], after: "QZ_OK", cases: &["sequential", "concurrent", "timeout", "reuse"] },
    Row { function: "qz_rundown_release", subject: "reference", again: "QZ_ERR_NOT_INSIDE", meanwhile: "QZ_ERR_NOT_INSIDE", pending: NONE, after: "QZ_OK", cases: &["sequential", "concurrent", "reuse"] },
    Row { function: "qz_rundown_re_init", subject: "rundown_complete", again: "QZ_ERR_BUSY", meanwhile: "QZ_ERR_BUSY", pending: NONE, after: "QZ_OK", cases: &["sequential", "concurrent", "reuse"] },
    Row { function: "qz_cache_aware_rundown_wait", subject: "cache_aware_rundown", again: "QZ_OK", meanwhile: "QZ_OK", pending: ["QZ_ERR_TIMEOUT"; 2], after: "QZ_OK", cases: &["sequential", "concurrent", "timeout", "reuse"] },
    Row { function: "qz_cache_aware_rundown_release", subject: "cache_aware_reference", again: "QZ_ERR_NOT_INSIDE", meanwhile: "QZ_ERR_NOT_INSIDE", pending: NONE, after: "QZ_OK", cases: &["sequential", "concurrent", "reuse"] },
    Row { function: "qz_cache_aware_rundown_re_init", subject: "cache_aware_rundown_complete", again: "QZ_ERR_BUSY", meanwhile: "QZ_ERR_BUSY", pending: NONE, after: "QZ_OK", cases: &["sequential", "concurrent", "reuse"] },
];

/// They end something, and only its owner may call them, once: what they take is an address in the library's heap, and no
/// address can be told from one that was given back. Not called frees, because every free may be repeated.
const ONCE: &[&str] = &["qz_cache_aware_rundown_delete"];

/// Words of a function's name that make it sound like the end of something.
const ENDINGS: &[&str] = &[
    "free", "freed", "release", "close", "closing", "leave", "destroy", "delete", "quiesce", "init", "drained", "wait",
    "shutdown", "stop", "end", "cancel", "unlock", "return", "drop",
];
/// They sound like it and end nothing.
const NOT_ENDING: &[&str] = &[
    "qz_handle_wait_freed",
    "qz_handle_on_freed",
    "qz_handle_is_closing",
    "qz_cancel_new",
    "qz_cancel_child",
    "qz_cancel_cancel",
    "qz_cancel_after",
    "qz_cancel_is_cancelled",
    "qz_cancel_wait",
    "qz_barrier_wait",
    "qz_notify_wait",
    "qz_once_get_or_init",
    // They begin something, which ends as a completion; a free among them does not end it before (c/backend_free.c).
    "qz_handle_free_async",
    "qz_handle_wait_freed_async",
    "qz_barrier_wait_async",
    "qz_notify_wait_async",
    "qz_once_get_or_init_async",
    "qz_backend_wait_fd_async",
];

#[test]
fn every_function_that_ends_something_is_in_the_table() {
    let mut checked = 0;
    for function in parsed_header::functions() {
        let name = function.name.as_str();
        let ends = name.split('_').any(|word| ENDINGS.contains(&word)) && !NOT_ENDING.contains(&name);
        if ONCE.contains(&name) {
            assert!(!name.contains("free"), "{name} may be called once only: call it something else than a free");
            continue;
        }
        assert!(
            !ends || TABLE.iter().any(|row| row.function == name),
            "{name} sounds like it ends something: give it a row in TABLE of ffi-tests/tests/free_table.rs (and teach \
             free_table.c, .cpp and .py to call it), or list it in NOT_ENDING or ONCE"
        );
        checked += usize::from(ends);
    }
    assert!(checked >= 13, "only {checked} functions of the header end something");
}

#[test]
fn the_table_names_only_functions_of_the_header() {
    let declared = parsed_header::functions();
    for name in TABLE.iter().map(|row| row.function).chain([NOT_ENDING, ONCE].concat()) {
        assert!(declared.iter().any(|function| function.name == name), "the header does not declare {name}");
    }
}

/// Runs every row and case by `program`, with the arguments that all three languages take.
fn run_table(mut program: impl FnMut() -> Command) {
    let mut ran = 0;
    for row in TABLE {
        for case in row.cases {
            let mut command = program();
            command.args([row.function, row.subject, case, row.again, row.meanwhile]);
            command.args(row.pending).arg(row.after);
            let begin = Instant::now();
            let outcome = run(&mut command, Duration::from_secs(120));
            assert!(
                outcome.status.success(),
                "{} of a {}, {case}{}\n{}",
                row.function,
                row.subject,
                if outcome.status.code() == Some(64) { ": the program does not know it" } else { "" },
                outcome.report()
            );
            println!("{:<30} {:<28} {case:<10} {:>6} ms", row.function, row.subject, begin.elapsed().as_millis());
            ran += 1;
        }
    }
    println!("{ran} rows and cases");
}

#[test]
fn in_c() {
    let path = Program::c("free_table").source("ffi-tests/c/free_table.c").build();
    run_table(|| Command::new(&path));
}

#[test]
fn in_cpp() {
    let path = Program::cpp("free_table").source("ffi-tests/cpp/free_table.cpp").build();
    run_table(|| Command::new(&path));
}

#[test]
fn in_python() {
    if python().is_none() {
        assert!(std::env::var_os("CI").is_none(), "CI has no python3");
        println!("skipped: there is no python3");
        return;
    }
    let script: &Path = &repository().join("ffi-tests/python/free_table.py");
    run_table(|| {
        let mut command = python().expect("asked above");
        command.arg("-B").arg(script);
        command
    });
}

#[test]
fn an_unknown_function_is_refused_by_every_program() {
    let unknown = ["qz_nothing_free", "handle", "sequential", "QZ_OK", "QZ_OK", "QZ_OK", "QZ_OK", "QZ_OK"];
    let c = Program::c("free_table").source("ffi-tests/c/free_table.c").build();
    let cpp = Program::cpp("free_table").source("ffi-tests/cpp/free_table.cpp").build();
    let mut programs = vec![Command::new(c), Command::new(cpp)];
    if let Some(mut python) = python() {
        python.arg("-B").arg(repository().join("ffi-tests/python/free_table.py"));
        programs.push(python);
    }
    for mut program in programs {
        let outcome = run(program.args(unknown), Duration::from_secs(60));
        assert_eq!(outcome.status.code(), Some(64), "{}", outcome.report());
    }
}
