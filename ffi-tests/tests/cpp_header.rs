//! `quiescent.hpp` under every compiler and standard that is here, with exceptions and without: no warning, every
//! class used, in several translation units, under threads and a sanitizer.

use harness::{Link, Program, repository, run, scratch_dir};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const COMPILERS: &[&str] = &["g++", "clang++", "clang++-19"];
const STANDARDS: &[&str] = &["c++14", "c++17", "c++20", "c++23"];
/// Of those, what takes seconds; scripts/nightly tries all (`QUIESCENT_THOROUGH`). Without exceptions c++14 is built optimised.
const USUAL: &[&str] = &["c++14", "c++17", "c++20"];
const USUAL_WITHOUT_EXCEPTIONS: &[&str] = &["c++20"];
const LIMIT: Duration = Duration::from_secs(120);

/// One program: the header in many units.
const UNITS: &[&str] = &[
    "ffi-tests/cpp/hpp_main.cpp",
    "ffi-tests/cpp/hpp_waits.cpp",
    "ffi-tests/cpp/hpp_handle.cpp",
    "ffi-tests/cpp/hpp_embedded.cpp",
];
/// Only with exceptions.
const THROWING_UNITS: &[&str] = &["ffi-tests/cpp/hpp_throwing.cpp", "ffi-tests/cpp/hpp_callbacks.cpp"];

fn is_thorough() -> bool {
    std::env::var_os("QUIESCENT_THOROUGH").is_some()
}

fn is_there(compiler: &str) -> bool {
    Command::new(compiler).arg("--version").output().is_ok_and(|output| output.status.success())
}

fn knows(compiler: &str, standard: &str) -> bool {
    let mut command = Command::new(compiler);
    command.args(["-x", "c++", &format!("-std={standard}"), "-fsyntax-only", "/dev/null"]);
    command.output().is_ok_and(|output| output.status.success())
}

/// The compilers that are here. (`header.rs` sees to it that CI has both.)
fn compilers() -> impl Iterator<Item = &'static str> {
    COMPILERS.iter().copied().filter(|compiler| is_there(compiler))
}

fn program(name: &str) -> Program {
    Program::cpp(name).flag("-Wconversion").flag("-Wshadow")
}

#[track_caller]
fn execute(path: PathBuf) -> String {
    let outcome = run(&mut Command::new(path), LIMIT);
    outcome.expect_success();
    outcome.stdout
}

/// All units as `standard` by `compiler`, linked and run; `None` where it is not here or does not know that.
fn all_units(compiler: &str, standard: &str, has_exceptions: bool, optimised: &str) -> Option<String> {
    if !is_there(compiler) || !knows(compiler, standard) {
        println!("skipped: {compiler} is not here, or does not know {standard}");
        return None;
    }
    let units = UNITS.iter().chain(if has_exceptions { THROWING_UNITS } else { &[] });
    let mut built = program(&format!("hpp-{compiler}-{standard}")).std(standard).compiler(compiler).flag(optimised);
    if !has_exceptions {
        built = built.flag("-fno-exceptions").flag("-fno-rtti");
    }
    for unit in units {
        built = built.source(unit);
    }
    Some(execute(built.build()))
}

/// With the compiler that the other tests use. (What scripts/sabotage breaks in the header is caught here.)
#[test]
fn every_class_is_used() {
    let built = program("hpp").std("c++17").flag("-O0");
    let units = UNITS.iter().chain(THROWING_UNITS);
    println!("{}", execute(units.fold(built, Program::source).build()));
}

/// Not optimised, because it is the front ends that differ.
fn matrix(has_exceptions: bool) {
    let standards = match (is_thorough(), has_exceptions) {
        (true, _) => STANDARDS,
        (false, true) => USUAL,
        (false, false) => USUAL_WITHOUT_EXCEPTIONS,
    };
    let mut run = 0;
    for compiler in COMPILERS {
        run += standards.iter().filter_map(|standard| all_units(compiler, standard, has_exceptions, "-O0")).count();
    }
    assert!(run > 0 && run + 1 >= standards.len(), "no C++ compiler is here: nothing was checked");
    println!("{run} combinations of compiler and standard, without a warning");
}

#[test]
fn every_standard() {
    matrix(true);
}

#[test]
fn every_standard_without_exceptions() {
    matrix(false);
}

/// Warnings about what is inlined come with optimisation.
#[test]
fn optimised() {
    for compiler in COMPILERS {
        if let Some(stdout) = all_units(compiler, "c++17", true, "-O2") {
            println!("{compiler}\n{stdout}");
        }
        all_units(compiler, "c++14", false, "-O2");
    }
}

/// Two units: with exceptions, without, and one so and the other so, which must not be given the other's functions.
#[test]
fn in_two_units() {
    let object = |unit: &str, flags: &[&str]| {
        let object = program("hpp-odr").std("c++14").link(Link::None).flag("-c").source(unit);
        flags.iter().fold(object, Program::flag).build()
    };
    let (with, without): (&[&str], &[&str]) = (&[], &["-fno-exceptions"]);
    let (first, second) = ("ffi-tests/cpp/hpp_odr_first.cpp", "ffi-tests/cpp/hpp_odr_second.cpp");
    for (one, other) in [(with, with), (without, without), (with, without), (without, with)] {
        let mixed: &[&str] = if one == other { &[] } else { &["-DMIXED"] };
        let objects = [object(first, &[one, mixed].concat()), object(second, other)];
        // Either order: the linker takes the first of two functions of the same name.
        for order in [[0, 1], [1, 0]] {
            let linked = program("hpp-odr").std("c++14").source(&objects[order[0]]).source(&objects[order[1]]);
            execute(linked.build());
        }
    }
}

#[test]
fn it_needs_no_other_include() {
    for compiler in compilers() {
        for standard in ["c++14", "c++20"] {
            let alone = program("hpp-alone").std(standard).compiler(compiler).source("ffi-tests/cpp/hpp_alone.cpp");
            execute(alone.build());
        }
    }
}

#[test]
fn no_macro_leaks() {
    for compiler in compilers() {
        let mut command = Command::new(compiler);
        command.args(["-std=c++17", "-dM", "-E", "-I"]).arg(repository().join("include"));
        let output = command.arg(repository().join("ffi-tests/cpp/hpp_odr_second.cpp")).output().unwrap();
        let macros = String::from_utf8_lossy(&output.stdout);
        assert!(macros.contains("#define QUIESCENT_HPP"), "{compiler} listed no macros");
        let leaks: Vec<&str> = macros.lines().filter(|line| line.contains("QZ_HPP")).collect();
        assert!(leaks.is_empty(), "{leaks:?}");
    }
}

/// Each mistake alone is what keeps it from compiling: the same file with none does compile.
#[test]
fn mistakes_do_not_compile() {
    const CASES: u32 = 11;
    for compiler in compilers().take(if is_thorough() { usize::MAX } else { 1 }) {
        let compiles = |case: u32| {
            program("hpp-refused")
                .std("c++17")
                .compiler(compiler)
                .link(Link::None)
                .flag("-c")
                .flag("-Wno-unused")
                .flag("-Wno-error=unused")
                .flag("-Werror=unused-result")
                .flag(if case == 10 { "-fno-exceptions" } else { "-fexceptions" })
                .define("CASE", &case.to_string())
                .source("ffi-tests/cpp/hpp_refused.cpp")
                .try_build()
        };
        compiles(0).unwrap_or_else(|messages| panic!("{messages}"));
        for case in 1..=CASES {
            let messages = compiles(case).expect_err(&format!("{compiler}: mistake {case} compiles"));
            assert!(!messages.contains("no such case"), "{messages}");
        }
        assert!(compiles(CASES + 1).unwrap_err().contains("no such case"), "a mistake is not tried");
    }
}

fn race() -> Program {
    program("hpp-race").source("ffi-tests/cpp/hpp_race.cpp")
}

#[test]
fn owners_end_while_others_use_what_they_own() {
    println!("{}", execute(race().build()));
}

/// The library is not instrumented here, but what the header does is; scripts/sanitize has both.
#[test]
fn under_address_sanitizer() {
    let flags = "-fsanitize=address,undefined";
    match race().flag(flags).flag("-fno-sanitize-recover=all").flag("-O1").try_build() {
        Ok(path) => println!("{}", execute(path)),
        Err(messages) if std::env::var_os("CI").is_none() => println!("skipped: no {flags}\n{messages}"),
        Err(messages) => panic!("{messages}"),
    }
}

/// Every part is listed in quiescent.hpp, and refuses to be included alone.
#[test]
fn parts_are_included_by_the_header_only() {
    let whole = std::fs::read_to_string(repository().join("include/quiescent.hpp")).unwrap();
    let mut parts = 0;
    for entry in std::fs::read_dir(repository().join("include/quiescent")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(whole.contains(&format!("#include \"quiescent/{name}\"")), "{name} is not in quiescent.hpp");
        let alone = scratch_dir().join(format!("alone-{name}.cpp"));
        std::fs::write(&alone, format!("#include <quiescent/{name}>\n")).unwrap();
        let messages = program("hpp-part").link(Link::None).flag("-c").source(alone).try_build().unwrap_err();
        assert!(messages.contains("include <quiescent.hpp>"), "{messages}");
        parts += 1;
    }
    assert!(parts > 10, "only {parts} parts");
}
