//! The shared library as a linker sees it: exactly the header's functions, one soname, not to be unloaded; and versions
//! that agree everywhere.

#[allow(dead_code, reason = "each test uses a part of it")]
mod parsed_header;

use harness::{Library, run};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

fn printed_by(tool: &str, arguments: &[&str], file: &Path) -> String {
    let mut command = Command::new(tool);
    command.env("LC_ALL", "C").args(arguments).arg(file);
    let outcome = run(&mut command, Duration::from_secs(60));
    outcome.expect_success();
    outcome.stdout
}

#[test]
fn the_library_exports_exactly_the_headers_functions() {
    let symbols = printed_by("nm", &["-D", "--defined-only"], &Library::built().shared);
    let exported: BTreeSet<&str> = symbols.lines().filter_map(|line| line.split_whitespace().last()).collect();
    let functions = parsed_header::functions();
    let declared: BTreeSet<&str> = functions.iter().map(|function| function.name.as_str()).collect();
    let missing: Vec<_> = declared.difference(&exported).collect();
    let surplus: Vec<_> = exported.difference(&declared).collect();
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "declared, not exported: {missing:?}; exported, not declared: {surplus:?}"
    );
}

/// All of them are code, and global: a weak one could be replaced by accident.
#[test]
fn every_export_is_a_global_function() {
    for line in printed_by("nm", &["-D", "--defined-only"], &Library::built().shared).lines() {
        assert_eq!(line.split_whitespace().nth(1), Some("T"), "{line}");
    }
}

/// What a program that links `libquiescent.a` gets: no other library's names may be taken by accident.
#[test]
fn the_archive_defines_the_headers_functions() {
    let symbols = printed_by("nm", &["-g", "--defined-only"], &Library::built().archive);
    let ours: BTreeSet<&str> = symbols
        .lines()
        .filter_map(|line| line.split_whitespace().last())
        .filter(|name| name.starts_with("qz_"))
        .collect();
    let functions = parsed_header::functions();
    let declared: BTreeSet<&str> = functions.iter().map(|function| function.name.as_str()).collect();
    assert_eq!(ours, declared);
}

#[test]
fn the_soname_ends_in_the_abi_version() {
    let dynamic = printed_by("readelf", &["-d", "-W"], &Library::built().shared);
    let abi = parsed_header::constants()["QZ_ABI_VERSION"];
    let soname = format!("libquiescent.so.{abi}");
    assert!(dynamic.contains(&format!("Library soname: [{soname}]")), "the soname is not {soname}:\n{dynamic}");
    assert_eq!(Library::built().soname, soname);
}

#[test]
fn the_library_cannot_be_unloaded() {
    let dynamic = printed_by("readelf", &["-d", "-W"], &Library::built().shared);
    let flags = dynamic.lines().find(|line| line.contains("(FLAGS_1)")).unwrap_or_default();
    assert!(flags.contains("NODELETE"), "no NODELETE flag:\n{dynamic}");
}

/// The loader must not have to make stacks executable, nor relocate code.
#[test]
fn the_library_is_hardened_as_usual() {
    let segments = printed_by("readelf", &["-l", "-W"], &Library::built().shared);
    let stack = segments.lines().find(|line| line.contains("GNU_STACK")).unwrap_or_default();
    assert!(!stack.contains("RWE") && !stack.is_empty(), "an executable stack:\n{segments}");
    let dynamic = printed_by("readelf", &["-d", "-W"], &Library::built().shared);
    assert!(!dynamic.contains("TEXTREL"), "text relocations:\n{dynamic}");
}

/// A library that needs its thread-local variables at a fixed place, or much of that place, cannot be loaded into a program
/// whose other libraries have used it up ("cannot allocate memory in static TLS block").
#[test]
fn the_library_can_be_loaded_late() {
    let dynamic = printed_by("readelf", &["-d", "-W"], &Library::built().shared);
    assert!(!dynamic.contains("STATIC_TLS"), "static thread-local storage:\n{dynamic}");
    let segments = printed_by("readelf", &["-l", "-W"], &Library::built().shared);
    let tls = segments.lines().find(|line| line.trim_start().starts_with("TLS")).expect("a TLS segment");
    let size =
        tls.split_whitespace().nth(5).and_then(|size| u64::from_str_radix(size.trim_start_matches("0x"), 16).ok());
    // What glibc keeps for descriptors (the tunable rtld.optional_static_tls) is 512 bytes, for all libraries together.
    assert!(size.is_some_and(|size| size <= 256), "{size:?} bytes of thread-local storage:\n{segments}");
}

/// Cargo.toml, the header's macros and (through `c/status.c`, which compares the functions with the macros) the library.
#[test]
fn the_headers_version_is_cargos() {
    let manifest = std::fs::read_to_string(harness::repository().join("Cargo.toml")).expect("Cargo.toml");
    let (_, package) = manifest.split_once("[workspace.package]").expect("a [workspace.package] section");
    let line = package.lines().find(|line| line.starts_with("version")).expect("a version");
    let version = line.split('"').nth(1).expect("a quoted version");
    let header = parsed_header::text();
    assert!(
        header.contains(&format!("#define QZ_VERSION \"{version}\"")),
        "Cargo.toml says {version}, the header does not"
    );
    let constants = parsed_header::constants();
    let parts = ["QZ_VERSION_MAJOR", "QZ_VERSION_MINOR", "QZ_VERSION_PATCH"].map(|name| constants[name].to_string());
    // Before a release the version may have a suffix, which the three numbers leave out.
    assert_eq!(parts.join("."), version.split(['-', '+']).next().unwrap_or_default());
}
