//! The library built for Windows (x86_64-pc-windows-gnu), with the C contract programs and the C++ header, compiled by mingw-w64 and run under
//! Wine. That is not Windows. By `QUIESCENT_THOROUGH`: it takes minutes.

use harness::{Link, Outcome, Program, repository, run, scratch_dir};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

const TARGET: &str = "x86_64-pc-windows-gnu";
const C: &str = "x86_64-w64-mingw32-gcc";
const CPP: &str = "x86_64-w64-mingw32-g++";
const LIMIT: Duration = Duration::from_secs(120);

/// Programs of `ffi-tests/c` that are run, with their arguments.
#[rustfmt::skip]
const TRIED: &[(&str, &[&str])] = &[
    ("status", &[]), ("layout", &[]), ("kind", &[]), ("hold", &[]), ("guard", &[]), ("rundown", &[]), ("cache_aware_rundown", &[]),
    ("handle", &[]), ("handle_tokens", &[]), ("handle_free", &[]), ("handle_hooks", &[]), ("handle_occupants", &[]),
    ("handle_threads", &[]), ("handle_many", &[]), ("stats", &[]), ("report", &[]), ("cancel", &[]), ("mutex", &[]),
    ("semaphore", &[]), ("barrier", &[]), ("notify", &[]), ("rwlock", &[]), ("once", &[]), ("pool", &[]), ("pool_callbacks", &[]),
    ("stress", &["2000", "4", "2"]), ("guard_stress", &["2000", "4"]),
];

/// The others, and why.
const NOT_TRIED: &[(&str, &[&str])] = &[
    (
        "there are no backends",
        &[
            "backend",
            "backend_calls",
            "backend_current",
            "backend_fd",
            "backend_free",
            "backend_many",
            "backend_nested",
        ],
    ),
    ("there are no backends", &["backend_stress", "kinds_stress"]),
    ("there are no file locks", &["filelock", "free_table"]),
    ("there is no fork", &["fork", "misuse", "no_memory"]),
    ("there are no signals between threads", &["handle_signals", "handle_deadlines"]),
    ("there is no membarrier", &["lane"]),
    ("`unload.c` does it there", &["plugin", "plugin_host"]),
    ("units of a program in header.rs, whose declarations layout.c has as well", &["header_first", "header_second"]),
];

/// The library's two forms.
struct Built {
    dll: PathBuf,
    import: PathBuf,
    archive: PathBuf,
}

/// Built once, unless something is missing here, which is then said.
fn built() -> Option<&'static Built> {
    static BUILT: OnceLock<Option<Built>> = OnceLock::new();
    BUILT.get_or_init(build).as_ref()
}

fn build() -> Option<Built> {
    if std::env::var_os("QUIESCENT_THOROUGH").is_none() {
        println!("skipped: it takes minutes; QUIESCENT_THOROUGH=1");
        return None;
    }
    let is_there =
        |tool: &str| Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
    let missing: Vec<&str> = [C, CPP, "wine"].into_iter().filter(|tool| !is_there(tool)).collect();
    if !missing.is_empty() {
        println!("skipped: {} not here (see scripts/wine)", missing.join(", "));
        return None;
    }
    let known = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output().expect("rustc");
    if !Path::new(String::from_utf8_lossy(&known.stdout).trim()).is_dir() {
        println!("skipped: rustup target add {TARGET}");
        return None;
    }
    let workdir = scratch_dir().join("target");
    let target = workdir.ancestors().nth(4).expect("the scratch directory lies in the target directory");
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--package", "quiescent", "--release", "--target", TARGET, "--target-dir"]).arg(target);
    run(cargo.current_dir(repository()), 10 * LIMIT).expect_success();
    let release = target.join(TARGET).join("release");
    let dll = scratch_dir().join("quiescent.dll");
    std::fs::copy(release.join("quiescent.dll"), &dll).expect("cargo built it");
    Some(Built { dll, import: release.join("libquiescent.dll.a"), archive: release.join("libquiescent.a") })
}

/// With mingw-w64's own libraries in it.
fn compiled_by(compiler: &str, program: Program) -> Program {
    program.compiler(compiler).link(Link::None).flag("-static")
}

/// A C program; the DLL lies beside it.
fn with_dll(built: &Built, program: Program) -> Program {
    assert!(built.dll.exists());
    program.last_flag(&built.import)
}

fn with_archive(built: &Built, program: Program) -> Program {
    // What `rustc --print native-static-libs` says.
    let libraries = ["-lkernel32", "-lntdll", "-luserenv", "-lws2_32", "-ldbghelp"];
    libraries.into_iter().fold(program.last_flag(&built.archive), Program::last_flag)
}

fn wine(program: &Path, arguments: &[&str]) -> Outcome {
    let mut command = Command::new(repository().join("scripts/wine"));
    run(command.arg(program.with_extension("exe")).args(arguments), LIMIT)
}

fn all_contracts(name: &str, link: impl Fn(Program) -> Program) {
    for (stem, arguments) in TRIED {
        let program = Program::c(&format!("{name}-{stem}")).source(format!("ffi-tests/c/{stem}.c"));
        wine(&link(compiled_by(C, program)).build(), arguments).expect_success();
    }
    println!("{} programs with the {name}", TRIED.len());
}

#[test]
fn contracts_with_the_dll() {
    let Some(built) = built() else { return };
    all_contracts("dll", |program| with_dll(built, program));
}

#[test]
fn contracts_with_the_archive() {
    let Some(built) = built() else { return };
    all_contracts("archive", |program| with_archive(built, program));
}

#[test]
fn the_cpp_header() {
    let Some(built) = built() else { return };
    for standard in ["c++14", "c++17", "c++20", "c++23"] {
        let alone = Program::cpp(&format!("alone-{standard}")).std(standard).source("ffi-tests/cpp/hpp_alone.cpp");
        wine(&with_dll(built, compiled_by(CPP, alone)).build(), &[]).expect_success();
    }
    // With fewer rounds the users come too late on a busy machine, and the program says that nothing was tested.
    let race = Program::cpp("hpp_race").source("ffi-tests/cpp/hpp_race.cpp");
    wine(&with_archive(built, compiled_by(CPP, race)).build(), &["20000", "2", "4"]).expect_success();
}

/// Each of its tests that is not for Unix only.
#[test]
fn the_tests_of_the_core() {
    if built().is_none() {
        return;
    }
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--package", "quiescent-core", "--tests", "--no-fail-fast", "--target", TARGET]);
    cargo.env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER", repository().join("scripts/wine"));
    let outcome = run(cargo.current_dir(repository()), 10 * LIMIT);
    outcome.expect_success();
    let passed = |line: &str| line.strip_prefix("test result: ok. ")?.split_once(' ')?.0.parse::<u32>().ok();
    let passed: u32 = outcome.stdout.lines().filter_map(passed).sum();
    assert!(passed >= 300, "only {passed} tests were run");
    println!("{passed} tests of the core");
}

#[test]
fn it_stays_loaded() {
    let Some(built) = built() else { return };
    let program = compiled_by(C, Program::c("unload")).source("ffi-tests/windows/unload.c");
    assert!(built.dll.exists());
    wine(&program.build(), &[]).expect_success();
}

#[test]
fn what_it_lacks_is_refused_or_not_declared() {
    let Some(built) = built() else { return };
    let lacks = Program::c("lacks").source("ffi-tests/windows/lacks.c");
    wine(&with_dll(built, compiled_by(C, lacks)).build(), &[]).expect_success();

    let using = |function: &str| {
        let program = Program::c("lacking").source("ffi-tests/windows/not_declared.c");
        with_dll(built, compiled_by(C, program)).define("LACKING", &format!("(__INTPTR_TYPE__){function}")).try_build()
    };
    using("qz_backend_new").expect("it is there");
    for function in ["qz_filelock_open", "qz_filelock_free", "qz_backend_fd", "qz_backend_wait_fd_async"] {
        let messages = using(function).expect_err(function);
        assert!(messages.contains(function) && messages.contains("undeclared"), "{messages}");
    }
}

/// Also where nothing of the above can be run.
#[test]
fn every_program_is_tried_or_there_is_a_reason() {
    let listed = |stem: &str| {
        TRIED.iter().filter(|(tried, _)| *tried == stem).count()
            + NOT_TRIED.iter().flat_map(|(_, stems)| *stems).filter(|other| **other == stem).count()
    };
    let mut programs = 0;
    for entry in std::fs::read_dir(repository().join("ffi-tests/c")).expect("it is there") {
        let path = entry.expect("readable").path();
        if path.extension().is_some_and(|extension| extension == "c") {
            let stem = path.file_stem().expect("a name").to_string_lossy().into_owned();
            assert_eq!(listed(&stem), 1, "{stem}.c is to be listed once");
            programs += 1;
        }
    }
    assert!(programs >= TRIED.len());
}
