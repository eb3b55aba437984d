//! Who holds a lock, as it says itself: written into the lock's file, for people. Nothing hangs on it.
//!
//! A record of fixed length, text on lines, written in one step over the last one. A file that this library made begins
//! with the record's first line from the beginning; of every other one that is somebody's content nothing is ever written (see
//! [`Content`]). Whoever releases the lock writes a record that names nobody, if its own still stands there. One that was left by a
//! process that has ended since is not told of, if it ran on this machine.
//!
//! There is room for one. Of several that share a lock the last one to come is told of, and nobody once that one has gone; nor is one told
//! of that comes while another takes back its own record.

use crate::file_lock::sidecar::Content;
use crate::file_lock::system::Descriptor;
use crate::file_lock::{LockMode, system};
use crate::text::{Cut, Padded};
use std::fmt::{self, Write};

/// Who says that it holds a lock, or held it last and was killed. Information, never to be trusted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    process: u32,
    mode: LockMode,
    since: u64,
    program: [u8; PROGRAM],
    host: [u8; HOST],
    /// Which one of its process's holds.
    hold: u64,
}

/// Room for the name of a program; more is cut off. As much as Linux keeps, with a NUL.
const PROGRAM: usize = 16;
/// Room for the name of a machine.
const HOST: usize = 65;

const LENGTH: usize = 256;
const FIRST_LINE: &[u8] = b"locked with quiescent\n";

impl Holder {
    /// This process, from now on.
    fn here(mode: LockMode, hold: u64) -> Holder {
        let mut host = [0; HOST];
        system::host_name(&mut host);
        Holder {
            process: system::process_id(),
            mode,
            since: system::wall_clock(),
            program: super::process::program_name(),
            host,
            hold,
        }
    }

    /// The process, as its machine (and container) numbers it.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.process
    }

    /// How it holds it; of several that share it this is one.
    #[must_use]
    pub fn mode(&self) -> LockMode {
        self.mode
    }

    /// The time at which it took it, in seconds since 1970 by its clock.
    #[must_use]
    pub fn since(&self) -> u64 {
        self.since
    }

    /// Its program's name, cut to 15 bytes.
    #[must_use]
    pub fn program(&self) -> impl fmt::Display + '_ {
        Padded(&self.program)
    }

    /// Its machine's name.
    #[must_use]
    pub fn host(&self) -> impl fmt::Display + '_ {
        Padded(&self.host)
    }

    /// Program and machine, padded with NULs, at least one.
    #[must_use]
    pub fn names(&self) -> (&[u8; 16], &[u8; 65]) {
        (&self.program, &self.host)
    }

    fn has_ended(&self) -> bool {
        let mut host = [0; HOST];
        system::host_name(&mut host);
        host == self.host && system::has_ended(self.process)
    }

    fn parse(record: &[u8]) -> Option<Holder> {
        let mut lines = record.strip_prefix(FIRST_LINE)?.split(|byte| *byte == b'\n');
        let mut field = |name: &str| {
            let line = lines.next()?.strip_prefix(name.as_bytes())?.strip_prefix(b" ")?;
            std::str::from_utf8(line).ok()
        };
        Some(Holder {
            process: field("process")?.parse().ok().filter(|process| *process != 0)?,
            mode: if field("mode")? == "shared" { LockMode::Shared } else { LockMode::Exclusive },
            since: field("since")?.parse().ok()?,
            program: padded(field("program")?),
            host: padded(field("host")?),
            hold: field("hold")?.parse().ok()?,
        })
    }

    fn write(&self, record: &mut [u8; LENGTH]) {
        let room = record.len() - FIRST_LINE.len();
        record[..FIRST_LINE.len()].copy_from_slice(FIRST_LINE);
        let mode = if self.mode == LockMode::Shared { "shared" } else { "exclusive" };
        let _ = write!(
            Cut::within(&mut record[FIRST_LINE.len()..]),
            "process {}\nmode {mode}\nsince {}\nprogram {}\nhost {}\nhold {}\n",
            self.process,
            self.since,
            Padded(&self.program),
            Padded(&self.host),
            self.hold,
        );
        debug_assert!(room > PROGRAM + HOST + 104, "it fits");
    }
}

fn padded<const N: usize>(text: &str) -> [u8; N] {
    let mut bytes = [0; N];
    let fits = crate::text::fitting(text, N - 1);
    bytes[..fits.len()].copy_from_slice(fits.as_bytes());
    bytes
}

/// What is written when nobody holds it.
fn nobody() -> [u8; LENGTH] {
    let mut record = [b'\n'; LENGTH];
    record[..FIRST_LINE.len()].copy_from_slice(FIRST_LINE);
    record
}

/// Says that this library made `file`, which is new. That it cannot (a full disk) matters to nobody.
pub(super) fn mark(file: &Descriptor) {
    let _ = system::write_at_start(file, &nobody());
}

/// Whether who holds `file` may be written into it.
fn may_write(file: &Descriptor, content: Content) -> bool {
    let mut start = [0; FIRST_LINE.len()];
    match system::read_at_start(file, &mut start) {
        Ok(0) => content == Content::Sidecar,
        Ok(_) => start == FIRST_LINE,
        Err(_) => false,
    }
}

/// Says that this process holds `file` from now on, by that hold of its; what it said, if it did.
pub(super) fn note(file: &Descriptor, content: Content, mode: LockMode, hold: u64) -> Option<Holder> {
    if !may_write(file, content) {
        return None;
    }
    let mut record = [b'\n'; LENGTH];
    Holder::here(mode, hold).write(&mut record);
    // The NUL of the text.
    record.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b'\n');
    system::write_at_start(file, &record).ok()?;
    Holder::parse(&record)
}

/// Says that nobody holds `file`, unless by now another one says that it does (of those that share it), and not `noted`.
pub(super) fn note_release(file: &Descriptor, noted: &Holder) {
    if read(file).as_ref() == Some(noted) {
        let _ = system::write_at_start(file, &nobody());
    }
}

/// Who says that it holds `file`.
pub(super) fn read(file: &Descriptor) -> Option<Holder> {
    let mut record = [0; LENGTH];
    let length = system::read_at_start(file, &mut record).ok()?;
    Holder::parse(&record[..length]).filter(|holder| !holder.has_ended())
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} ({}) on {}", self.process, self.program(), self.host())?;
        let seconds = system::wall_clock().saturating_sub(self.since);
        write!(f, ", {seconds} s ago{}", if self.mode == LockMode::Shared { ", shared" } else { "" })
    }
}

impl fmt::Debug for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
