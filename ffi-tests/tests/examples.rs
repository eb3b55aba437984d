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

#[cfg(target_os = "linux")]
#[test]
fn file_lock() {
    for link in [Link::Shared, Link::Static] {
        let told = story("file_lock", link);
        for words in
            ["held by process", "QZ_ERR_TIMEOUT", "QZ_ERR_CANCELLED, ", "nothing; one thread", "QZ_ERR_DEADLOCK"]
        {
            assert!(told.contains(words), "nothing of '{words}' is told:\n{told}");
        }
    }
}
