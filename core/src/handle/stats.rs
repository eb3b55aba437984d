//! Statistics of this process's handles: what there is, looked for in the directory, and what has happened, added up
//! from the threads' counters.

use crate::handle::counters::{Counter, sum};
use crate::handle::info::Life;
use crate::handle::shell::Shell;
use crate::handle::{DIRECTORY, kind, many, token};

/// What there is, and how often things have happened. A look at moving targets: each number was right at some moment
/// during the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Handles that are not over; kinds and holds are not among them.
    pub live: u64,
    /// Handles among them that are left to the last one out, because a free gave up waiting.
    pub pending: u64,
    /// Kinds that are not over.
    pub kinds: u64,
    /// Pieces of memory that are never used again, because their generations are used up.
    pub retired: u64,
    /// Handles that were opened; kinds and holds are not counted.
    pub opened: u64,
    /// Handles whose object was destroyed.
    pub freed: u64,
    /// Frees of handles that found somebody inside: they waited, or gave up at once.
    pub drains: u64,
    /// Barriers across all processors, run by frees of busy handles.
    pub barriers: u64,
    /// Refusals that exported functions answered.
    pub refusals: Refusals,
    /// Misuses, counted unless they are ignored.
    pub misuses: Misuses,
}

/// Refusals, by their [`crate::Error`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// [`crate::Error::Null`].
    pub null: u64,
    /// [`crate::Error::BadHandle`].
    pub bad_handle: u64,
    /// [`crate::Error::WrongKind`].
    pub wrong_kind: u64,
    /// [`crate::Error::Freed`].
    pub freed: u64,
    /// [`crate::Error::Forked`].
    pub forked: u64,
    /// [`crate::Error::Busy`].
    pub busy: u64,
    /// Every other one.
    pub other: u64,
}

/// Misuses, by their [`crate::handle::Misuse`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Misuses {
    /// [`crate::handle::Misuse::DoubleFree`].
    pub double_free: u64,
    /// [`crate::handle::Misuse::Stale`].
    pub stale: u64,
    /// [`crate::handle::Misuse::WrongKind`].
    pub wrong_kind: u64,
    /// [`crate::handle::Misuse::NotInside`].
    pub not_inside: u64,
}

/// The statistics of this process. Looks at every shell and at every thread's record; allocates nothing.
#[must_use]
pub fn stats() -> Stats {
    let (mut live, mut pending) = (0, 0);
    for handle in many::live(None) {
        live += 1;
        pending += u64::from(handle.life() == Life::Pending);
    }
    Stats {
        live,
        pending,
        kinds: many::live(Some(kind::KINDS)).map(|_| 1).sum(),
        retired: retired(DIRECTORY.shells().map(|(_, shell)| shell), token::GENERATION_MAX),
        opened: sum(Counter::Opened),
        freed: sum(Counter::Freed),
        drains: sum(Counter::Drains),
        barriers: sum(Counter::Barriers),
        refusals: Refusals {
            null: sum(Counter::RefusedNull),
            bad_handle: sum(Counter::RefusedBadHandle),
            wrong_kind: sum(Counter::RefusedWrongKind),
            freed: sum(Counter::RefusedFreed),
            forked: sum(Counter::RefusedForked),
            busy: sum(Counter::RefusedBusy),
            other: sum(Counter::RefusedOther),
        },
        misuses: Misuses {
            double_free: sum(Counter::DoubleFree),
            stale: sum(Counter::Stale),
            wrong_kind: sum(Counter::WrongKind),
            not_inside: sum(Counter::NotInside),
        },
    }
}

/// How many of `shells` have outlived the last generation that a token can name.
fn retired<'s>(shells: impl Iterator<Item = &'s Shell>, generation_max: u32) -> u64 {
    shells.map(|shell| u64::from(shell.look().generation() > generation_max)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handle::directory::Directory;
    use crate::handle::ending::Close;
    use crate::handle::shell::{Identity, Tenant};

    #[test]
    fn a_shell_is_retired_after_its_last_generation_and_not_before() {
        const LAST: u32 = 3;
        let directory = Directory::<1>::new(LAST);
        let retired = || retired(directory.shells().map(|(_, shell)| shell), LAST);
        for life in 1..=2 * LAST {
            assert_eq!(retired(), u64::from((life - 1) / LAST), "before life {life}");
            let (index, shell) = directory.take().expect("there is room");
            let generation =
                shell.open(Tenant { kind: 7, object: std::ptr::null_mut(), target: 0, key: 1, index: 0 }, 1);
            assert_eq!(retired(), u64::from((life - 1) / LAST), "in life {life}");
            assert_eq!(shell.close(Identity { generation, kind: None }), Ok(Close::Idle));
            directory.give_back(index, shell.vacate(generation).generation);
        }
        assert_eq!((retired(), directory.shells().count()), (2, 2));
    }
}
