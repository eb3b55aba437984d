//! What is drained while somebody is inside: ours and the rivals, behind one face.

use crate::subjects::{Boxed, TwoWords, new_token};
use quiescent_core::{Freed, HandleGuard, RundownRef, Token};
use std::time::Duration;

/// One object, to be drained once.
pub trait Drained: Sync {
    /// Is inside while `stay` runs.
    fn occupy(&self, stay: &mut dyn FnMut());
    /// Tries to enter again, as a caller who has not heard of the close: whether it was refused.
    fn is_refused(&self, attempt: usize) -> bool;
    /// Closes and waits: whether all were out before `timeout`.
    fn drain(&self, timeout: Duration) -> bool;
}

/// Makes fresh objects of one sort.
pub type Make = fn() -> Box<dyn Drained>;

/// A handle by its token. Those that are refused use `others`: tokens of earlier handles in the same
/// shells, or this one's.
pub struct ByToken {
    token: Token<Boxed>,
    others: Vec<Token<Boxed>>,
}

impl ByToken {
    /// Refused callers come with the token that is being freed.
    pub fn closed() -> Box<dyn Drained> {
        let token = new_token();
        Box::new(ByToken { token, others: vec![token] })
    }

    /// Refused callers come with tokens whose handles were freed before, one of them in the same shell.
    pub fn stale() -> Box<dyn Drained> {
        let others: Vec<_> = (0..64).map(|_| new_token()).collect();
        for token in &others {
            assert_eq!(token.free(Duration::ZERO), Ok(Freed::Destroyed), "nobody is inside");
        }
        Box::new(ByToken { token: new_token(), others })
    }
}

impl Drained for ByToken {
    fn occupy(&self, stay: &mut dyn FnMut()) {
        let _inside = self.token.enter(c"occupant").expect("it is open");
        stay();
    }

    fn is_refused(&self, attempt: usize) -> bool {
        self.others[attempt % self.others.len()].enter(c"refused").is_err()
    }

    fn drain(&self, timeout: Duration) -> bool {
        self.token.free(timeout) == Ok(Freed::Destroyed)
    }
}

/// Ours, embedded.
pub fn guard() -> Box<dyn Drained> {
    Box::new(HandleGuard::new())
}

impl Drained for HandleGuard {
    fn occupy(&self, stay: &mut dyn FnMut()) {
        let _inside = self.try_enter().expect("it is open");
        stay();
    }

    fn is_refused(&self, _attempt: usize) -> bool {
        self.try_enter().is_none()
    }

    fn drain(&self, timeout: Duration) -> bool {
        self.begin_free(timeout)
    }
}

/// Ours, for what opens again.
pub fn rundown() -> Box<dyn Drained> {
    Box::new(RundownRef::new())
}

impl Drained for RundownRef {
    fn occupy(&self, stay: &mut dyn FnMut()) {
        let _inside = self.try_acquire().expect("it is open");
        stay();
    }

    fn is_refused(&self, _attempt: usize) -> bool {
        self.try_acquire().is_err()
    }

    fn drain(&self, timeout: Duration) -> bool {
        self.wait_for_rundown_timeout(timeout)
    }
}

/// The run-down crate; its wait has no deadline.
pub fn run_down_crate() -> Box<dyn Drained> {
    Box::new(run_down::RundownRef::new())
}

impl Drained for run_down::RundownRef {
    fn occupy(&self, stay: &mut dyn FnMut()) {
        let _inside = self.try_acquire().expect("it is open");
        stay();
    }

    fn is_refused(&self, _attempt: usize) -> bool {
        self.try_acquire().is_err()
    }

    fn drain(&self, _timeout: Duration) -> bool {
        self.wait_for_rundown();
        true
    }
}

/// The classic guard.
pub fn two_words() -> Box<dyn Drained> {
    Box::<TwoWords>::default()
}

impl Drained for TwoWords {
    fn occupy(&self, stay: &mut dyn FnMut()) {
        assert!(self.enter(), "it is open");
        stay();
        self.leave();
    }

    fn is_refused(&self, _attempt: usize) -> bool {
        let entered = self.enter();
        if entered {
            self.leave();
        }
        !entered
    }

    fn drain(&self, timeout: Duration) -> bool {
        self.close_and_poll(timeout)
    }
}
