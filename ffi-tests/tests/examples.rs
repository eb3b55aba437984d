//! The stories of `c-examples`, as they are: each checks its own claims and says so at the end, and prints what its README says. (The
//! race has a test of its own.)

use harness::story::{Differences, differences};
use harness::{Link, Program, run};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Builds and runs `c-examples/{name}.c`, and answers what it printed.
fn story(name: &str, link: Link) -> String {
    let program = Program::c(&format!("{name}_{link:?}")).source(format!("c-examples/{name}.c")).link(link).build();
    told(name, &program, &[])
}

/// Runs the program of a story, and answers what it printed.
fn told(name: &str, program: &Path, arguments: &[&Path]) -> String {
    let outcome = run(Command::new(program).args(arguments), Duration::from_secs(60));
    println!("{}", outcome.stdout);
    outcome.expect_success();
    assert!(outcome.stdout.contains("all claims hold"), "{}", outcome.report());
    assert_eq!(differences(name, &outcome.stdout), Differences::default(), "c-examples/README.md is out of date");
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
fn plugin() {
    let plugin = Program::c("story_plugin.so").source("c-examples/plugin.c").flag("-shared").flag("-fPIC").build();
    let host = Program::c("plugin_host").source("c-examples/plugin_host.c").last_flag("-ldl").build();
    told("plugin", &host, &[&plugin]);
}
