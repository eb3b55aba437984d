//! The `SQLite` race as README starts it: it holds, it really races, its checks can fail, and without Quiescent it dies.

use std::process::Command;
use std::time::Duration;

use harness::story::{differences, is_updating};
use harness::{Outcome, run};

/// Includes compiling `SQLite` under a sanitizer, on a busy machine.
const LIMIT: Duration = Duration::from_secs(400);

fn race(arguments: &[&str]) -> Outcome {
    // A wide slack: other tests run at the same time, on as few as two cores.
    bare_race(&[arguments, &["--slack-ms", "2000"]].concat())
}

/// As a reader starts it.
fn bare_race(arguments: &[&str]) -> Outcome {
    run(Command::new(env!("CARGO_BIN_EXE_race")).args(arguments), LIMIT)
}

/// The number in the row of the table that begins with `name`.
#[track_caller]
fn number(outcome: &Outcome, name: &str) -> f64 {
    let row = outcome.stdout.lines().find_map(|line| line.trim_start().strip_prefix(name));
    let row = row.unwrap_or_else(|| panic!("the table has no row {name}: {}", outcome.report())).trim_start();
    let digits: String =
        row.split("  ").next().unwrap_or(row).chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
    digits.parse().unwrap_or_else(|_| panic!("no number in row {name}: {}", outcome.report()))
}

fn assert_raced(outcome: &Outcome) {
    outcome.expect_success();
    for row in [
        "admitted",
        "cut short by a close",
        "refused",
        "QZ_OK",
        "QZ_ALREADY_FREED",
        "QZ_FREE_PENDING",
        "its deadline passed",
        "it came from inside",
        "overlap",
    ] {
        assert!(number(outcome, row) > 0.0, "no {row}: {}", outcome.report());
    }
    assert_eq!(number(outcome, "opened").to_bits(), number(outcome, "destructors run").to_bits());
    assert!(outcome.stdout.contains("claims hold"), "{}", outcome.report());
    println!("overlap {} %", number(outcome, "overlap"));
}

#[test]
fn holds_with_the_shared_library() {
    let outcome = if is_updating() { bare_race(&[]) } else { race(&["--seconds", "3"]) };
    assert_raced(&outcome);
    // Who was inside when a free gave up is not always the same.
    let missing = differences("sqlite_race", &outcome.stdout).missing;
    assert_eq!(missing, <[String; 0]>::default(), "c-examples/README.md is out of date: {}", outcome.report());
}

#[test]
fn holds_with_the_static_library() {
    assert_raced(&race(&["--static", "--seconds", "2", "--seed", "2"]));
}

#[test]
fn every_claim_can_fail() {
    let outcome = race(&["--seconds", "1", "--break-claim", "all"]);
    assert_eq!(outcome.status.code(), Some(1), "{}", outcome.report());
    let (_, total) = outcome.stdout.rsplit_once(" of ").expect("a count of failed claims");
    let total: usize = total.split(' ').next().and_then(|n| n.parse().ok()).expect("the number of claims");
    let failed = outcome.stdout.lines().filter(|line| line.starts_with("FAILED  ")).count();
    assert!(total >= 20 && failed == total, "{failed} of {total} claims failed: {}", outcome.report());
}

#[test]
fn a_connection_destroyed_twice_is_noticed() {
    let outcome = race(&["--seconds", "1", "--break-claim", "destroy-twice"]);
    assert_eq!(outcome.status.code(), Some(1), "{}", outcome.report());
    for claim in ["FAILED  destructors: ", "FAILED  destroyed-once: "] {
        assert!(outcome.stdout.contains(claim), "not noticed by {claim}: {}", outcome.report());
    }
}

#[test]
fn dies_without_quiescent() {
    let outcome = race(&["--unguarded", "--seconds", "10"]);
    outcome.expect_success();
    if outcome.stdout.contains("skipped: AddressSanitizer") {
        println!("skipped: AddressSanitizer does not work here; it died without: {}", outcome.stdout);
        return;
    }
    assert!(outcome.stdout.contains("It died after"), "{}", outcome.report());
    assert!(outcome.stdout.contains("sqlite3_close"), "the report does not name the close: {}", outcome.report());
}
