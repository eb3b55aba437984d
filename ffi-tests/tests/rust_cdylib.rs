//! `examples/rust-cdylib`, a Rust author's own C library, used as its callers would: from C, C++ and Python, by many
//! threads, wrongly and in the wrong moment.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;
use std::{env, fs};

use harness::{Link, Outcome, Program, repository, run, scratch_dir};

/// Each program takes two to four seconds; the limit is for a hang.
const LIMIT: Duration = Duration::from_secs(120);

/// `librust_cdylib.so`, built as the example's README says, by the first call in this process.
fn library() -> &'static PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let output = Command::new(cargo)
            .args(["build", "--release", "--package", "rust-cdylib", "--message-format=json-render-diagnostics"])
            .current_dir(repository())
            .stderr(Stdio::inherit())
            .output()
            .unwrap_or_else(|error| panic!("cannot start cargo: {error}"));
        assert!(output.status.success(), "building rust-cdylib failed: see cargo's messages above");
        let messages = String::from_utf8_lossy(&output.stdout);
        let built = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let names = built.filter(|message| message["target"]["name"] == "rust_cdylib");
        let files = names.flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default());
        let shared = files.filter_map(|file| file.as_str().map(PathBuf::from));
        shared.into_iter().find(|file| file.ends_with("librust_cdylib.so")).expect("cargo builds librust_cdylib.so")
    })
}

/// `program`, compiled and linked as the example's README says.
fn with_library(program: Program) -> Program {
    let dir = library().parent().expect("a library lies in a directory");
    let mut search = OsString::from("-L");
    search.push(dir);
    let mut rpath = OsString::from("-Wl,-rpath,");
    rpath.push(dir);
    let mut include = OsString::from("-I");
    include.push(repository().join("examples/rust-cdylib/include"));
    program.link(Link::None).flag(include).last_flag(search).last_flag("-lrust_cdylib").last_flag(rpath)
}

fn program(name: &str) -> Program {
    with_library(Program::c(&format!("rust-cdylib-{name}")).source(format!("ffi-tests/rust-cdylib/{name}.c")))
}

/// Runs it with the library that it was linked with: the search path that cargo sets for tests may lead to a debug
/// build.
#[track_caller]
fn execute(path: &Path) -> Outcome {
    run(Command::new(path).env_remove("LD_LIBRARY_PATH"), LIMIT)
}

#[track_caller]
fn expect_overlap(stdout: &str, races: usize) {
    let overlaps: Vec<&str> = stdout.lines().filter(|line| line.contains("overlap: ")).collect();
    assert_eq!(overlaps.len(), races, "each race says how much it overlapped:\n{stdout}");
    for line in overlaps {
        println!("{}", line.trim());
    }
}

fn run_plain(name: &str, races: usize) {
    let outcome = execute(&program(name).build());
    expect_overlap(&outcome.expect_success().stdout, races);
}

/// Under AddressSanitizer, which also sees what the library allocates, frees twice and forgets.
fn run_under_asan(name: &str, races: usize) {
    match program(name).flag("-fsanitize=address").try_build() {
        Ok(path) => {
            let outcome = execute(&path);
            expect_overlap(&outcome.expect_success().stdout, races);
        }
        Err(messages) => println!("skipped: the compiler has no AddressSanitizer: {messages}"),
    }
}

#[test]
fn tokens_from_c() {
    run_plain("tokens", 0);
    run_under_asan("tokens", 0);
}

#[test]
fn tokens_race_from_c() {
    run_plain("tokens_race", 1);
}

#[test]
fn tokens_race_from_c_under_asan() {
    run_under_asan("tokens_race", 1);
}

#[test]
fn classic_from_c() {
    run_plain("classic", 1);
}

#[test]
fn classic_from_c_under_asan() {
    run_under_asan("classic", 1);
}

#[test]
fn both_from_python() {
    let python = Command::new("python3").arg("--version").output();
    if !python.is_ok_and(|output| output.status.success()) {
        println!("skipped: there is no python3");
        return;
    }
    let mut command = Command::new("python3");
    command.arg(repository().join("ffi-tests/rust-cdylib/race.py")).arg(library());
    let outcome = run(&mut command, LIMIT);
    expect_overlap(&outcome.expect_success().stdout, 2);
}

#[test]
fn header_is_c99_and_cpp() {
    let as_cpp = Program::cpp("rust-cdylib-header").std("c++11").source("ffi-tests/rust-cdylib/header.c");
    for program in [program("header").std("c99"), with_library(as_cpp)] {
        execute(&program.build()).expect_success();
    }
}

#[test]
fn exports_its_own_functions_and_nothing_else() {
    let output = Command::new("nm").args(["-D", "--defined-only"]).arg(library()).output();
    let output = output.unwrap_or_else(|error| panic!("cannot start nm (of binutils): {error}"));
    assert!(output.status.success(), "nm -D: {}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let exported: BTreeSet<&str> = listed.lines().filter_map(|line| line.split_whitespace().last()).collect();

    let header = fs::read_to_string(repository().join("examples/rust-cdylib/include/rust_cdylib.h")).expect("a header");
    let declared: BTreeSet<&str> = header.lines().filter_map(declared_function).collect();
    assert!(declared.contains("mq_free") && declared.contains("rc_last_error"), "declared: {declared:?}");
    assert!(!exported.iter().any(|name| name.starts_with("qz_")), "exports Quiescent's symbols, too: {exported:?}");
    assert_eq!(exported, declared, "exported by the library, and declared by its header");
}

/// The function that a line of the header begins to declare.
fn declared_function(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("rc_status ").or_else(|| line.strip_prefix("const char *"))?;
    rest.split_once('(').map(|(name, _)| name)
}

#[test]
fn readme_program_does_what_the_readme_says() {
    let readme = fs::read_to_string(repository().join("examples/rust-cdylib/README.md")).expect("a README");
    let (_, rest) = readme.split_once("```c\n").expect("README has a C program");
    let (demo, rest) = rest.split_once("```").expect("which ends");
    let source = scratch_dir().join("demo.c");
    fs::write(&source, demo).expect("the scratch directory is writable");
    let program = with_library(Program::c("rust-cdylib-demo")).source(&source).build();
    let outcome = execute(&program);
    let said: Vec<&str> = outcome.expect_success().stdout.lines().collect();
    let promised = rest.split_once("It prints ").expect("README says what it prints").1;
    let promised: Vec<&str> = promised.split('`').skip(1).step_by(2).take(said.len()).collect();
    assert_eq!(said, promised);
    assert_eq!(said.len(), 2);
}
