//! What the operating system refuses has a number and a path, and leaves nothing.

use crate::process::Other;
use crate::{Exclusive, Scratch, long};
use quiescent_core::Error;
use quiescent_core::file_lock::{FileLock, FileLockError};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

#[track_caller]
fn refused(path: impl AsRef<std::path::Path>, errno: i32) {
    let error = FileLock::open(path.as_ref()).expect_err("refused");
    assert_eq!(error.errno(), errno, "{error}");
    let named = error.path().as_os_str().as_bytes();
    assert!(named.is_empty() || named.ends_with(path.as_ref().as_os_str().as_bytes()), "{error}");
    assert!(error.to_string().contains(&format!("errno {errno}")), "{error}");
    assert_eq!(Error::from(error), Error::Io);
}

#[test]
fn what_is_no_file_is_refused() {
    let scratch = Scratch::new("errors");
    std::fs::create_dir(scratch.path("directory")).unwrap();
    refused(scratch.path("directory"), libc::EISDIR);
    symlink("circle", scratch.path("circle")).unwrap();
    refused(scratch.path("circle"), libc::ELOOP);
    refused(scratch.path("circle/file"), libc::ELOOP);
    std::fs::write(scratch.path("data"), "").unwrap();
    refused(scratch.path("data/file"), libc::ENOTDIR);
    refused(scratch.path(&"long".repeat(100)), libc::ENAMETOOLONG);
    refused(scratch.path("no\0where"), libc::EINVAL);
    refused("", libc::ENOENT);
    refused("/dev/null", libc::EINVAL);
    symlink("nowhere/at/all", scratch.path("dangling")).unwrap();
    refused(scratch.path("dangling"), libc::ENOENT);
}

/// A directory that was made on the way is not left.
#[test]
fn what_was_made_in_vain_is_removed() {
    let scratch = Scratch::new("undone");
    refused(scratch.path(&format!("a/b/c/{}", "long".repeat(100))), libc::ENAMETOOLONG);
    assert!(!scratch.path("a").exists());
    std::fs::create_dir(scratch.path("a")).unwrap();
    refused(scratch.path(&format!("a/b/c/{}", "long".repeat(100))), libc::ENAMETOOLONG);
    assert!(scratch.path("a").exists() && !scratch.path("a/b").exists());
}

/// A limit of what a process may write into files is none of its locks; and going beyond it would be a signal that ends it.
#[test]
fn who_may_not_write_may_lock() {
    let scratch = Scratch::new("limited");
    for limit in [0, 50] {
        let mut other = Other::play("limited", scratch.lock("file").path(), limit);
        assert_eq!(other.says(), "locked", "{limit} bytes");
        other.ends();
        std::fs::remove_file(scratch.path("new")).unwrap();
    }
}

#[test]
fn any_bytes_are_a_name() {
    let scratch = Scratch::new("bytes");
    let name = scratch.path("").join(OsStr::from_bytes(b"n\xFFme"));
    let lock = FileLock::open(&name).unwrap();
    assert_eq!(lock.path(), name);
    drop(lock.acquire(Exclusive, long()).unwrap());
    // A link to a name that is missing makes that.
    symlink("made", scratch.path("link")).unwrap();
    drop(scratch.lock("link").acquire(Exclusive, long()).unwrap());
    assert!(scratch.path("made").exists());
}

/// The file became a directory, or the way to it one that nobody may go.
#[test]
fn refused_later() {
    let scratch = Scratch::new("later");
    let lock = scratch.lock("sub/file");
    std::fs::remove_file(scratch.path("sub/file")).unwrap();
    std::fs::create_dir(scratch.path("sub/file")).unwrap();
    match lock.acquire(Exclusive, long()) {
        Err(FileLockError::Io(error)) => assert_eq!(error.errno(), libc::EISDIR),
        answer => panic!("{answer:?}"),
    }
    std::fs::remove_dir(scratch.path("sub/file")).unwrap();
    drop(lock.acquire(Exclusive, long()).expect("made again"));
}
