//! What the stories of `c-examples` print, and what their README says that they print.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::{env, fs};

use crate::markdown::Document;
use crate::repository;

const README: &str = "c-examples/README.md";

/// How what a story printed differs from what README says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// In README, and not printed.
    pub missing: Vec<String>,
    /// Printed, and not in README.
    pub extra: Vec<String>,
}

/// Whether README is to be made to say what is printed: `QUIESCENT_UPDATE_STORIES` is in the environment.
#[must_use]
pub fn is_updating() -> bool {
    env::var_os("QUIESCENT_UPDATE_STORIES").is_some()
}

/// Compares the block `text <name>` of README with what that story `printed`, as [`compare`] does; or makes README say it
/// ([`is_updating`]).
///
/// # Panics
/// If README has no such block.
#[must_use]
pub fn differences(name: &str, printed: &str) -> Differences {
    // The tests of one process write one after the other.
    static WRITING: Mutex<()> = Mutex::new(());
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let readme = Document::read(README);
    let block = readme.blocks.iter().find(|block| block.language == "text" && block.remark == name);
    let block = block.unwrap_or_else(|| panic!("{README} has no block \"text {name}\" with what the story prints"));
    if is_updating() {
        let (before, rest) = readme.text.split_once(&format!("```text {name}\n")).expect("there is one");
        let after = rest.strip_prefix(&block.text).expect("a block has its text");
        let text = printed.lines().map(|line| format!("{}\n", line.trim_end())).collect::<String>();
        let readme = format!("{before}```text {name}\n{}\n{after}", text.trim_matches('\n'));
        fs::write(repository().join(README), readme).expect("README is writable when it is to be updated");
        return Differences::default();
    }
    compare(&block.text, printed)
}

/// Compares two texts line by line, but for numbers and what is said behind a colon.
#[must_use]
pub fn compare(told: &str, printed: &str) -> Differences {
    let shapes = |text: &str| text.lines().map(shape).filter(|shape| !shape.is_empty()).collect::<BTreeSet<String>>();
    let (told, printed) = (shapes(told), shapes(printed));
    let without = |one: &BTreeSet<String>, other: &BTreeSet<String>| one.difference(other).cloned().collect();
    Differences { missing: without(&told, &printed), extra: without(&printed, &told) }
}

/// The line up to a colon, with `#` for each number, however many digits and groups of digits it has.
fn shape(line: &str) -> String {
    let line = line.split(": ").next().unwrap_or_default();
    let mut words: Vec<String> = Vec::new();
    for word in line.split_whitespace() {
        let is_digit = |c: char| c.is_ascii_digit() || c == '.';
        let core = word.trim_start_matches(is_digit);
        let word = if core.len() < word.len() && word.starts_with(|c: char| c.is_ascii_digit()) {
            format!("#{core}")
        } else {
            word.to_owned()
        };
        if !(word == "#" && words.last().is_some_and(|last| last == "#")) {
            words.push(word);
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_do_not_matter_and_words_do() {
        let told = "  151 ms  worker 1 goes home: waiting\n\n  admitted   484 136\n  p50  0.40 ms, 3\n";
        let same = "   9 ms  worker 17 goes home: printing\n admitted 7\n p50 12 ms, 1 003\n";
        assert_eq!(compare(told, same), Differences::default());
        let other = compare(told, "5 ms worker 1 goes out: waiting\nadmitted 1\np50 1 ms, 1\n");
        assert_eq!(other.missing, ["# ms worker # goes home"]);
        assert_eq!(other.extra, ["# ms worker # goes out"]);
    }
}
