//! `quiescent.hpp` under every compiler and standard that is here, with exceptions and without: no warning, every
//! class used, in several translation units, under threads and a sanitizer. It leaves nothing of quiescent.h out.

#[allow(dead_code, reason = "each test uses a part of it")]
mod parsed_header;

use harness::{Link, Program, repository, run, scratch_dir};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const COMPILERS: &[&str] = &["g++", "clang++", "clang++-19"];
const STANDARDS: &[&str] = &["c++14", "c++17", "c++20", "c++23"];
const LIMIT: Duration = Duration::from_secs(120);

/// One program: the header in many units.
const UNITS: &[&str] = &[
    "ffi-tests/cpp/hpp_main.cpp",
    "ffi-tests/cpp/hpp_allocation.cpp",
    "ffi-tests/cpp/hpp_waits.cpp",
    "ffi-tests/cpp/hpp_handle.cpp",
    "ffi-tests/cpp/hpp_embedded.cpp",
    "ffi-tests/cpp/hpp_kinds.cpp",
    "ffi-tests/cpp/hpp_made.cpp",
    "ffi-tests/cpp/hpp_ends.cpp",
    "ffi-tests/cpp/hpp_backend.cpp",
    "ffi-tests/cpp/hpp_async.cpp",
    "ffi-tests/cpp/hpp_library.cpp",
];
/// Only with exceptions.
const THROWING_UNITS: &[&str] =
    &["ffi-tests/cpp/hpp_throwing.cpp", "ffi-tests/cpp/hpp_callbacks.cpp", "ffi-tests/cpp/hpp_carried.cpp"];

/// Only from C++20 on.
const COROUTINE_UNITS: &[&str] = &["ffi-tests/cpp/hpp_coroutine.cpp"];

/// What takes minutes is scripts/nightly's.
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
    Program::cpp(name).flag("-Wconversion").flag("-Wsign-conversion").flag("-Wshadow").flag("-g0")
}

#[track_caller]
fn execute(path: PathBuf) -> String {
    let outcome = run(&mut Command::new(path), LIMIT);
    outcome.expect_success();
    outcome.stdout
}

/// Has the compiler begin with `header`, which it has read once for all units. `built` has their standard and flags.
fn with_header_read(built: Program, header: &str) -> Program {
    let read = built.clone().link(Link::None).flag("-x").flag("c++-header").source(header).build();
    let precompiled = scratch_dir().join(format!("{}.gch", read.file_name().unwrap().to_string_lossy()));
    std::fs::rename(&read, precompiled).unwrap();
    built.flag("-include").flag(read)
}

/// All units as `standard` by `compiler`, linked and run; `None` where it is not here or does not know that.
fn all_units(compiler: &str, standard: &str, has_exceptions: bool, optimised: &str) -> Option<String> {
    if !is_there(compiler) || !knows(compiler, standard) {
        println!("skipped: {compiler} is not here, or does not know {standard}");
        return None;
    }
    let units = UNITS.iter().chain(if has_exceptions { THROWING_UNITS } else { &[] });
    let units = units.chain(if standard >= "c++20" { COROUTINE_UNITS } else { &[] });
    let mut built = program(&format!("hpp-{compiler}-{standard}")).std(standard).compiler(compiler).flag(optimised);
    if !has_exceptions {
        built = built.flag("-fno-exceptions").flag("-fno-rtti");
    }
    let built = with_header_read(built, "ffi-tests/cpp/hpp_check.hpp");
    Some(execute(units.fold(built, Program::source).build()))
}

/// With the compiler that the other tests use. (What scripts/sabotage breaks in the header is caught here.)
#[test]
fn every_class_is_used() {
    let built = with_header_read(program("hpp").std("c++17").flag("-O0"), "ffi-tests/cpp/hpp_check.hpp");
    let units = UNITS.iter().chain(THROWING_UNITS);
    let stdout = execute(units.fold(built, Program::source).build());
    println!("{stdout}");
    // Every kind of handle that quiescent.h can free ends in a destructor, while another thread waits for it.
    let ended: BTreeSet<&str> = stdout.lines().filter_map(|line| line.strip_prefix("ends: ")).collect();
    let freed: BTreeSet<String> = types().into_iter().filter(|(_, is_freed)| *is_freed).map(|(stem, _)| stem).collect();
    assert_eq!(ended, freed.iter().map(String::as_str).collect());
}

/// The same by another compiler, if there is one, as the newest standard that all of them know.
#[test]
fn every_class_is_used_without_exceptions() {
    let compiler = compilers().last().expect("a C++ compiler is here");
    println!("{}", all_units(compiler, "c++20", false, "-O0").expect("it knows C++20"));
}

/// All that there is, as users write it, by every compiler as every standard. It needs no other include. What is neither the oldest
/// standard nor the newest is only compiled in the short form, without code: that is where its warnings and errors are.
#[test]
fn every_standard() {
    let mut run = 0;
    for compiler in compilers() {
        let known: Vec<&&str> = STANDARDS.iter().filter(|standard| knows(compiler, standard)).collect();
        for (i, standard) in known.iter().enumerate() {
            let alone = program("hpp-alone").std(standard).compiler(compiler).flag("-O0");
            let alone = alone.source("ffi-tests/cpp/hpp_alone.cpp");
            if is_thorough() || i == 0 || i + 1 == known.len() {
                execute(alone.build());
            } else {
                let _ = alone.link(Link::None).flag("-fsyntax-only").build();
            }
            run += 1;
        }
    }
    assert!(run + 1 >= STANDARDS.len(), "no C++ compiler is here: nothing was checked");
    println!("{run} combinations of compiler and standard, without a warning");
}

/// Warnings about what is inlined come with optimisation.
#[test]
fn optimised() {
    for compiler in compilers() {
        let alone = program("hpp-alone").std("c++17").compiler(compiler).flag("-O2");
        execute(alone.source("ffi-tests/cpp/hpp_alone.cpp").build());
    }
}

/// Every test by every compiler as every standard, with exceptions and without, optimised and not.
#[test]
fn every_combination() {
    if !is_thorough() {
        println!("skipped: QUIESCENT_THOROUGH is not set");
        return;
    }
    for compiler in COMPILERS {
        for standard in STANDARDS {
            for (has_exceptions, optimised) in [(true, "-O0"), (false, "-O0"), (true, "-O2"), (false, "-O2")] {
                if all_units(compiler, standard, has_exceptions, optimised).is_some() {
                    println!("{compiler} {standard} exceptions: {has_exceptions} {optimised}");
                }
            }
        }
    }
}

/// Two units: with exceptions, without, and one so and the other so, which must not be given the other's functions.
#[test]
fn in_two_units() {
    // Not optimised: the linker has to choose for every function, as none is inlined.
    let object = |unit: &str, flags: &[&str]| {
        let object = program("hpp-odr").std("c++14").link(Link::None).flag("-O0").flag("-c").source(unit);
        flags.iter().fold(object, Program::flag).build()
    };
    let first = |flags: &[&str]| object("ffi-tests/cpp/hpp_odr_first.cpp", flags);
    let second = ["-fexceptions", "-fno-exceptions"].map(|flag| object("ffi-tests/cpp/hpp_odr_second.cpp", &[flag]));
    for (i, one) in ["-fexceptions", "-fno-exceptions"].into_iter().enumerate() {
        let mine = [first(&[one]), first(&[one, "-DMIXED"])];
        for (j, other) in second.iter().enumerate() {
            let objects = [&mine[usize::from(i != j)], other];
            // Either order: the linker takes the first of two functions of the same name.
            for order in [[0, 1], [1, 0]] {
                let linked = program("hpp-odr").std("c++14").source(objects[order[0]]).source(objects[order[1]]);
                execute(linked.build());
            }
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
    const CASES: u32 = 19;
    for compiler in compilers().take(if is_thorough() { usize::MAX } else { 1 }) {
        let refused = program("hpp-refused").std("c++17").compiler(compiler).link(Link::None);
        let refused = refused.flag("-Wno-unused").flag("-Wno-error=unused").flag("-Werror=unused-result");
        let with_exceptions = with_header_read(refused.clone().flag("-fexceptions"), "include/quiescent.hpp");
        let without = refused.flag("-fno-exceptions");
        let compiles = |case: u32| {
            let program = if case == 10 { &without } else { &with_exceptions }.clone().flag("-fsyntax-only");
            program.define("CASE", &case.to_string()).source("ffi-tests/cpp/hpp_refused.cpp").try_build()
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
    program("hpp-race").flag("-g").source("ffi-tests/cpp/hpp_race.cpp")
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

fn parts() -> Vec<(String, String)> {
    let entries = std::fs::read_dir(repository().join("include/quiescent")).unwrap();
    let part = |path: PathBuf| {
        (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(&path).unwrap())
    };
    let parts: Vec<_> = entries.map(|entry| part(entry.unwrap().path())).collect();
    assert!(parts.len() > 10, "only {} parts", parts.len());
    parts
}

/// Of quiescent.h; and why C++ has no use for it.
const NOT_IN_CPP: &[(&str, &str)] = &[];

/// Whoever adds a function to quiescent.h is told here that C++ does not have it yet.
#[test]
fn every_function_has_a_cpp_form() {
    let parts = parts();
    // Without comments: a function that is only mentioned is not called.
    let code: Vec<&str> =
        parts.iter().flat_map(|(_, text)| text.lines()).map(|line| line.split("//").next().unwrap()).collect();
    let code = code.join("\n");
    let words: BTreeSet<&str> = code.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let functions = parsed_header::functions();
    let missing: BTreeSet<&str> =
        functions.iter().map(|function| function.name.as_str()).filter(|name| !words.contains(name)).collect();
    let excepted: BTreeSet<&str> = NOT_IN_CPP.iter().map(|(name, _)| *name).collect();
    assert_eq!(missing, excepted, "functions without a C++ form, and the list of those that need none");
}

/// The opaque types of quiescent.h: "mutex" for qz_mutex; and whether they are freed, being handles.
fn types() -> Vec<(String, bool)> {
    let functions = parsed_header::functions();
    let has = |name: String| functions.iter().any(|function| function.name == name);
    let opaque = |line: &str| -> Option<(String, bool)> {
        let (stem, alias) = line.strip_prefix("typedef struct qz_")?.strip_suffix(';')?.split_once(' ')?;
        let is_freed = has(format!("qz_{stem}_free")) || has(format!("qz_{stem}_close"));
        (alias == format!("qz_{stem}")).then(|| (stem.to_owned(), is_freed))
    };
    let types: Vec<_> = parsed_header::text().lines().filter_map(opaque).collect();
    assert!(types.len() > 10, "{types:?}");
    types
}

/// qz_mutex is `mutex`, in mutex.hpp, with a `mutex_ref`: one stem for a type everywhere.
#[test]
fn every_type_has_a_class() {
    let parts = parts();
    for (stem, is_freed) in types() {
        let part = parts.iter().find(|(name, _)| *name == format!("{stem}.hpp"));
        let (_, part) = part.unwrap_or_else(|| panic!("include/quiescent/{stem}.hpp is missing"));
        let defines = |class: &str| {
            let words = |line: &str| line.replace("QZ_HPP_NODISCARD ", "").contains(&format!("class {class} "));
            part.lines().any(|line| line.ends_with('{') && words(line))
        };
        assert!(defines(&stem), "{stem}.hpp has no class {stem}");
        assert!(!is_freed || defines(&format!("{stem}_ref")), "{stem}.hpp has no class {stem}_ref");
    }
}

#[test]
fn parts_are_included_by_the_header_only() {
    let whole = std::fs::read_to_string(repository().join("include/quiescent.hpp")).unwrap();
    for (name, _) in parts() {
        assert!(whole.contains(&format!("#include \"quiescent/{name}\"")), "{name} is not in quiescent.hpp");
        let alone = scratch_dir().join(format!("alone-{name}.cpp"));
        std::fs::write(&alone, format!("#include <quiescent/{name}>\n")).unwrap();
        let messages = program("hpp-part").link(Link::None).flag("-c").source(alone).try_build().unwrap_err();
        assert!(messages.contains("include <quiescent.hpp>"), "{messages}");
    }
}
