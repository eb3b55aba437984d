//! Misuse: what a correct program does not do. It is refused like everything else; here somebody is told of it.
//!
//! Told of are calls whose token the shell itself refused, in the step that refused it: a call that merely came too
//! late, while the handle was being freed, is no misuse. Nor are calls that only ask (`wait_freed`, `on_freed`,
//! `is_closing`, `info`, `occupants`): a life that is over is one of their answers.
//!
//! Nothing of this is on the way of a call that is not refused.

mod environment;
mod hook;
mod last_words;

pub(crate) use environment::read;
pub use hook::{MisuseHook, set_misuse_hook};

use crate::Error;
use crate::handle::counters::{Counter, count};
use crate::handle::kind::AnyKind;
use crate::handle::shell::Refusal;
use crate::shim::{AtomicU32, Ordering};

/// What a correct program does not do. The numbers are those of the C surface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Misuse {
    /// A free (or a release of a hold) of what was over before.
    DoubleFree = 1,
    /// Any other use of what was over before.
    Stale = 2,
    /// A live handle of another kind.
    WrongKind = 3,
    /// A leave without an enter, of a live handle.
    NotInside = 4,
}

/// What is done about misuse. The numbers are those of the C surface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum MisuseLevel {
    /// Nothing, but that the call is refused.
    Ignore = 0,
    /// It is counted, and the hook is told.
    Count = 1,
    /// After that, a line is written to the standard error output, and the process is aborted.
    Abort = 2,
}

/// A [`MisuseLevel`], or [`NOT_SET`].
static LEVEL: AtomicU32 = AtomicU32::new(NOT_SET);
/// The environment may still set it. Until then misuse is ignored.
const NOT_SET: u32 = 3;

/// Sets what is done about misuse, whatever the environment says.
pub fn set_misuse_level(level: MisuseLevel) {
    // Relaxed, here and below: nothing else hangs on it.
    LEVEL.store(level as u32, Ordering::Relaxed);
}

/// Sets it, unless the program did.
fn set_default(level: MisuseLevel) {
    let _ = LEVEL.compare_exchange(NOT_SET, level as u32, Ordering::Relaxed, Ordering::Relaxed);
}

/// Tells of a misuse of `token`.
#[cold]
pub(crate) fn tell(misuse: Misuse, token: u64) {
    let level = LEVEL.load(Ordering::Relaxed);
    if level == NOT_SET || level == MisuseLevel::Ignore as u32 {
        return;
    }
    count(match misuse {
        Misuse::DoubleFree => Counter::DoubleFree,
        Misuse::Stale => Counter::Stale,
        Misuse::WrongKind => Counter::WrongKind,
        Misuse::NotInside => Counter::NotInside,
    });
    hook::call(misuse, token);
    if level == MisuseLevel::Abort as u32 {
        last_words::abort(misuse, token);
    }
}

/// What to answer a use of `token` that its shell refused.
#[cold]
pub(crate) fn refuse(token: u64, refusal: Refusal) -> Error {
    match refusal {
        Refusal::Stale => tell(Misuse::Stale, token),
        Refusal::WrongKind => tell(Misuse::WrongKind, token),
        // Garbage is nobody's handle; a handle that is being freed is not over yet.
        Refusal::NeverIssued | Refusal::Closed | Refusal::Limit => {}
    }
    refusal.into()
}

/// What to answer an enter that the shell refused, by a caller whose `kind` may be no kind at all.
#[cold]
pub(crate) fn refuse_entry(token: u64, kind: AnyKind, refusal: Refusal) -> Error {
    let error = kind.explain(refusal.into());
    if error == refusal.into() { refuse(token, refusal) } else { error }
}
