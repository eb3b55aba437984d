//! A directory of one's own for what a test process makes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::OnceLock;

use crate::Library;

/// This process's own directory under `<target directory>/ffi-tests/bin`; what dead processes left there is removed.
///
/// # Panics
/// Where it cannot be made.
pub fn scratch_dir() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let parent = Library::built().workdir.join("bin");
        sweep(&parent);
        let dir = parent.join(process::id().to_string());
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap_or_else(|error| panic!("cannot create {}: {error}", dir.display()));
        dir
    })
}

/// Removes directories named after processes that are no more. Best effort: another process may sweep as well.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_dead = |pid: &str| pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists();
        if Path::new("/proc/self").exists() && entry.file_name().to_str().is_some_and(is_dead) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
