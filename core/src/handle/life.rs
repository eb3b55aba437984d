//! One life of a shell, as the layer that gave it an object sees it.

use crate::handle::ending::Vacated;
use crate::handle::shell::Shell;

/// What the protocol asks of that layer.
#[allow(clippy::must_use_candidate, reason = "the answers are used by the protocol alone")]
pub trait Life {
    /// Which life of the shell it is.
    fn generation(&self) -> u32;
    /// The closer found somebody inside: it is about to wait, or to give up at once. Called once for each closer.
    fn on_wait(&self) {}
    /// Wakes what blocks. Called by the closer, which is counted meanwhile. Answers whether it wants to
    /// be called again.
    fn on_close(&self) -> bool;
    /// Whether the caller waits for itself: it is inside, or its own holds are all of the `in_flight`.
    fn waits_for_itself(&self, in_flight: u32) -> bool;
    /// Whether the caller may come to wait for itself when others leave: it has holds of its own.
    fn may_wait_for_itself_later(&self) -> bool;
    /// How many slots protect it; to be asked through `lane::in_slots`.
    fn protecting(&self) -> u32;
    /// Whether any does, with the fence of `lane::in_slots` before it. It need not look further than to the first.
    fn is_protected(&self) -> bool {
        self.protecting() > 0
    }
    /// Whether no other thread has slots; to be asked through `lane::settle`.
    fn is_alone(&self) -> bool;
    /// It was over when a free that named it looked.
    fn freed_again(&self) {}
    /// Destroys the object. Called once, by the owner of the end.
    fn on_destroy(&self);
    /// The life is over; the shell is still the caller's.
    fn vacated(&self, vacated: Vacated);
}

/// Ends a life. Only for the owner of its end.
pub fn end<L: Life>(shell: &Shell, life: &L) {
    life.on_destroy();
    life.vacated(shell.vacate(life.generation()));
}
