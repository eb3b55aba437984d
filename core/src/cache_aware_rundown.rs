//! Cache-aware run-down: one that many threads acquire from at once, without sharing a cache line.
//!
//! As the NT kernel has beside the ordinary one (`ExAllocateCacheAwareRundownProtection` and its
//! siblings): ordinary run-downs, the *stripes*, each on cache lines of its own. A thread acquires from
//! the stripe that is its own; whoever releases, releases to the stripe that was acquired from. One more
//! run-down, the *whole*, is written only by who shuts down and opens again.
//!
//! # States
//!
//! The whole is a run-down whose references belong to the stripes: the step that closes it acquires one
//! for each stripe, and a stripe that completes gives its own back.
//!
//! | the whole | closed | count | generation | a stripe's closed, count, generation are then |
//! |---|---|---|---|---|
//! | open | – | 0 | g | unopened (yes, 0, g) or open (–, n, g) |
//! | in progress | yes | k > 0 | g | one of these two, or in progress (yes, n > 0, g), or complete (yes, 0, g + 1); k are not complete, or their completers are about to say so |
//! | complete | yes | 0 | g + 1 | complete (yes, 0, g + 1) |
//!
//! "Complete in life g" and "unopened in life g + 1" are one value of a stripe: what it is called depends
//! on the whole alone. So opening is one step, of the whole.
//!
//! # Protocol
//!
//! - *Acquire* counts in the caller's stripe, and looks at nothing else. Where the stripe is closed, it
//!   looks at the whole: if that is closed, the caller is refused with the whole's state; if it is open in
//!   the life that the stripe is unopened in, one step opens the stripe and counts.
//! - *Release* uncounts in the stripe. The step that makes a closed stripe idle moves its generation on,
//!   and whoever made it puts one reference of the whole back.
//! - *Run-down* closes the whole, or finds that it is, in life g. Then it closes every stripe that is in
//!   life g still, whoever closed the whole: generation and closed bit are judged in the step that closes.
//!   A stripe that is idle or unopened is completed by that step. Then it waits for the whole.
//! - *`re_init`* opens a complete whole.
//!
//! # Invariants
//!
//! 1. A stripe's generation is the whole's, or (complete, in progress the whole) one more. A step that
//!    closes a stripe or moves it on is one of a run-down of the stripe's own life.
//! 2. A stripe completes each life once, after the whole was closed in it, and then one reference of the
//!    whole is put back. So the whole completes with the last stripe, never before it, and its count does
//!    not run out.
//! 3. *Two run-downs at once* both close all stripes; each stripe is closed by one of them. Either may
//!    return first, and needs nothing of the other.
//! 4. *A run-down that has not looked at all stripes yet when another is done, and the whole is opened
//!    again:* the stripes it still looks at are in a later life, and stay as they are. Its own life is over
//!    for the whole, so it does not wait either. `re_init` need not know of it.
//! 5. *Two `re_init`*: the whole's step has one winner. *`re_init` beside a run-down of the life that it
//!    opens:* both are steps of the whole, so they have an order; there is no half-opened state to close.
//! 6. *An acquire that saw the whole open, and opens its stripe when the whole is closed again:* its step
//!    is judged by the stripe's value. It succeeds only before that run-down has closed the stripe, which
//!    is when an acquire on an opened stripe does, too; and that run-down closes it afterwards.
//! 7. *The instant of closing* is that of the last stripe: while somebody is closing, an acquire may still
//!    succeed on one stripe when another stripe refuses. A wait returns, with either answer, when each
//!    stripe was seen out of life g or closed in it. So an acquire that begins after that is refused
//!    until the next `re_init`; and so is one that begins after anybody was told "complete".
//! 8. A refused caller changes nothing.
//!
//! (Generations wrap: a run-down that is asleep between two steps for exactly 2^32 others would take the
//! life it finds for its own. The same is said of the ordinary run-down's waiters.)
//!
//! # Orderings, last touch
//!
//! Every step is one of `word.rs`, acquire and release. The work done under a reference is released into
//! its stripe, from there acquired by whoever completes the stripe, released into the whole, and acquired
//! by who waits for it. What the owner did before `re_init` is released into the whole, acquired by
//! whoever opens a stripe, and released to all who acquire from that stripe later. Who sees a stripe in
//! life g has acquired from somebody who saw the whole in life g; so it sees the whole in that life or
//! later, and looking again at both (acquire's loop) comes to an end.
//!
//! A release touches nothing after its last step, which is the whole's if it completed the stripe: the
//! wake after it uses the address only. So when a wait has answered "complete", no release that it waited
//! for needs the memory.
//!
//! # Checked by
//!
//! Models in `tests/loom/cache_aware_rundown.rs` (acquire vs run-down on two stripes, `re_init` vs
//! acquire, two waiters, run-down vs run-down, `re_init` vs run-down), the naive twin in `tests/twin.rs`,
//! and `scripts/sabotage`.

use crate::deadline::Deadline;
use crate::error::Error;
use crate::rundown::{RundownError, RundownRef};
use crate::word::Refused;
use std::time::Duration;

/// Protects an object that is shut down and opened again, and that many threads use at once: as
/// [`RundownRef`], but threads on different processors acquire and release without disturbing each other.
///
/// It takes 128 bytes for each processor (rounded up to a power of two, at most 64) and as many for
/// itself, and shutting down and opening again cost more. Take it where references are acquired from
/// several threads all the time, and a [`RundownRef`] otherwise.
///
/// ```
/// use quiescent_core::{CacheAwareRundown, RundownError};
///
/// let device = CacheAwareRundown::new()?;
/// std::thread::scope(|scope| {
///     for _ in 0..4 {
///         scope.spawn(|| drop(device.try_acquire().expect("open")));
///     }
/// });
/// device.wait_for_rundown();
/// assert_eq!(device.try_acquire().unwrap_err(), RundownError::Completed);
/// device.re_init().expect("complete");
/// assert!(device.try_acquire().is_ok());
/// # Ok::<(), quiescent_core::Error>(())
/// ```
// Aligned, so that who writes to what lies beside it does not disturb who reads the address of the stripes.
#[repr(align(128))]
pub struct CacheAwareRundown {
    whole: RundownRef,
    /// A power of two of them.
    stripes: Vec<Stripe>,
}

/// Two cache lines: processors fetch them in pairs.
#[repr(align(128))]
struct Stripe(RundownRef);

/// References acquired from a [`CacheAwareRundown`], released when dropped, on any thread. It cannot be
/// made by hand; forgetting it is safe (the run-down then does not complete).
#[must_use = "the references are released when this is dropped"]
#[derive(Debug)]
pub struct CacheAwareRundownGuard<'rundown> {
    rundown: &'rundown CacheAwareRundown,
    stripe: u32,
    references: u32,
}

impl CacheAwareRundown {
    /// Open, with no reference out.
    ///
    /// # Errors
    /// [`Error::NoMemory`].
    pub fn new() -> Result<CacheAwareRundown, Error> {
        let wanted = processors().clamp(1, 64).next_power_of_two();
        let mut stripes = Vec::new();
        stripes.try_reserve_exact(wanted).map_err(|_| Error::NoMemory)?;
        stripes.extend((0..wanted).map(|_| Stripe(RundownRef::new())));
        Ok(CacheAwareRundown { whole: RundownRef::new(), stripes })
    }

    /// Acquires one reference. Never blocks; a refused call writes nothing.
    ///
    /// # Errors
    /// [`RundownError::InProgress`], [`RundownError::Completed`] or [`RundownError::Limit`]: 16,777,214
    /// are out on this thread's stripe. While a run-down is about to begin, some threads are refused
    /// before others.
    #[cfg(not(loom))]
    #[inline]
    pub fn try_acquire(&self) -> Result<CacheAwareRundownGuard<'_>, RundownError> {
        self.try_acquire_n(1)
    }

    /// Acquires `references` at once, all or none; zero is allowed and protects nothing.
    ///
    /// # Errors
    /// As [`CacheAwareRundown::try_acquire`].
    #[cfg(not(loom))]
    #[inline]
    pub fn try_acquire_n(&self, references: u32) -> Result<CacheAwareRundownGuard<'_>, RundownError> {
        self.try_acquire_n_on(thread_number(), references)
    }

    /// [`CacheAwareRundown::try_acquire_n`] as the thread of that number: for the models and the twin.
    ///
    /// # Errors
    /// As [`CacheAwareRundown::try_acquire`].
    #[doc(hidden)]
    #[inline]
    pub fn try_acquire_n_on(&self, number: u32, references: u32) -> Result<CacheAwareRundownGuard<'_>, RundownError> {
        let stripe = number & (self.stripes() - 1);
        let acquired = &self.stripes[stripe as usize].0;
        match acquired.admit(references) {
            Ok(()) => {}
            Err(Refused::Limit) => return Err(RundownError::Limit),
            Err(Refused::Closed) => self.acquire_first(acquired, references)?,
        }
        Ok(CacheAwareRundownGuard { rundown: self, stripe, references })
    }

    /// Acquires from a stripe that was seen closed: it may be unopened.
    #[cold]
    fn acquire_first(&self, stripe: &RundownRef, references: u32) -> Result<(), RundownError> {
        loop {
            let whole = self.whole.look();
            if whole.is_closed() {
                return Err(RundownError::of_closed(whole));
            }
            // Neither: somebody has opened it meanwhile, or has run it down since.
            let acquired = stripe.admit_first(whole.generation(), references);
            match acquired.unwrap_or_else(|| stripe.admit(references)) {
                Ok(()) => return Ok(()),
                Err(Refused::Limit) => return Err(RundownError::Limit),
                Err(Refused::Closed) => {}
            }
        }
    }

    /// Begins the run-down and waits until every reference is released. Any number of threads may call
    /// it, at any time; on a completed run-down it returns at once. The caller must not hold a
    /// reference itself: it would wait for itself.
    pub fn wait_for_rundown(&self) {
        let completed = self.rundown_by(Deadline::NEVER);
        debug_assert!(completed, "never passes");
    }

    /// [`CacheAwareRundown::wait_for_rundown`] for at most `timeout`: whether the run-down is complete.
    /// After `false` it is still in progress: nothing can be acquired, on any thread, and one may wait
    /// again.
    #[must_use]
    pub fn wait_for_rundown_timeout(&self, timeout: Duration) -> bool {
        self.rundown_by(Deadline::after(timeout))
    }

    fn rundown_by(&self, deadline: Deadline) -> bool {
        let begun = self.whole.begin_with(self.stripes());
        if begun.is_quiescent() {
            return true;
        }
        let life = begun.generation();
        // Also where another has closed the whole: it may not have come to the stripes yet.
        for stripe in &self.stripes {
            if stripe.0.close_life(life) {
                self.stripe_completed();
            }
        }
        self.whole.outwaits(life, deadline)
    }

    /// Opens a completed run-down again. Re-initialise the protected object first: the moment this
    /// returns, others acquire.
    ///
    /// # Errors
    /// [`RundownError::InProgress`] while references are out, [`RundownError::NotBegun`] if it is open.
    /// Nothing was changed.
    pub fn re_init(&self) -> Result<(), RundownError> {
        // The stripes are opened by who acquires from them.
        self.whole.re_init()
    }

    /// Whether a run-down is complete: nothing is out, and nothing can be acquired before `re_init`.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.whole.look().is_quiescent()
    }

    /// How many stripes it has; [`CacheAwareRundownGuard::stripe`] is below that.
    #[must_use]
    #[inline]
    pub fn stripes(&self) -> u32 {
        // At most 64.
        u32::try_from(self.stripes.len()).unwrap_or(1)
    }

    /// Releases `references` of `stripe` for a caller that acquired them without keeping the
    /// [`CacheAwareRundownGuard`]: a C program.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if there is no such stripe; [`Error::NotInside`] when fewer are out on
    /// it. Nothing was changed.
    ///
    /// # Safety
    /// The caller acquired them from that stripe (and forgot those [`CacheAwareRundownGuard`]s) and has
    /// not released them before.
    pub unsafe fn release(&self, references: u32, stripe: u32) -> Result<(), Error> {
        if stripe >= self.stripes() {
            return Err(Error::InvalidArgument);
        }
        if self.put_back(references, stripe) { Ok(()) } else { Err(Error::NotInside) }
    }

    fn put_back(&self, references: u32, stripe: u32) -> bool {
        // After a step that completes nothing, the memory may belong to somebody else.
        match self.stripes[stripe as usize].0.put_back(references) {
            Ok(true) => self.stripe_completed(),
            Ok(false) => {}
            Err(_) => return false,
        }
        true
    }

    /// Gives back a stripe's reference of the whole. The last touch, for a release.
    fn stripe_completed(&self) {
        let put_back = self.whole.put_back(1);
        debug_assert!(put_back.is_ok(), "a stripe completes once in each run-down");
    }
}

impl CacheAwareRundownGuard<'_> {
    /// How many references this releases.
    #[must_use]
    pub fn references(&self) -> u32 {
        self.references
    }

    /// The stripe that they are released to.
    #[must_use]
    pub fn stripe(&self) -> u32 {
        self.stripe
    }
}

impl Drop for CacheAwareRundownGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        let released = self.rundown.put_back(self.references, self.stripe);
        debug_assert!(released, "references are released once");
    }
}

impl std::fmt::Debug for CacheAwareRundown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CacheAwareRundown({:?}; ", self.whole.look())?;
        f.debug_list().entries(self.stripes.iter().map(|stripe| stripe.0.look())).finish()?;
        f.write_str(")")
    }
}

/// The calling thread's, handed out one after the other: threads that were begun together have different stripes.
#[cfg(not(loom))]
#[inline]
fn thread_number() -> u32 {
    use crate::shim::{AtomicU32, Ordering};
    use std::cell::Cell;

    /// One more than the last; zero is nobody's.
    static LAST: AtomicU32 = AtomicU32::new(0);
    thread_local! {
        // Without a destructor, so that it can be read while other destructors run at the thread's end.
        static NUMBER: Cell<u32> = const { Cell::new(0) };
    }
    #[cold]
    fn first() -> u32 {
        // Relaxed: a number, and nothing behind it.
        NUMBER.set(LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1));
        NUMBER.get()
    }
    match NUMBER.get() {
        0 => first(),
        number => number,
    }
}

/// How many processors there are. (`std`'s `available_parallelism` allocates on Linux, and ends the process if it cannot.)
#[cfg(all(unix, not(loom)))]
fn processors() -> usize {
    // SAFETY: takes a number and answers one.
    let online = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    usize::try_from(online).unwrap_or(1)
}

#[cfg(all(not(unix), not(loom)))]
fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Two, so that a model has a stripe that another thread has not come to.
#[cfg(loom)]
fn processors() -> usize {
    2
}
