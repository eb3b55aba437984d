//! The stress programs at full speed. `scripts/sanitize` runs the same ones under ThreadSanitizer and AddressSanitizer.

use harness::{Link, Program, run};
use std::process::Command;
use std::time::Duration;

/// The programs check their own claims, print their overlap, and fail where there was none.
fn stress(name: &str, link: Link, arguments: &[&str]) {
    let program = Program::c(name).source(format!("ffi-tests/c/{name}.c")).link(link).build();
    let outcome = run(Command::new(program).args(arguments), Duration::from_secs(120));
    println!("{}", outcome.stdout);
    outcome.expect_success();
}

// ffi-tests/c/stress.c
#[test]
fn handles() {
    stress("stress", Link::Shared, &["100000", "8", "4"]);
}

/// One slot: everybody meets everybody.
#[test]
fn one_handle_linked_statically() {
    stress("stress", Link::Static, &["30000", "16", "1"]);
}

// ffi-tests/c/kinds_stress.c
#[test]
fn ready_made_kinds() {
    stress("kinds_stress", Link::Shared, &["50000", "8"]);
}

// ffi-tests/c/backend_stress.c
#[test]
fn backends() {
    stress("backend_stress", Link::Shared, &["10000", "6"]);
}

// ffi-tests/c/guard_stress.c
#[test]
fn guards_and_rundowns() {
    stress("guard_stress", Link::Shared, &["100000", "8"]);
}
