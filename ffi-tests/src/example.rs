//! The code in the documents, tried. What the words behind a fence say:
//!
//! | fence | what is done |
//! |---|---|
//! | `c`, `cpp`, `python` | a complete program: compiled without a warning, run, and it must succeed |
//! | `c crashes` | a complete program that must die under `AddressSanitizer` |
//! | `rust` | a doctest: `core/src/lib.rs` must list the document |
//! | `<language> <file>` | a piece of that file, which other tests build and run |
//! | `sh` | commands: each must be one that there is |
//! | `text` | right after a program: what it prints, where `…` stands for anything |
//! | `text <program>` | what that prints: for a test of the document's own |

use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;
use std::{env, fs};

use crate::markdown::{Block, Document};
use crate::{Link, Outcome, Program, python, repository, run, scratch_dir, try_run};

const LIMIT: Duration = Duration::from_secs(60);
/// How often a program that crashes may get away with it, or die of something else.
pub const ATTEMPTS: usize = 10;
/// What the documents call beside what is in the repository.
const COMMANDS: [&str; 7] = ["cc", "c++", "pip", "python3", "git", "cd", "ln"];
const OF_CARGO: [&str; 4] = ["build", "test", "doc", "add"];

/// Tries every piece of code of the document, and says how many programs were run.
///
/// # Panics
/// With the place and the reason, if one is not what it should be.
#[must_use]
#[track_caller]
pub fn try_all(document: &Document) -> usize {
    let mut programs = 0;
    let mut printed: Option<String> = None;
    for block in &document.blocks {
        let place = document.place(block.line);
        if block.language == "text" {
            if let Some(printed) = printed.take().filter(|_| block.remark.is_empty()) {
                check_output(&printed, &block.text).unwrap_or_else(|why| panic!("{place}: {why}"));
            }
            continue;
        }
        printed = try_one(document, block).unwrap_or_else(|why| panic!("{place}: {why}"));
        programs += usize::from(printed.is_some());
    }
    programs
}

/// What it printed, if it is a program.
fn try_one(document: &Document, block: &Block) -> Result<Option<String>, String> {
    match (block.language.as_str(), block.remark.as_str()) {
        ("c" | "cpp", "") => Ok(Some(compile(block, &[])?)),
        ("c", "crashes") => crash(block),
        ("python", "") => run_python(block),
        ("rust", "") => is_doctest(document).map(|()| None),
        ("sh", "") => block.text.replace("\\\n", "").lines().try_for_each(is_command).map(|()| None),
        ("c" | "cpp" | "rust" | "python", file) => is_piece(block, file).map(|()| None),
        (language, remark) => Err(format!("no test knows code of \"{language} {remark}\"")),
    }
}

/// A program with this code.
fn program(block: &Block, flags: &[&str]) -> Program {
    let name = format!("example-{}", block.line);
    let program = if block.language == "c" { Program::c(&name) } else { Program::cpp(&name).std("c++14") };
    let source = scratch_dir().join(format!("{name}.{}", block.language));
    fs::write(&source, &block.text).expect("the scratch directory is writable");
    flags.iter().fold(program.source(source), Program::flag)
}

fn compile(block: &Block, flags: &[&str]) -> Result<String, String> {
    let outcome = run(&mut Command::new(program(block, flags).try_build()?), LIMIT);
    outcome.expect_success();
    Ok(outcome.stdout)
}

fn crash(block: &Block) -> Result<Option<String>, String> {
    if !has_address_sanitizer() {
        return Ok(None);
    }
    let built = program(block, &["-fsanitize=address", "-O1"]).try_build()?;
    for _ in 0..ATTEMPTS {
        // One that goes on for ever got away with it, too.
        let Ok(outcome) = try_run(&mut Command::new(&built), Duration::from_secs(5)) else { continue };
        if outcome.stderr.contains("AddressSanitizer: heap-use-after-free") {
            return Ok(Some(outcome.stderr));
        }
    }
    Err(format!("it got away with it {ATTEMPTS} times"))
}

/// Whether the C compiler has `AddressSanitizer`: without it nothing can be said of programs that are to crash.
///
/// # Panics
/// If it has none in CI, where it must.
#[must_use]
pub fn has_address_sanitizer() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| {
        let source = scratch_dir().join("sanitized.c");
        fs::write(&source, "int main(void) { return 0; }\n").expect("the scratch directory is writable");
        let tried = Program::c("sanitized").source(source).link(Link::None).flag("-fsanitize=address").try_build();
        if let Err(messages) = &tried {
            assert!(env::var_os("CI").is_none(), "CI needs AddressSanitizer: {messages}");
            println!("skipped: the compiler has no AddressSanitizer: {messages}");
        }
        tried.is_ok()
    })
}

fn run_python(block: &Block) -> Result<Option<String>, String> {
    let Some(mut python) = python() else {
        println!("skipped: there is no python3");
        return Ok(None);
    };
    let source = scratch_dir().join(format!("example-{}.py", block.line));
    fs::write(&source, &block.text).map_err(|error| error.to_string())?;
    let outcome: Outcome = run(python.env("PYTHONPATH", repository().join("python/src")).arg("-B").arg(source), LIMIT);
    outcome.expect_success();
    Ok(Some(outcome.stdout))
}

fn is_doctest(document: &Document) -> Result<(), String> {
    let core = fs::read_to_string(repository().join("core/src/lib.rs")).expect("the core has a root");
    let listed = format!("include_str!(\"../../{}\")", document.path.display());
    if core.contains(&listed) { Ok(()) } else { Err(format!("core/src/lib.rs has no {listed}, so nothing tries it")) }
}

fn is_piece(block: &Block, file: &str) -> Result<(), String> {
    let whole = fs::read_to_string(repository().join(file)).map_err(|error| format!("{file}: {error}"))?;
    if whole.contains(&block.text) {
        return Ok(());
    }
    // The first line up to which all is there.
    let mut piece = String::new();
    for line in block.text.lines() {
        piece.push_str(line);
        piece.push('\n');
        if !whole.contains(&piece) {
            return Err(format!("{file} does not have this, or not here: {line}"));
        }
    }
    Ok(())
}

fn is_command(line: &str) -> Result<(), String> {
    let line = line.split(" #").next().unwrap_or_default();
    for command in line.split("&&").map(str::trim).filter(|command| !command.is_empty() && !command.starts_with('#')) {
        let mut words = command.split_whitespace().skip_while(|word| word.contains('='));
        let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let is_there = match first {
            "cargo" => OF_CARGO.contains(&second) || is_alias(second),
            _ if COMMANDS.contains(&first) || first.starts_with("./") => true,
            _ => repository().join(first).is_file(),
        };
        if !is_there {
            return Err(format!("there is no command for: {command}"));
        }
    }
    Ok(())
}

fn is_alias(name: &str) -> bool {
    let config = fs::read_to_string(repository().join(".cargo/config.toml")).unwrap_or_default();
    config.lines().any(|line| line.starts_with(&format!("{name} = ")))
}

/// Whether what a program `printed` has each line of `told`, in this order; `…` stands for anything.
///
/// # Errors
/// Which line is not there.
pub fn check_output(printed: &str, told: &str) -> Result<(), String> {
    let mut rest = printed;
    for line in told.lines() {
        for piece in line.split('…').map(str::trim) {
            let at = rest.find(piece).ok_or(format!("not printed, or not here: {line}\nit printed:\n{printed}"))?;
            rest = &rest[at + piece.len()..];
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(language: &str, remark: &str, text: &str) -> Block {
        Block { language: language.to_owned(), remark: remark.to_owned(), text: text.to_owned(), line: 1 }
    }

    #[test]
    fn what_is_printed_is_compared() {
        let printed = "one 17\ntwo 3 of 4\nthree\n";
        for right in ["one 17\n", "two 3 of 4\nthree\n", "one …\nthree\n", "t … of 4\nth…e\n"] {
            assert_eq!(check_output(printed, right), Ok(()), "{right}");
        }
        for wrong in ["one 18\n", "three\none 17\n", "two 3 of four\n", "one … five\n"] {
            assert!(check_output(printed, wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn wrong_code_is_noticed() {
        let readme = Document::read("README.md");
        let design = Document::read("DESIGN.md");
        let refused = |document: &Document, block: Block| try_one(document, &block).unwrap_err();
        assert!(refused(&readme, block("c", "", "int main(void) { return x; }")).contains("undeclared"));
        assert!(refused(&readme, block("cpp", "", "int main() { int unused; }")).contains("unused"));
        assert!(refused(&readme, block("sh", "", "cargo rce\n")).contains("cargo rce"));
        assert!(refused(&readme, block("sh", "", "scripts/tst # x\n")).contains("scripts/tst"));
        assert!(refused(&readme, block("", "", "?")).contains("no test knows"));
        assert!(refused(&design, block("rust", "", "fn main() {}")).contains("DESIGN.md"));
        assert!(
            refused(&readme, block("c", "ffi-tests/c/thing.h", "int thing_or_other;\n")).contains("thing_or_other")
        );
        assert!(refused(&readme, block("c", "no/such.c", "")).contains("no/such.c"));
        assert_eq!(try_one(&readme, &block("sh", "", "A=1 scripts/test && cargo race # x\n")), Ok(None));
    }
}
