//! The SQLite that `libsqlite3-sys` bundles, ready to be linked with a C program.

use std::fs;
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
    // The crate's version is in the name of its directory, the flags in the name of the file: a new one is compiled
    // when either changes.
    let include = include();
    let version = include
        .parent()
        .and_then(|dir| dir.file_name())
        .map_or_else(String::new, |dir| dir.to_string_lossy().into_owned());
    let name: String = flags.concat().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let dir = Library::built().workdir.join("sqlite");
    let path = dir.join(format!("{version}{name}.o"));
    if path.exists() {
        return Ok(path);
    }
    fs::create_dir_all(&dir).map_err(|error| format!("cannot create {}: {error}", dir.display()))?;
    // -O0: the optimiser would take a minute, and whoever asks for this build asks for checks, not for speed.
    // Renamed into place when complete: another process may be compiling the same.
    let unique = dir.join(format!("{}.o", process::id()));
    let mut command = compiler(false);
    command.args(["-w", "-g1", "-O0", "-pthread", "-DSQLITE_THREADSAFE=1", "-DSQLITE_OMIT_LOAD_EXTENSION"]);
    command.args(flags).arg("-c").arg(include.join("sqlite3.c")).arg("-o").arg(&unique);
    compile(&mut command)?;
    fs::rename(&unique, &path).map_err(|error| format!("cannot create {}: {error}", path.display()))?;
    Ok(path)
}
