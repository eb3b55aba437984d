//! The stories of `c-examples`, as they are: each checks its own claims and says so at the end. (The race has a test of its own.)

use harness::{Link, Program, run};
use std::process::Command;
use std::time::Duration;

/// Builds and runs `c-examples/{name}.c`, or `.cpp` as C++14, and answers what it printed.
fn story(name: &str, link: Link) -> String {
    let title = format!("{name}_{link:?}");
    let is_cpp = name.starts_with("cpp_");
    let program = if is_cpp { Program::cpp(&title).std("c++14") } else { Program::c(&title) };
    let source = format!("c-examples/{name}.{}", if is_cpp { "cpp" } else { "c" });
    let program = program.source(source).link(link).build();
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

#[test]
fn cpp_directory() {
    let told = story("cpp_directory", Link::Shared);
    assert!(told.contains("'client 0' in operation 'look_up'"), "who does not let go is not named:\n{told}");
}
