//! The recommended flavour: C holds tokens, and everything that can go wrong is taken care of elsewhere.
//!
//! The recipe:
//!
//! 1. Write an ordinary Rust type whose methods take `&self` and answer `Result<_, Error>`. `Drop` is the
//!    destructor: it runs exactly once, after the last operation has left.
//! 2. `impl Handle`: name its kind, and wake in `on_close` whatever blocks in a method. Set a flag under
//!    the lock the method waits with, so that who begins to wait a moment later sees it.
//! 3. Declare an empty struct for C to point at. No pointer to it is ever dereferenced.
//! 4. Export functions that hand over to [`ffi`]. It refuses NULL, garbage, stale tokens and other kinds,
//!    counts the operation, contains panics, and keeps the words for `rc_last_error`. What is left to
//!    promise in a SAFETY comment is about the other pointers of the caller's.
//!
//! Look at the out-pointer *before* doing what cannot be undone: `ffi::produce` and `ffi::answer` do. A message popped for
//! a caller who cannot be given it would be lost.

use quiescent_core::ffi::{self, Status};
use quiescent_core::{Error, Handle, Kind, Token};
use std::collections::VecDeque;
use std::ffi::c_void;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A caller's pointer, passed on from thread to thread.
struct Message(*mut c_void);
// SAFETY: whoever pushes it promises that it may be popped, or discarded, on any thread.
unsafe impl Send for Message {}

/// A bounded queue of messages.
struct Queue {
    state: Mutex<State>,
    capacity: usize,
    arrived: Condvar,
    room: Condvar,
    discard: Option<unsafe extern "C" fn(message: *mut c_void)>,
}

struct State {
    messages: VecDeque<Message>,
    closing: bool,
}

static QUEUE: Kind<Queue> = Kind::new("message queue");

impl Handle for Queue {
    fn kind() -> &'static Kind<Queue> {
        &QUEUE
    }

    /// May be called more than once, and need not be: whoever waits has looked at the flag.
    fn on_close(&self) {
        self.lock().closing = true;
        self.arrived.notify_all();
        self.room.notify_all();
    }
}

impl Queue {
    fn new(capacity: usize, discard: Option<unsafe extern "C" fn(message: *mut c_void)>) -> Result<Queue, Error> {
        if capacity == 0 {
            return Err(Error::InvalidArgument);
        }
        let mut messages = VecDeque::new();
        messages.try_reserve_exact(capacity).map_err(|_| Error::NoMemory)?;
        let state = Mutex::new(State { messages, closing: false });
        Ok(Queue { state, capacity, arrived: Condvar::new(), room: Condvar::new(), discard })
    }

    /// A panic elsewhere does not make the state wrong: each change of it is one step.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits at `turn` while `hopeless`; answers the state as it is then, unless the queue is being freed.
    fn wait(
        &self,
        turn: &Condvar,
        timeout: Duration,
        hopeless: impl Fn(&State) -> bool,
    ) -> Result<MutexGuard<'_, State>, Error> {
        let waited = turn.wait_timeout_while(self.lock(), timeout, |state| hopeless(state) && !state.closing);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.closing { Err(Error::Freed) } else { Ok(state) }
    }

    fn push(&self, message: Message, timeout: Duration) -> Result<(), Error> {
        let mut state = self.wait(&self.room, timeout, |state| state.messages.len() == self.capacity)?;
        if state.messages.len() == self.capacity {
            return Err(Error::Timeout);
        }
        state.messages.push_back(message);
        self.arrived.notify_one();
        Ok(())
    }

    fn pop(&self, timeout: Duration) -> Result<*mut c_void, Error> {
        let mut state = self.wait(&self.arrived, timeout, |state| state.messages.is_empty())?;
        let message = state.messages.pop_front().ok_or(Error::Timeout)?;
        self.room.notify_one();
        Ok(message.0)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let Some(discard) = self.discard else { return };
        for message in self.lock().messages.drain(..) {
            // SAFETY: the caller of `mq_new` promises that each message may be passed to it, on any thread.
            unsafe { discard(message.0) };
        }
    }
}

/// A message queue, as C holds it.
pub struct mq {
    _token: (),
}

/// A hold on a message queue, as C holds it.
pub struct mq_hold {
    _token: (),
}

/// Opens a queue.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mq_new(
    capacity: usize,
    discard: Option<unsafe extern "C" fn(message: *mut c_void)>,
    out_queue: *mut *mut mq,
) -> Status {
    // SAFETY: `out_queue` is NULL or writable.
    unsafe { ffi::open(out_queue, || Queue::new(capacity, discard)) }
}

/// Puts a message in.
#[unsafe(no_mangle)]
pub extern "C" fn mq_push(queue: *mut mq, message: *mut c_void, timeout_ms: i64) -> Status {
    ffi::with(queue, c"mq_push", |queue: &Queue| queue.push(Message(message), ffi::timeout(timeout_ms)?))
}

/// Takes a message out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mq_pop(queue: *mut mq, timeout_ms: i64, out_message: *mut *mut c_void) -> Status {
    let pop = || Token::<Queue>::from_raw(queue).enter(c"mq_pop")?.pop(ffi::timeout(timeout_ms)?);
    // SAFETY: `out_message` is NULL or writable.
    unsafe { ffi::produce(out_message, pop) }
}

/// Takes out all that is there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mq_drain(
    queue: *mut mq,
    each: Option<unsafe extern "C" fn(message: *mut c_void, ctx: *mut c_void)>,
    ctx: *mut c_void,
) -> Status {
    ffi::with(queue, c"mq_drain", |queue: &Queue| {
        let each = each.ok_or(Error::Null)?;
        while let Ok(message) = queue.pop(Duration::ZERO) {
            // SAFETY: `each` may be called with each message, and `ctx`. No lock is held: it may do what it likes.
            unsafe { each(message, ctx) };
        }
        Ok(())
    })
}

/// Counts the messages.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mq_len(queue: *mut mq, out_len: *mut usize) -> Status {
    // SAFETY: `out_len` is NULL or writable.
    unsafe { ffi::answer(queue, c"mq_len", out_len, |queue: &Queue| Ok(queue.lock().messages.len())) }
}

/// Keeps the queue from being destroyed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mq_hold_take(queue: *mut mq, out_hold: *mut *mut mq_hold) -> Status {
    // SAFETY: `out_hold` is NULL or writable.
    unsafe { ffi::hold::<Queue>(queue, c"mq_hold_take", out_hold) }
}

/// Gives a hold back.
#[unsafe(no_mangle)]
pub extern "C" fn mq_hold_release(hold: *mut mq_hold) -> Status {
    ffi::release(hold)
}

/// Frees the queue.
#[unsafe(no_mangle)]
pub extern "C" fn mq_free(queue: *mut mq, timeout_ms: i64) -> Status {
    ffi::free::<Queue>(queue, timeout_ms)
}

/// Frees the queue if nobody is using it.
#[unsafe(no_mangle)]
pub extern "C" fn mq_try_free(queue: *mut mq) -> Status {
    ffi::try_free::<Queue>(queue)
}

/// Waits until the queue is destroyed.
#[unsafe(no_mangle)]
pub extern "C" fn mq_wait_freed(queue: *mut mq, timeout_ms: i64) -> Status {
    ffi::wait_freed::<Queue>(queue, timeout_ms)
}

/// Has `run` called once the queue is destroyed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mq_on_freed(
    queue: *mut mq,
    run: Option<unsafe extern "C" fn(ctx: *mut c_void)>,
    ctx: *mut c_void,
) -> Status {
    // SAFETY: `run` is NULL or may be called once with `ctx`, on any thread.
    unsafe { ffi::on_freed::<Queue>(queue, run, ctx) }
}
