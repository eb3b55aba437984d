//! README keeps its word: its programs are compiled and run, its commands are there, its numbers are those that were measured.

use harness::markdown::Document;
use harness::{Library, example, repository, run, scratch_dir, story};
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;

#[test]
fn its_programs_run() {
    let programs = example::try_all(&Document::read("README.md"));
    // C and C++, and the crash and Python where they can be; Rust is a doctest of the core.
    let expected = 2 + usize::from(example::has_address_sanitizer()) + usize::from(harness::python().is_some());
    assert!(programs >= expected, "only {programs} programs of {expected}");
}

/// "Start in C", pasted into a directory that looks like a clone that was built.
#[test]
fn its_command_builds_its_program() {
    let readme = Document::read("README.md");
    let at = readme.blocks.iter().position(|block| block.language == "sh" && block.text.contains("\ncc "));
    let at = at.expect("README says how to compile a C program");
    let source = readme.blocks[..at].iter().rfind(|block| block.language == "c").expect("there is one above");
    let command = readme.blocks[at].text.lines().find(|line| line.starts_with("cc ")).expect("it is a line");
    let file = command.split_whitespace().find(|word| word.ends_with(".c")).expect("it names the source");

    let dir = scratch_dir().join("as-in-readme");
    fs::create_dir_all(dir.join("target/release")).unwrap();
    symlink(repository().join("include"), dir.join("include")).unwrap();
    symlink(&Library::built().archive, dir.join("target/release/libquiescent.a")).unwrap();
    fs::write(dir.join(file), &source.text).unwrap();
    let outcome = run(Command::new("sh").args(["-ec", command]).current_dir(dir), Duration::from_secs(60));
    outcome.expect_success();
}

#[test]
fn its_times_are_those_of_the_benchmarks() {
    let (readme, report) = (Document::read("README.md").text, Document::read("docs/benchmarks/README.md").text);
    let mut times = 0;
    let words: Vec<&str> = readme.split_whitespace().collect();
    for pair in words.windows(2).filter(|pair| pair[1].trim_end_matches([',', '.', ')', ';']) == "ns") {
        assert!(report.contains(&format!(" {} ", pair[0])), "{} ns is not in docs/benchmarks", pair[0]);
        times += 1;
    }
    assert!(times >= 4, "README has {times} times: nothing was checked");
}

/// What it shows of the race is in what the race printed.
#[test]
fn its_piece_of_the_race_is_from_the_race() {
    let readme = Document::read("README.md");
    let piece = readme.blocks.iter().find(|block| block.remark == "sqlite_race").expect("it shows some");
    let whole = Document::read("c-examples/README.md");
    let whole = whole.blocks.iter().find(|block| block.remark == "sqlite_race").expect("they show all");
    assert_eq!(
        story::compare(&piece.text, &whole.text).missing,
        <[String; 0]>::default(),
        "the race does not print this"
    );
}
