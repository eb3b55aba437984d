//! The binary interface against its committed description: programs that were compiled earlier must work with today's library
//! as long as its soname is the same. That scripts/abi sees what would break them is tried on broken copies of the header.

#[allow(dead_code, reason = "each test uses a part of it")]
mod parsed_header;

use harness::{Outcome, repository, run, scratch_dir, skip};
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const BROKEN: i32 = 1;
const OUT_OF_DATE: i32 = 3;

/// What scripts/abi says; `None` where it cannot be asked.
fn scripts_abi(options: &[&str]) -> Option<Outcome> {
    // The description is of this machine's kind.
    let is_there = |tool| Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
    if !cfg!(target_arch = "x86_64") || !["python3", "abidw", "abidiff"].into_iter().all(is_there) {
        skip("needs x86-64, python3, abidw and abidiff (Debian: abigail-tools)");
        return None;
    }
    Some(run(Command::new(repository().join("scripts/abi")).args(options), Duration::from_secs(60)))
}

#[test]
fn it_is_as_described() {
    if let Some(outcome) = scripts_abi(&[]) {
        outcome.expect_success();
    }
}

/// Where there are no tools, too.
#[test]
fn the_description_is_complete() {
    let description = fs::read_to_string(repository().join("abi/quiescent.abi.xml")).expect("the description is there");
    let functions = parsed_header::functions();
    let constants = parsed_header::constants();
    let names = functions.iter().map(|function| &function.name).chain(constants.keys());
    let missing: Vec<_> =
        names.filter(|name| !name.starts_with("QZ_VERSION") && !description.contains(&format!("{name}'"))).collect();
    assert!(missing.is_empty(), "run scripts/abi --update: {missing:?} are not in abi/quiescent.abi.xml");
    assert!(
        !description.contains("/home") && !description.contains(env!("CARGO_MANIFEST_DIR")),
        "it names a directory"
    );
}

/// The answer for the header with `old`, which is there once, replaced by `new`, in which `$&` stands for it.
#[track_caller]
fn expect(answer: i32, old: &str, new: &str, options: &[&str]) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let text = parsed_header::text();
    assert_eq!(text.matches(old).count(), 1, "the header has changed: {old}");
    let header = scratch_dir().join(format!("broken-{}.h", COUNT.fetch_add(1, Ordering::Relaxed)));
    fs::write(&header, text.replace(old, &new.replace("$&", old))).unwrap();
    let Some(outcome) = scripts_abi(&[&["--header", header.to_str().unwrap()], options].concat()) else { return };
    assert_eq!(outcome.status.code(), Some(answer), "{old} -> {new}\n{}", outcome.report());
    if answer == BROKEN {
        assert!(
            outcome.stderr.contains("Programs compiled against"),
            "it failed for another reason: {}",
            outcome.stderr
        );
    }
}

#[test]
fn what_breaks_programs_is_seen() {
    let broken = |old, new| expect(BROKEN, old, new, &[]);
    broken("qz_status qz_guard_leave(qz_guard *g);", "");
    broken("QZ_ERR_FREED = -4,", "QZ_ERR_FREED = -40,");
    broken("\n} qz_guard;", "\n  uint64_t more;\n} qz_guard;");
    broken("qz_guard_begin_free(qz_guard *g, int64_t", "qz_guard_begin_free(qz_guard *g, int32_t");
    broken("QZ_MISUSE_ABORT = 2,", "");
    broken("QZ_INFINITE (-1)", "QZ_INFINITE (-3)");
    broken("(*fn)(int32_t misuse,", "(*fn)(int64_t misuse,");
}

#[test]
fn what_is_added_breaks_nothing_and_is_to_be_described() {
    expect(OUT_OF_DATE, "qz_status qz_guard_leave(qz_guard *g);", "$&\nqz_status qz_guard_new(qz_guard *g);", &[]);
    expect(OUT_OF_DATE, "QZ_ERR_NOT_INSIDE = -16,", "$& QZ_ERR_NEW = -99,", &[]);
}

/// A structure whose size the caller tells may grow, at its end only, and if a person says so.
#[test]
fn a_structure_may_grow_at_its_end() {
    let (at_its_end, within) =
        (("uint64_t not_inside;", "$& uint64_t more;"), ("uint64_t freed;", "$& uint64_t more;"));
    expect(BROKEN, at_its_end.0, at_its_end.1, &[]);
    expect(OUT_OF_DATE, at_its_end.0, at_its_end.1, &["--grown", "qz_stats"]);
    expect(BROKEN, within.0, within.1, &["--grown", "qz_stats"]);
    expect(BROKEN, "\n} qz_guard;", "\n  uint64_t more;\n} qz_guard;", &["--grown", "qz_stats"]);
}

/// With another soname there are no programs that rely on anything.
#[test]
fn a_raised_number_allows_everything() {
    expect(OUT_OF_DATE, "#define QZ_ABI_VERSION 1\n", "#define QZ_ABI_VERSION 2\n", &[]);
}
