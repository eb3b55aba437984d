//! The Python package: its own tests against the built library, its types, and its wheel in an environment of its own.

use harness::{Library, Outcome, python, repository, run, scratch_dir, skip};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// For what takes half a minute; the limit is for a hang.
const LIMIT: Duration = Duration::from_secs(400);

/// `python3 -B`, with what keeps the source tree clean.
fn python_quietly() -> Option<Command> {
    let mut command = python()?;
    command.arg("-B");
    Some(command)
}

/// Runs the package's tests.
fn unittest(python: &mut Command) -> Outcome {
    let outcome = run(
        python
            .args(["-B", "-W", "ignore::ResourceWarning", "-m", "unittest", "discover", "--start-directory"])
            .arg(tests()),
        LIMIT,
    );
    outcome.expect_success();
    assert!(!outcome.stderr.contains("Ran 0 tests"), "no test was found: {}", outcome.stderr);
    outcome
}

fn tests() -> PathBuf {
    repository().join("python/tests")
}

/// A virtual environment with `package`, kept in the target directory; `None` where the package index cannot be reached.
fn environment(name: &str, package: &str) -> Option<PathBuf> {
    let dir = Library::built().dir.parent().expect("the library lies in a directory").join(name);
    let interpreter = dir.join("bin/python");
    let works = |arguments: &[&str]| {
        Command::new(&interpreter).args(arguments).output().is_ok_and(|output| output.status.success())
    };
    if !works(&["-c", &format!("import {package}")]) {
        make_environment(&dir);
        if !works(&["-m", "pip", "install", "--quiet", "--disable-pip-version-check", package]) {
            return None;
        }
    }
    Some(interpreter)
}

fn make_environment(dir: &Path) {
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(dir), LIMIT).expect_success();
}

#[test]
fn its_tests_pass_against_the_built_library() {
    let Some(mut python) = python_quietly() else { return skip("there is no python3") };
    println!("{}", unittest(&mut python).stderr);
}

#[test]
fn its_types_are_sound() {
    if python().is_none() {
        return skip("there is no python3");
    }
    let Some(mypy) = environment("mypy", "mypy") else { return skip("mypy cannot be installed") };
    let mut command = Command::new(mypy);
    command.args(["-B", "-m", "mypy", "--strict", "--cache-dir", "/dev/null"]).arg("src/quiescent");
    run(command.current_dir(repository().join("python")), LIMIT).expect_success();
}

#[test]
fn a_wheel_works_in_an_environment_of_its_own() {
    if python().is_none() {
        return skip("there is no python3");
    }
    if environment("hatchling", "hatchling").is_none() {
        return skip("hatchling cannot be installed");
    }
    let dir = scratch_dir().join("wheel");
    let mut script = Command::new(repository().join("scripts/wheel"));
    // The library that the other tests use, too: cargo is not started a second time.
    let built = run(script.arg(&dir).env("QUIESCENT_LIBRARY", &Library::built().shared), LIMIT);
    let wheel = built.expect_success().stdout.trim().to_owned();
    assert!(wheel.contains("-py3-none-") && wheel.ends_with(".whl") && !wheel.contains("none-any"), "{wheel}");

    let fresh = dir.join("environment");
    make_environment(&fresh);
    let interpreter = fresh.join("bin/python");
    let install = ["-m", "pip", "install", "--quiet", "--no-index", "--disable-pip-version-check"];
    run(Command::new(&interpreter).args(install).arg(&wheel), LIMIT).expect_success();
    let where_from = "import quiescent, os; p = os.path.dirname(quiescent.__file__); print(p, sorted(os.listdir(p)), quiescent.library_version())";
    let outcome = run(Command::new(&interpreter).args(["-B", "-c", where_from]).env_remove("QUIESCENT_LIBRARY"), LIMIT);
    let listed = &outcome.expect_success().stdout;
    for part in ["environment", "libquiescent.so", "py.typed", env!("CARGO_PKG_VERSION_MAJOR")] {
        assert!(listed.contains(part), "no {part}: {listed}");
    }
    let mut command = Command::new(&interpreter);
    unittest(command.env_remove("QUIESCENT_LIBRARY").env("QUIESCENT_TEST_INSTALLED", "1"));
}
