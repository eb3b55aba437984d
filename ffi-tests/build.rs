//! Hands the sources on what only a build script is told: the target, and where the bundled SQLite lies.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // `links = "sqlite3"` in libsqlite3-sys: INCLUDE holds sqlite3.h and sqlite3.c, LIB_DIR the libsqlite3.a it built.
    for (from, to) in [
        ("TARGET", "HARNESS_TARGET"),
        ("DEP_SQLITE3_INCLUDE", "HARNESS_SQLITE_INCLUDE"),
        ("DEP_SQLITE3_LIB_DIR", "HARNESS_SQLITE_LIB_DIR"),
    ] {
        println!("cargo:rerun-if-env-changed={from}");
        let value = env::var(from).unwrap_or_else(|_| panic!("cargo did not set {from} for this build script"));
        println!("cargo:rustc-env={to}={value}");
    }
}
