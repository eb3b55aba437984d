//! The Python package: its own tests against the built library, its types, and its wheel in environments of their own.

use harness::{Library, python, repository, run, scratch_dir, skip};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

/// For what takes half a minute; the limit is for a hang.
const LIMIT: Duration = Duration::from_secs(400);

/// Of the package's tests, those that an installed wheel passes every time; scripts/nightly tries all (`QUIESCENT_THOROUGH`).
const USUAL: &[&str] = &["test_examples", "test_kinds", "test_reach"];

/// With a part of a test's name in it, only such tests of the package are run: scripts/sabotage knows which must fail.
const ONE: &str = "QUIESCENT_PYTHON_TEST";

/// The versions that `scripts/nightly` looks for, with and without the lock of the interpreter.
const VERSIONS: std::ops::Range<u32> = 9..17;

fn is_thorough() -> bool {
    env::var_os("QUIESCENT_THOROUGH").is_some()
}

fn tests() -> PathBuf {
    repository().join("python/tests")
}

/// The names of all of the package's tests.
fn all_modules() -> Vec<String> {
    let files = fs::read_dir(tests()).expect("the package has tests").map(|entry| entry.unwrap().file_name());
    let names = files.filter_map(|name| name.to_str()?.strip_suffix(".py").map(str::to_owned));
    names.filter(|name| name.starts_with("test_")).collect()
}

/// Runs these tests of the package's, each module in a process of its own and all at once: they mostly wait.
fn unittest(python: &(dyn Fn() -> Command + Sync), modules: &[String]) {
    assert!(!modules.is_empty(), "no test was found");
    let one = env::var(ONE).map(|part| [vec!["-k".to_owned(), part], modules.to_vec()].concat());
    let runs = one.map_or_else(|_| modules.iter().map(|module| vec![module.clone()]).collect(), |one| vec![one]);
    thread::scope(|scope| {
        for tests_of in &runs {
            scope.spawn(move || {
                // -B: no __pycache__ in the source tree.
                let mut command = python();
                command
                    .args(["-B", "-W", "ignore::ResourceWarning", "-m", "unittest"])
                    .args(tests_of)
                    .current_dir(tests());
                let outcome = run(&mut command, LIMIT);
                outcome.expect_success();
                assert!(!outcome.stderr.contains("Ran 0 tests"), "{tests_of:?} has no test: {}", outcome.stderr);
                println!("{tests_of:?}: {}", outcome.stderr.trim());
            });
        }
    });
}

/// A virtual environment with `package`, kept in the target directory; `None` where the package index cannot be reached.
fn environment(package: &str) -> Option<PathBuf> {
    let dir = Library::built().dir.parent().expect("the library lies in a directory").join(package);
    let interpreter = dir.join("bin/python");
    let works = |arguments: &[&str]| {
        Command::new(&interpreter).args(arguments).output().is_ok_and(|output| output.status.success())
    };
    if !works(&["-c", &format!("import {package}")]) {
        make_environment(Path::new("python3"), &dir);
        if !works(&["-m", "pip", "install", "--quiet", "--disable-pip-version-check", package]) {
            return None;
        }
    }
    Some(interpreter)
}

fn make_environment(python: &Path, dir: &Path) {
    run(Command::new(python).args(["-m", "venv", "--clear"]).arg(dir), LIMIT).expect_success();
}

/// A fresh environment of `python` with what `arguments` say to install; its interpreter.
fn install(python: &Path, name: &str, arguments: &[&str]) -> PathBuf {
    let dir = scratch_dir().join(name);
    make_environment(python, &dir);
    let interpreter = dir.join("bin/python");
    let mut pip = Command::new(&interpreter);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(arguments);
    run(pip.env_remove("QUIESCENT_LIBRARY"), LIMIT).expect_success();
    interpreter
}

/// What is installed there is complete, is what is loaded, and works.
fn check_installed(interpreter: &Path) {
    let list = "import quiescent, os; p = os.path.dirname(quiescent.__file__); print(p, sorted(os.listdir(p)), quiescent.library_version())";
    let mut command = Command::new(interpreter);
    let outcome = run(command.args(["-B", "-c", list]).env_remove("QUIESCENT_LIBRARY"), LIMIT);
    let listed = &outcome.expect_success().stdout;
    for part in ["site-packages", "libquiescent.so", "py.typed", env!("CARGO_PKG_VERSION_MAJOR")] {
        assert!(listed.contains(part), "no {part}: {listed}");
    }
    let modules = if is_thorough() { all_modules() } else { USUAL.iter().map(|&name| name.to_owned()).collect() };
    let python = || {
        let mut command = Command::new(interpreter);
        command.env_remove("QUIESCENT_LIBRARY").env("QUIESCENT_TEST_INSTALLED", "1");
        command
    };
    unittest(&python, &modules);
}

/// Every other CPython that can be found: by name, among pyenv's, and what QUIESCENT_PYTHONS lists (as PATH does).
fn interpreters() -> Vec<PathBuf> {
    let mut candidates: Vec<PathBuf> =
        VERSIONS.flat_map(|minor| [format!("python3.{minor}"), format!("python3.{minor}t")]).map(Into::into).collect();
    let home = env::var_os("HOME").unwrap_or_default();
    let pyenv = env::var_os("PYENV_ROOT").map_or_else(|| Path::new(&home).join(".pyenv"), PathBuf::from);
    let versions = fs::read_dir(pyenv.join("versions")).into_iter().flatten().flatten();
    candidates.extend(versions.map(|version| version.path().join("bin/python3")));
    candidates.extend(env::var_os("QUIESCENT_PYTHONS").iter().flat_map(env::split_paths));

    let about = "import sys, ctypes, venv; assert sys.version_info >= (3, 9); print(sys.version, sys.abiflags)";
    let mut seen = Vec::new();
    candidates.retain(|candidate| {
        let asked = Command::new(candidate).args(["-c", about]).output();
        let answer = asked.ok().filter(|output| output.status.success()).map(|output| output.stdout);
        answer.is_some_and(|answer| !seen.contains(&answer) && (seen.push(answer), true).1)
    });
    candidates
}

#[test]
fn its_tests_pass_against_the_built_library() {
    if python().is_none() {
        return skip("there is no python3");
    }
    unittest(&|| python().expect("it was there"), &all_modules());
}

#[test]
fn its_types_are_sound() {
    if python().is_none() {
        return skip("there is no python3");
    }
    let Some(mypy) = environment("mypy") else { return skip("mypy cannot be installed") };
    let mut command = Command::new(mypy);
    command.args(["-B", "-m", "mypy", "--strict", "--cache-dir", "/dev/null", "src/quiescent", "examples"]);
    run(command.current_dir(repository().join("python")), LIMIT).expect_success();
    if is_thorough() {
        let Some(pyright) = environment("basedpyright") else { return skip("basedpyright cannot be installed") };
        let mut command = Command::new(pyright);
        let outcome = run(command.args(["-m", "basedpyright"]).current_dir(repository().join("python")), LIMIT);
        println!("{}", outcome.expect_success().stdout);
    }
}

#[test]
fn a_wheel_works_in_environments_of_its_own() {
    if python().is_none() {
        return skip("there is no python3");
    }
    if environment("hatchling").is_none() {
        return skip("hatchling cannot be installed");
    }
    let dir = scratch_dir().join("wheel");
    let mut script = Command::new(repository().join("scripts/wheel"));
    // The library that the other tests use, too: cargo is not started a second time.
    let built = run(script.arg(&dir).env("QUIESCENT_LIBRARY", &Library::built().shared), LIMIT);
    let wheel = built.expect_success().stdout.trim().to_owned();
    assert!(wheel.contains("-py3-none-") && wheel.ends_with(".whl") && !wheel.contains("none-any"), "{wheel}");

    check_installed(&install(Path::new("python3"), "wheel-python3", &["--no-index", &wheel]));
    if is_thorough() {
        let found = interpreters();
        assert!(found.len() > 1, "there is no second Python: {found:?}");
        for (number, python) in found.iter().enumerate() {
            println!("== {}", python.display());
            check_installed(&install(python, &format!("wheel-{number}"), &["--no-index", &wheel]));
        }
    }
}

/// `pip install ./python`, which builds the library with cargo. Not every time: it downloads what builds it once more.
#[test]
fn the_source_can_be_installed() {
    if !is_thorough() {
        return;
    }
    let source = repository().join("python");
    check_installed(&install(Path::new("python3"), "source", &[source.to_str().expect("a path in UTF-8")]));
}
