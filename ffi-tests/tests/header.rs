//! The header under every compiler and standard that is here: no warning, self-contained, in two translation units.

#[allow(dead_code, reason = "each test uses a part of it")]
mod parsed_header;

use harness::{Program, repository, run, scratch_dir};
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const C_COMPILERS: &[&str] = &["gcc", "clang", "clang-19"];
const CPP_COMPILERS: &[&str] = &["g++", "clang++", "clang++-19"];
/// Every compiler we meet knows these, …
const C_STANDARDS: &[&str] = &["c99", "c11", "c17"];
const CPP_STANDARDS: &[&str] = &["c++11", "c++14", "c++17", "c++20"];
/// … and these only newer ones.
const NEW_C_STANDARDS: &[&str] = &["c2x"];
const NEW_CPP_STANDARDS: &[&str] = &["c++23"];

fn is_there(compiler: &str) -> bool {
    Command::new(compiler).arg("--version").output().is_ok_and(|output| output.status.success())
}

fn knows(compiler: &str, language: &str, standard: &str) -> bool {
    let mut command = Command::new(compiler);
    command.args(["-x", language, &format!("-std={standard}"), "-fsyntax-only", "/dev/null"]);
    command.output().is_ok_and(|output| output.status.success())
}

/// Compiles, links and runs both units as each standard by each compiler that is here.
fn matrix(language: &str, compilers: &[&str], standards: &[&str], new: &[&str]) {
    let extension = if language == "c" { "c" } else { "cpp" };
    let directory = if language == "c" { "ffi-tests/c" } else { "ffi-tests/cpp" };
    let mut compiled = 0;
    for &compiler in compilers {
        if !is_there(compiler) {
            println!("skipped: {compiler} is not here");
            continue;
        }
        for &standard in standards.iter().chain(new) {
            if new.contains(&standard) && !knows(compiler, language, standard) {
                println!("skipped: {compiler} does not know {standard}");
                continue;
            }
            let name = format!("header-{compiler}-{standard}");
            let program = if language == "c" { Program::c(&name) } else { Program::cpp(&name) };
            let program = program
                .std(standard)
                .compiler(compiler)
                .source(format!("{directory}/header_first.{extension}"))
                .source(format!("{directory}/header_second.{extension}"));
            let path = program.build();
            run(&mut Command::new(path), Duration::from_secs(20)).expect_success();
            compiled += 1;
        }
    }
    assert!(compiled >= standards.len(), "no {language} compiler is here: nothing was checked");
    println!("{compiled} combinations of compiler and standard, without a warning");
}

// ffi-tests/c/header_first.c, ffi-tests/c/header_second.c
#[test]
fn every_c_standard() {
    matrix("c", C_COMPILERS, C_STANDARDS, NEW_C_STANDARDS);
}

// ffi-tests/cpp/header_first.cpp, ffi-tests/cpp/header_second.cpp
#[test]
fn every_cpp_standard() {
    matrix("c++", CPP_COMPILERS, CPP_STANDARDS, NEW_CPP_STANDARDS);
}

/// In CI a second compiler has to be there: one that is missing everywhere would be skipped for ever.
#[test]
fn ci_has_gcc_and_clang() {
    let clang = C_COMPILERS.iter().any(|name| name.contains("clang") && is_there(name));
    let gcc = is_there("gcc") && is_there("g++");
    if std::env::var_os("CI").is_some() {
        assert!(gcc && clang, "CI needs gcc and clang: gcc {gcc}, clang {clang}");
    }
}

#[test]
fn it_includes_what_it_uses_and_no_more() {
    let text = parsed_header::text();
    let mut included: Vec<&str> = text.lines().filter_map(|line| line.trim().strip_prefix("#include ")).collect();
    included.sort_unstable();
    assert_eq!(included, ["<stdbool.h>", "<stddef.h>", "<stdint.h>"]);
    for (used, by) in [("bool ", "<stdbool.h>"), ("size_t ", "<stddef.h>"), ("int64_t ", "<stdint.h>")] {
        let code =
            text.lines().filter(|line| !line.trim_start().starts_with(['/', '*'])).any(|line| line.contains(used));
        assert!(code, "{by} is included, and nothing uses `{used}`");
    }
}

/// C++ needs the C linkage, and every name has the prefix.
#[test]
fn its_names_are_prefixed() {
    let text = parsed_header::text();
    assert!(text.contains("extern \"C\" {"));
    for name in text.lines().filter_map(|line| line.trim().strip_prefix("#define ")) {
        assert!(name.starts_with("QZ_") || name.starts_with("QUIESCENT_H"), "#define {name}");
    }
    for function in parsed_header::functions() {
        assert!(function.name.starts_with("qz_") && !function.comment.is_empty(), "{} has no contract", function.name);
    }
}

#[test]
fn the_layout_in_c() {
    let program = Program::c("layout").source("ffi-tests/c/layout.c").build();
    let outcome = run(&mut Command::new(program), Duration::from_secs(20));
    outcome.expect_success();
    // A structure of the header that layout.h forgot is not checked at all.
    for name in structures() {
        assert!(outcome.stdout.contains(&format!("{name} ")), "ffi-tests/c/layout.h says nothing of {name}");
    }
}

#[test]
fn the_layout_in_cpp() {
    let program = Program::cpp("layout").std("c++11").source("ffi-tests/cpp/layout.cpp").build();
    run(&mut Command::new(program), Duration::from_secs(20)).expect_success();
}

/// Every structure that the header defines in full.
fn structures() -> Vec<String> {
    let text = parsed_header::text();
    let found: Vec<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("typedef struct ")?.strip_suffix(" {"))
        .map(str::to_owned)
        .collect();
    assert!(found.len() >= 5, "only {found:?}: the header's shape has changed");
    found
}

/// The program in the header's head, with what its reader has of his own.
#[test]
fn what_it_shows_in_short_compiles_and_runs() {
    let header = fs::read_to_string(repository().join("include/quiescent.h")).unwrap();
    let (_, rest) = header.split_once(" * In short\n").expect("its head has a program");
    let program = rest.split_once(" * Words").expect("and then words").0;
    let lines: Vec<&str> = program.lines().map(|line| line.trim_start_matches(" *").trim()).collect();
    let (callbacks, body): (Vec<&str>, Vec<&str>) = lines.into_iter().partition(|line| line.starts_with("static void"));
    let own = "static int ended;\nstatic void *session_open(void) { return &ended; }\nstatic void session_query(void *s) { (void)s; }\n\
               static void session_interrupt(void *s) { (void)s; }\nstatic void session_close(void *s) { ++*(int *)s; }\n";
    compile_and_run(&format!(
        "#include <quiescent.h>\n{own}{}\nint main(void) {{\n{}\nreturn ended == 1 ? 0 : 1;\n}}\n",
        callbacks.join("\n"),
        body.join("\n")
    ));
}

/// Code in the comments of the header: each piece with declarations for what it does not declare itself.
#[test]
fn the_code_in_its_comments_compiles_and_runs() {
    let header = fs::read_to_string(repository().join("include/quiescent.h")).unwrap();
    let pieces: Vec<&str> =
        header.split("/// ```c\n").skip(1).map(|piece| piece.split("/// ```").next().unwrap()).collect();
    let [guard] = pieces[..] else { panic!("{} pieces of code: this test knows one", pieces.len()) };
    let (types, statements): (Vec<&str>, Vec<&str>) =
        guard.lines().map(|line| line.trim_start_matches("/// ")).partition(|line| line.starts_with("struct"));
    let own = "struct inner { int ended; };\nstatic void inner_free(struct inner *inner) { inner->ended = 1; }\n";
    compile_and_run(&format!(
        "#include <quiescent.h>\n{own}{}\nint main(void) {{\nstruct inner inner = {{0}};\nstatic struct session session;\n\
         struct session *s = &session;\ns->inner = &inner;\n{}\nreturn inner.ended ? 0 : 1;\n}}\n",
        types.join("\n"),
        statements.join("\n")
    ));
}

fn compile_and_run(code: &str) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let path = scratch_dir().join(format!("in-header-{}.c", COUNT.fetch_add(1, Ordering::Relaxed)));
    fs::write(&path, code).unwrap();
    run(&mut Command::new(Program::c("in-header").source(path).build()), Duration::from_secs(20)).expect_success();
}
