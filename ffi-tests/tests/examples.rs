//! The stories of `c-examples`, as they are: each checks its own claims and says so at the end. (The race has a test of its own.)

use harness::{Link, Program, run};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Builds and runs `c-examples/{name}.c`, and answers what it printed.
fn story(name: &str, link: Link) -> String {
    told(&Program::c(&format!("{name}_{link:?}")).source(format!("c-examples/{name}.c")).link(link))
}

fn told(program: &Program) -> String {
    let outcome = run(&mut Command::new(program.build()), Duration::from_secs(60));
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
fn event_loop() {
    let told = story("event_loop", Link::Shared);
    assert!(told.contains("calls waited at once, on 1 thread"), "{told}");
}

/// With the system's libuv (Debian: libuv1-dev).
#[test]
fn event_loop_uv() {
    if !Path::new("/usr/include/uv.h").exists() {
        assert!(std::env::var_os("CI").is_none(), "CI has no libuv: apt-get install libuv1-dev");
        println!("skipped: there is no libuv");
        return;
    }
    told(&Program::c("event_loop_uv").source("c-examples/event_loop_uv.c").last_flag("-luv"));
}
