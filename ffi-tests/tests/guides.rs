//! docs/guide-c.md and docs/guide-rust.md: each step is built, and does what the guide says it does. (That the guides show
//! what is in the files is seen to by documents.rs.)

use harness::markdown::Document;
use harness::{Library, Link, Outcome, Program, example, repository, run};
use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// The slowest waits three seconds.
const LIMIT: Duration = Duration::from_secs(30);

/// The library of `step`, as one of its users is linked with it.
type WithLibrary = fn(Program, &str) -> Program;

fn in_c(user: Program, step: &str) -> Program {
    user.source("docs/guide-c/connection.c").source(format!("docs/guide-c/{step}.c"))
}

fn in_rust(user: Program, step: &str) -> Program {
    let dir = steps_in_rust();
    let (dir, name) = if step == "step5" { (dir.clone(), "words") } else { (dir.join("examples"), step) };
    let with_dir = |option: &str| {
        let mut flag = OsString::from(option);
        flag.push(&dir);
        flag
    };
    let user = user.link(Link::None).last_flag(with_dir("-L")).last_flag(format!("-l{name}"));
    user.last_flag(with_dir("-Wl,-rpath,"))
}

/// Where cargo puts the steps; built by the first call in this process.
fn steps_in_rust() -> &'static PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        // The same directory as the library's, behind the links of the harness.
        let library = Library::built().shared.canonicalize().expect("the library is there");
        let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut command = Command::new(cargo);
        command.args(["build", "--release", "--quiet", "--package", "guide-rust", "--lib", "--examples"]);
        let outcome = run(command.args(["--features", "steps"]).current_dir(repository()), Duration::from_secs(400));
        outcome.expect_success();
        library.parent().expect("a library lies in a directory").to_owned()
    })
}

/// One of the users of a step; built by the first call in this process.
fn built(guide: &str, with_library: WithLibrary, step: &str, user: &str) -> PathBuf {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let name = format!("{guide}-{step}-{user}");
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let build = || {
        let program = Program::c(&name).flag("-D_GNU_SOURCE").source(format!("docs/{guide}/{user}.c"));
        let program = with_library(program, step);
        // The first step is the one that dies.
        if step == "step1" { program.flag("-fsanitize=address").flag("-O0").build() } else { program.build() }
    };
    built.entry(name.clone()).or_insert_with(build).clone()
}

/// Does what a guide says behind `text`: `step3 user quiet, with VARIABLE=value`.
fn run_as_told(guide: &str, with_library: WithLibrary, remark: &str) -> Outcome {
    let (command, environment) = remark.split_once(", with ").unwrap_or((remark, ""));
    let words: Vec<&str> = command.split(' ').collect();
    let (step, user, arguments) = (words[0], words[1], &words[2..]);
    let mut program = Command::new(built(guide, with_library, step, user));
    // The search path that cargo sets for tests may lead to another build.
    program.args(arguments).envs(environment.split_once('=')).env_remove("LD_LIBRARY_PATH");
    let mut outcome = run(&mut program, LIMIT);
    let is_to_die = step == "step1" || !environment.is_empty();
    assert_eq!(outcome.status.success(), !is_to_die, "{remark}: {}", outcome.report());
    outcome.stdout.push_str(&outcome.stderr);
    outcome
}

/// Runs all that the guide says is printed.
fn try_guide(guide: &str, with_library: WithLibrary) {
    let document = Document::read(format!("docs/{guide}.md"));
    let told: Vec<_> = document.blocks.iter().filter(|block| block.language == "text").collect();
    for step in ["step1", "step2", "step3", "step4", "step5"] {
        assert!(told.iter().any(|block| block.remark.starts_with(step)), "{guide} does not say what {step} prints");
    }
    let dies = |remark: &str| remark.starts_with("step1");
    for block in told.iter().filter(|block| !dies(&block.remark) || example::has_address_sanitizer()) {
        // What is to crash may get away with it, and die elsewhere.
        let attempts = if dies(&block.remark) { example::ATTEMPTS } else { 1 };
        let checked = (0..attempts).map(|_| {
            let printed = run_as_told(guide, with_library, &block.remark).stdout;
            example::check_output(&printed, &block.text)
        });
        let mut failures: Vec<String> = checked.map_while(Result::err).collect();
        if failures.len() == attempts {
            panic!("{}: {}", document.place(block.line), failures.remove(0));
        }
    }
}

#[test]
fn each_step_in_c_prints_what_the_guide_says() {
    try_guide("guide-c", in_c);
}

#[test]
fn each_step_in_rust_prints_what_the_guide_says() {
    try_guide("guide-rust", in_rust);
}

/// From the third step on a close does not give up, with whatever peer.
#[test]
fn the_later_steps_in_c_wake_what_blocks() {
    for step in ["step3", "step4", "step5"] {
        for peer in ["busy", "quiet"] {
            let printed = run_as_told("guide-c", in_c, &format!("{step} user {peer}")).stdout;
            let told = "wire_close answers 0\nwire_close answers 2\nwire_send answers -4\n";
            example::check_output(&printed, told).unwrap_or_else(|why| panic!("{step} {peer}: {why}"));
        }
    }
}
