//! What is said before the process is aborted, without memory and without a lock.

use crate::handle::kind::{self, KINDS};
use crate::handle::life::Life as _;
use crate::handle::misuse::Misuse;
use crate::handle::resolved::Resolved;
use crate::text::{Cut, Padded};
use std::fmt::Write as _;

/// Says which misuse of `token` it is, and ends the process.
pub(super) fn abort(misuse: Misuse, token: u64) -> ! {
    let what = match misuse {
        Misuse::DoubleFree => "double free",
        Misuse::Stale => "stale use",
        Misuse::WrongKind => "wrong kind",
        Misuse::NotInside => "leave without an enter",
    };
    let mut line = [0; 256];
    let mut text = Cut::within(&mut line);
    let _ = write!(text, "quiescent: misuse, {what}: handle {token:#x}");
    if let Some((kind, label)) = names(token) {
        let (kind, label) = (Padded(&kind), Padded(&label));
        let _ = write!(text, " of kind '{kind}'");
        if !label.is_empty() {
            let _ = write!(text, ", '{label}'");
        }
    }
    let _ = writeln!(text);
    let length = text.length().min(line.len() - 1);
    say(std::str::from_utf8(&line[..length]).unwrap_or_default());
    std::process::abort();
}

/// The kind's name and the label of a handle that lives, or that was the last one in its shell.
fn names(token: u64) -> Option<([u8; 32], [u8; 32])> {
    let handle = Resolved::find(token).ok()?;
    let names = (kind_name(handle.shell.kind()), handle.shell.label.get());
    // Last: all of the above was this life's if the next one has not begun now.
    let state = handle.shell.look();
    let lives = state.generation() == handle.generation();
    let was_last = state.is_over() && state.generation() == handle.generation() + 1;
    (lives || was_last).then_some(names)
}

/// The name of `kind`, which may have no handle any more.
fn kind_name(kind: u64) -> [u8; 32] {
    if kind == kind::HOLDS {
        let mut name = [0; 32];
        name[..4].copy_from_slice(b"hold");
        return name;
    }
    if kind == KINDS {
        return kind::name_of(kind);
    }
    let Ok(found) = Resolved::find(kind) else { return [0; 32] };
    // Counted meanwhile, so that the kind's object is not destroyed under the read.
    if found.shell.admit(found.identity(Some(KINDS))).is_ok() || found.shell.visit(found.generation()) {
        let name = kind::name_of(kind);
        kind::release(kind);
        return name;
    }
    [0; 32]
}

/// Writes to the standard error output. Not by `std::io` where that has a lock: another thread's fork could have left it
/// taken.
#[cfg(unix)]
pub(super) fn say(text: &str) {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        // SAFETY: `rest` is readable for its length.
        let written = unsafe { libc::write(libc::STDERR_FILENO, rest.as_ptr().cast(), rest.len()) };
        match usize::try_from(written) {
            Ok(written) if written > 0 => rest = &rest[written..],
            // Nobody listens.
            _ => return,
        }
    }
}

#[cfg(not(unix))]
pub(super) fn say(text: &str) {
    let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
}
