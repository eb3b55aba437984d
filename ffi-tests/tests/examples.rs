//! The stories of `c-examples`, as they are: each checks its own claims and says so at the end, and prints what its README says. (The
//! race has a test of its own.)

use harness::story::{Differences, differences};
use harness::{Link, Program, run, skip};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Builds and runs `c-examples/{name}.c`, or `.cpp` as C++14, and answers what it printed.
fn story(name: &str, link: Link) -> String {
    let title = format!("{name}_{link:?}");
    let is_cpp = name.starts_with("cpp_");
    let program = if is_cpp { Program::cpp(&title).std("c++14") } else { Program::c(&title) };
    let source = format!("c-examples/{name}.{}", if is_cpp { "cpp" } else { "c" });
    told(name, &program.source(source).link(link).build(), &[])
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

#[test]
fn cpp_directory() {
    let told = story("cpp_directory", Link::Shared);
    assert!(told.contains("'client 0' in operation 'look_up'"), "who does not let go is not named:\n{told}");
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

#[test]
fn event_loop() {
    let told = story("event_loop", Link::Shared);
    assert!(told.contains("calls waited at once, on 1 thread"), "{told}");
}

/// With the system's libuv (Debian: libuv1-dev).
#[test]
fn event_loop_uv() {
    if !Path::new("/usr/include/uv.h").exists() {
        return skip("there is no libuv (Debian: libuv1-dev)");
    }
    let program = Program::c("event_loop_uv").source("c-examples/event_loop_uv.c").last_flag("-luv").build();
    told("event_loop_uv", &program, &[]);
}
