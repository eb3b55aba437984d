//! The stories of `c-examples`, as they are: each checks its own claims and says so at the end. (The race has a test of its own.)

use harness::{Link, Program, run};
use std::process::Command;
use std::time::Duration;

/// Builds and runs `c-examples/{name}.c`, and answers what it printed.
fn story(name: &str, link: Link) -> String {
    let program = Program::c(&format!("{name}_{link:?}")).source(format!("c-examples/{name}.c")).link(link).build();
    let outcome = run(&mut Command::new(program), Duration::from_secs(60));
    println!("{}", outcome.stdout);
    outcome.expect_success();
    assert!(outcome.stdout.contains("all claims hold"), "{}", outcome.report());
    outcome.stdout.clone()
}

#[test]
fn worker_pool() {
    for link in [Link::Shared, Link::Static] {
        let told = story("worker_pool", link);
        assert!(told.contains("'worker 0' in hold 'qz_pool_acquire'"), "who does not let go is not named:\n{told}");
    }
}
