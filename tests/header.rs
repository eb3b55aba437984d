//! The committed header is the one that this build generates.

#[test]
fn the_committed_header_is_up_to_date() {
    let committed = include_str!("../include/quiescent.h");
    let generated = include_str!(concat!(env!("OUT_DIR"), "/quiescent.h"));
    let differing = committed.lines().zip(generated.lines()).position(|(old, new)| old != new);
    if let Some(line) = differing.or_else(|| (committed != generated).then(|| committed.lines().count())) {
        panic!(
            "include/quiescent.h is out of date, first at line {}:\n  committed: {:?}\n  generated: {:?}\n\
             Run `QUIESCENT_UPDATE_HEADER=1 cargo build` and commit it.",
            line + 1,
            committed.lines().nth(line),
            generated.lines().nth(line),
        );
    }
}

/// Rust programs may use the C surface from the rlib; its version is the package's.
#[test]
fn the_version_is_the_packages() {
    // SAFETY: a static C string.
    let version = unsafe { std::ffi::CStr::from_ptr(quiescent::version::qz_version()) };
    assert_eq!(version.to_str(), Ok(env!("CARGO_PKG_VERSION")));
    let macro_line = format!("#define QZ_VERSION \"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(include_str!("../include/quiescent.h").lines().any(|line| line == macro_line), "missing: {macro_line}");
    let abi_line = format!("#define QZ_ABI_VERSION {}", quiescent::version::qz_abi_version());
    assert!(include_str!("../include/quiescent.h").lines().any(|line| line == abi_line), "missing: {abi_line}");
}
