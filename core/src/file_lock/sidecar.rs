//! The file under the lock: where it is, how it is made, and whether its name still leads to it.

use crate::file_lock::error::FileLockIoError;
use crate::file_lock::holder::{self, Holder};
use crate::file_lock::identity::Identity;
use crate::file_lock::system::{self, Descriptor, Errno};
use crate::shared::Shared;
use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// An absolute path, of whatever bytes, as it was named: links are followed anew each time.
pub(super) struct LockPath(Vec<u8>);

/// Who may write into the file who holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Somebody's own: written into only if this library has made the file.
    Kept,
    /// A lock and nothing else: also if it is empty.
    Sidecar,
}

/// An open file, and which it is.
pub(super) struct Opened {
    pub(super) file: Descriptor,
    pub(super) identity: Identity,
}

/// How often a file may vanish between two looks before that is an error.
const ROUNDS: u32 = 100;

impl LockPath {
    /// `path` from the current directory; `below` it, if that is not empty.
    pub(super) fn new(path: &[u8], below: &[u8]) -> Result<Shared<LockPath>, FileLockIoError> {
        let refuse = |errno| Err(FileLockIoError::without_path("name the file to lock", errno));
        if path.is_empty() {
            return refuse(libc::ENOENT);
        }
        if path.contains(&0) || below.contains(&0) {
            return refuse(libc::EINVAL);
        }
        let mut room = [0; libc::PATH_MAX as usize];
        let start: &[u8] = match path {
            [b'/', ..] => b"",
            _ => match system::current_directory(&mut room) {
                Ok(directory) => directory.to_bytes(),
                Err(errno) => return refuse(errno),
            },
        };
        let parts = [start, path, below];
        let mut bytes = Vec::new();
        let length = parts.iter().map(|part| part.len() + 1).sum::<usize>() + 1;
        bytes.try_reserve_exact(length).map_err(|_| FileLockIoError::no_memory())?;
        for part in parts.iter().filter(|part| !part.is_empty()) {
            if !bytes.is_empty() {
                bytes.push(b'/');
            }
            bytes.extend_from_slice(part);
        }
        bytes.push(0);
        Shared::try_new(LockPath(bytes)).ok_or_else(FileLockIoError::no_memory)
    }

    fn as_c_str(&self) -> &CStr {
        // It ends with the only NUL.
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }

    pub(super) fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(self.as_c_str().to_bytes()))
    }

    /// Whether the name leads to this file.
    pub(super) fn leads_to(&self, identity: Identity) -> bool {
        system::stat_path(self.as_c_str()).is_ok_and(|found| found.identity == identity)
    }
}

/// The identity of the file, which is made if need be.
pub(super) fn identify(path: &Shared<LockPath>) -> Result<Identity, FileLockIoError> {
    match system::stat_path(path.as_c_str()) {
        Ok(found) if found.is_regular => Ok(found.identity),
        _ => open(path).map(|opened| opened.identity),
    }
}

/// Opens the file, and makes it, and the directories above it, if they are missing. What it holds stays as it is.
pub(super) fn open(path: &Shared<LockPath>) -> Result<Opened, FileLockIoError> {
    let refuse = |errno| FileLockIoError::new("open the lock file", errno, path);
    let file = open_or_create(path.as_c_str()).map_err(refuse)?;
    let found = system::stat(&file).map_err(refuse)?;
    if !found.is_regular {
        return Err(FileLockIoError::new("lock what is no regular file:", libc::EINVAL, path));
    }
    Ok(Opened { identity: found.identity, file })
}

/// Who says that it holds the file.
pub(super) fn read_holder(path: &Shared<LockPath>) -> Result<Option<Holder>, FileLockIoError> {
    match system::open_to_read(path.as_c_str()) {
        Ok(file) => Ok(holder::read(&file)),
        Err(libc::ENOENT) => Ok(None),
        Err(errno) => Err(FileLockIoError::new("read the lock file", errno, path)),
    }
}

fn open_or_create(path: &CStr) -> Result<Descriptor, Errno> {
    let mut made = Parents { path, made: 0, below: 0 };
    let mut answer = Err(libc::ENOENT);
    let mut is_made_by_us = true;
    for round in 0..ROUNDS {
        answer = system::open(path, 0);
        if !matches!(answer, Err(libc::ENOENT)) {
            break;
        }
        answer = if is_made_by_us { make(path) } else { system::open(path, libc::O_CREAT) };
        match &answer {
            // Made by another one meanwhile; or a link to nowhere, which "exists" for who wants to be the one that makes it. Then it is
            // made without knowing by whom.
            Err(libc::EEXIST) => is_made_by_us = false,
            Err(libc::ENOENT) => {
                // A directory is missing. Nothing to make: a link that leads nowhere; twice, as somebody may remove them.
                let before = made.made;
                if let Err(errno) = made.make() {
                    answer = Err(errno);
                    break;
                }
                if made.made == before && round > 2 {
                    break;
                }
            }
            _ => break,
        }
    }
    if answer.is_err() {
        made.undo();
    }
    answer
}

/// Makes the file, unless its name is taken (`EEXIST`): its name leads to it once it is marked as made by this library. So what
/// somebody writes who finds it is kept. Where the system cannot do that, somebody may find it before: what he has
/// written by the time of the mark is lost, up to the mark's length.
fn make(path: &CStr) -> Result<Descriptor, Errno> {
    let end = path.to_bytes().iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    if let Ok(file) = up_to(path, end, system::open_nameless) {
        holder::mark(&file);
        match system::give_name(&file, path) {
            Ok(()) => return Ok(file),
            Err(libc::EEXIST) => return Err(libc::EEXIST),
            // Whatever it is, who cannot do it the other way either is told of that.
            Err(_) => {}
        }
    }
    let file = system::open(path, libc::O_CREAT | libc::O_EXCL)?;
    holder::mark(&file);
    Ok(file)
}

/// Calls with the path up to the byte at `end`.
fn up_to<R>(path: &CStr, end: usize, call: impl FnOnce(&CStr) -> Result<R, Errno>) -> Result<R, Errno> {
    let mut room = [0; libc::PATH_MAX as usize];
    let upper = path.to_bytes().get(..end).filter(|upper| upper.len() < room.len()).ok_or(libc::ENAMETOOLONG)?;
    room[..end].copy_from_slice(upper);
    call(CStr::from_bytes_until_nul(&room).map_err(|_| libc::ENAMETOOLONG)?)
}

/// The directories above a file that were missing.
struct Parents<'p> {
    path: &'p CStr,
    /// How many of them were made.
    made: usize,
    /// Where in the path the uppermost one that was made ends.
    below: usize,
}

impl Parents<'_> {
    fn make(&mut self) -> Result<(), Errno> {
        let path = self.path.to_bytes();
        for end in ends(path) {
            match up_to(self.path, end, system::make_directory) {
                Ok(()) => {
                    self.below = if self.made == 0 { end } else { self.below.min(end) };
                    self.made += 1;
                }
                Err(libc::EEXIST) => {}
                // Some systems say that there is nothing to be made in here before they say that it is there.
                Err(errno) => {
                    up_to(self.path, end, system::stat_path).map_err(|_| errno)?;
                }
            }
        }
        Ok(())
    }

    /// Takes away those that were made and are empty.
    fn undo(&self) {
        if self.made > 0 {
            for end in ends(self.path.to_bytes()).rev().take_while(|&end| end >= self.below) {
                let _ = up_to(self.path, end, |directory| {
                    system::remove_directory(directory);
                    Ok(())
                });
            }
        }
    }
}

/// Where the names of the directories above a file end.
fn ends(path: &[u8]) -> impl DoubleEndedIterator<Item = usize> {
    (1..path.len()).filter(move |&end| path[end] == b'/' && path[end - 1] != b'/')
}
