//! The SQLite that `libsqlite3-sys` bundles, ready to be linked with a C program.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::process;

use crate::Library;
use crate::program::{compile, compiler};

/// The directory with `sqlite3.h` (and `sqlite3.c`).
#[must_use]
pub fn include() -> PathBuf {
    PathBuf::from(env!("HARNESS_SQLITE_INCLUDE"))
}

/// `libsqlite3.a` as the crate built it: thread-safe in SQLite's serialized mode.
#[must_use]
pub fn archive() -> PathBuf {
    PathBuf::from(env!("HARNESS_SQLITE_LIB_DIR")).join("libsqlite3.a")
}

/// The same SQLite, compiled once more with `flags` (a sanitizer) into an object file, which later calls find again.
///
/// # Errors
/// The command and the compiler's messages.
pub fn object(flags: &[&str]) -> Result<PathBuf, String> {
    // -O0: the optimiser would take a minute, and whoever asks for this build asks for checks, not for speed.
    const FIXED: [&str; 6] = ["-O0", "-g1", "-w", "-pthread", "-DSQLITE_THREADSAFE=1", "-DSQLITE_OMIT_LOAD_EXTENSION"];
    let source = include().join("sqlite3.c");
    let mut command = compiler(false);
    command.args(FIXED).args(flags).arg("-c").arg(&source);

    // Named after the whole command, in which the crate's version is part of the source's path.
    let mut hasher = DefaultHasher::new();
    format!("{command:?}").hash(&mut hasher);
    let dir = Library::built().workdir.join("sqlite");
    let path = dir.join(format!("{:016x}.o", hasher.finish()));
    if path.exists() {
        return Ok(path);
    }
    fs::create_dir_all(&dir).map_err(|error| format!("cannot create {}: {error}", dir.display()))?;
    // Renamed into place when complete: another process may be compiling the same.
    let unique = dir.join(format!("{}.o", process::id()));
    compile(command.arg("-o").arg(&unique))?;
    fs::rename(&unique, &path).map_err(|error| format!("cannot create {}: {error}", path.display()))?;
    Ok(path)
}
