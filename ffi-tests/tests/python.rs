//! Python through ctypes: the declarations agree with the header and with a C compiler, and the contract holds.

#[allow(dead_code, reason = "each test uses a part of it")]
mod parsed_header;

use harness::{Program, python, repository, run};
use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

/// What a script printed; `None` where there is no Python.
fn script(path: &str) -> Option<String> {
    let Some(mut python) = python() else {
        assert!(std::env::var_os("CI").is_none(), "CI has no python3");
        println!("skipped: there is no python3");
        return None;
    };
    // -B: no __pycache__ in the source tree. PYTHONMALLOC=debug would hide what the library does to the real allocator.
    let outcome = run(python.arg("-B").arg(repository().join(path)), Duration::from_secs(120));
    outcome.expect_success();
    Some(outcome.stdout)
}

fn declared() -> Option<serde_json::Value> {
    let json = script("ffi-tests/python/signatures.py")?;
    Some(serde_json::from_str(&json).unwrap_or_else(|error| panic!("signatures.py: {error}\n{json}")))
}

#[test]
fn every_function_is_declared_with_as_many_arguments() {
    let Some(declared) = declared() else { return };
    let python: BTreeMap<String, usize> =
        serde_json::from_value(declared["functions"].clone()).expect("a map of counts");
    let header: BTreeMap<String, usize> =
        parsed_header::functions().into_iter().map(|function| (function.name, function.arguments)).collect();
    assert_eq!(
        python, header,
        "python/src/quiescent/_abi.py (left) and include/quiescent.h (right) declare other functions"
    );
}

#[test]
fn every_number_is_the_headers() {
    let Some(declared) = declared() else { return };
    let python: BTreeMap<String, i64> =
        serde_json::from_value(declared["constants"].clone()).expect("a map of numbers");
    let mut header = parsed_header::constants();
    header.retain(|name, _| !name.starts_with("QZ_VERSION"));
    assert_eq!(
        python, header,
        "python/src/quiescent/_abi.py (left) and include/quiescent.h (right) have other numbers"
    );
}

#[test]
fn every_structure_has_the_layout_of_c() {
    let Some(declared) = declared() else { return };
    let python: BTreeMap<String, Vec<usize>> = serde_json::from_value(declared["layout"].clone()).expect("a layout");
    let program = Program::c("layout").source("ffi-tests/c/layout.c").build();
    let outcome = run(&mut Command::new(program), Duration::from_secs(20));
    let mut c = BTreeMap::new();
    for line in outcome.expect_success().stdout.lines() {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap_or_default().to_owned();
        c.insert(name, words.map(|number| number.parse().expect("a number")).collect::<Vec<usize>>());
    }
    assert_eq!(python, c, "python/src/quiescent/_abi.py (left) and ffi-tests/c/layout.h (right) have other layouts");
}

#[test]
fn the_contract_holds_for_ctypes() {
    if let Some(printed) = script("ffi-tests/python/handles.py") {
        println!("{printed}");
        assert!(printed.contains("collected_while_threads_use_it"), "it did not run to its end:\n{printed}");
    }
}
