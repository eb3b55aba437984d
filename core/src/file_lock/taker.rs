//! Who takes a hold, so that a thread that would wait for itself is told so at once.

#[cfg(not(loom))]
use crate::handle::AnyHandle;
use crate::sync::this_thread;

/// Who takes a hold, as far as that is known.
#[derive(Clone, Copy)]
pub(super) enum Taker {
    /// A future, whichever thread drives it.
    Task,
    /// The calling thread.
    Thread,
    /// The calling thread, for a hold of this handle.
    #[cfg(not(loom))]
    Handle(AnyHandle),
    /// That thread, for a hold of this handle, by a call that completes: it waits as a future does.
    #[cfg(not(loom))]
    Call(u64, AnyHandle),
}

/// Whose a hold is.
#[derive(Clone, Copy)]
pub(super) enum Whose {
    /// No thread's: a future took it, or it was passed on.
    Nobodys,
    /// That thread's.
    Thread(u64),
    /// That thread's, unless it has passed it on, which the handle knows.
    #[cfg(not(loom))]
    Handle(u64, AnyHandle),
}

impl Taker {
    /// A call by the calling thread.
    #[cfg(not(loom))]
    pub(super) fn call(handle: AnyHandle) -> Taker {
        Taker::Call(this_thread(), handle)
    }

    /// Whether a thread waits.
    pub(super) fn is_thread(self) -> bool {
        #[cfg(not(loom))]
        if matches!(self, Taker::Call(..)) {
            return false;
        }
        !matches!(self, Taker::Task)
    }

    /// Whose a hold is that it takes now.
    pub(super) fn takes(self) -> Whose {
        match self {
            Taker::Task => Whose::Nobodys,
            Taker::Thread => Whose::Thread(this_thread()),
            #[cfg(not(loom))]
            Taker::Handle(handle) => Whose::Handle(this_thread(), handle),
            #[cfg(not(loom))]
            Taker::Call(thread, handle) => Whose::Handle(thread, handle),
        }
    }
}

impl Whose {
    pub(super) fn is_this_threads(self) -> bool {
        match self {
            Whose::Nobodys => false,
            Whose::Thread(thread) => thread == this_thread(),
            #[cfg(not(loom))]
            Whose::Handle(thread, handle) => thread == this_thread() && handle.holds_of_this_thread() > 0,
        }
    }
}
