//! The real side: threads that do what they are told, one at a time, and the values they do it to.

use crate::SOON;
use crate::handle_model::KINDS;
use crate::handle_outcome::{Answer, Event, Seen};
use quiescent_core::handle::HoldToken;
use quiescent_core::{AnyHandle, Entry, Error, Freed, Handle, Hold, Kind, Token};
use std::cell::Cell;
use std::collections::HashMap;
use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

thread_local! {
    /// The number of the worker that this thread is; `None`: a thread that nobody expects to act.
    static SELF: Cell<Option<usize>> = const { Cell::new(None) };
}

/// What happened to the values, and when.
#[derive(Default)]
pub struct Log {
    events: Mutex<Vec<Event>>,
    more: Condvar,
    /// Whether an `on_close` lasts until this is taken back.
    holds_up: Mutex<bool>,
    resumed: Condvar,
}

impl Log {
    pub fn add(&self, event: impl FnOnce(Option<usize>) -> Event) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event(SELF.get()));
        self.more.notify_all();
    }

    /// From now on, or no longer, an `on_close` does not return.
    pub fn hold_up(&self, holds_up: bool) {
        *self.holds_up.lock().unwrap_or_else(PoisonError::into_inner) = holds_up;
        self.resumed.notify_all();
    }

    fn on_close(&self, handle: usize) {
        self.add(|thread| Event::OnClose { handle, thread });
        let holds_up = self.holds_up.lock().unwrap_or_else(PoisonError::into_inner);
        // After a failure nobody takes it back.
        drop(self.resumed.wait_timeout_while(holds_up, SOON, |holds_up| *holds_up));
    }

    /// All since the last time.
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(&mut *self.events.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for the first event; `false`: there is none soon.
    pub fn wait_for_one(&self) -> bool {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.more.wait_timeout_while(events, SOON, |events| events.is_empty());
        waited.is_ok_and(|(_, timed_out)| !timed_out.timed_out())
    }
}

/// What the handles stand for: one type for each kind.
pub struct Value<const KIND: usize> {
    handle: usize,
    log: Arc<Log>,
}

static KIND_0: Kind<Value<0>> = Kind::new("twin zero");
static KIND_1: Kind<Value<1>> = Kind::new("twin one");

impl Handle for Value<0> {
    fn kind() -> &'static Kind<Self> {
        &KIND_0
    }
    fn on_close(&self) {
        self.log.on_close(self.handle);
    }
}

impl Handle for Value<1> {
    fn kind() -> &'static Kind<Self> {
        &KIND_1
    }
    fn on_close(&self) {
        self.log.on_close(self.handle);
    }
}

impl<const KIND: usize> Drop for Value<KIND> {
    fn drop(&mut self) {
        self.log.add(|thread| Event::Destroyed { handle: self.handle, thread });
    }
}

/// An operation or a hold in flight, as a Rust program has it.
pub trait InFlight {
    /// Which handle's value it leads to.
    fn handle(&self) -> usize;
}

/// An operation in flight.
pub trait Entered: InFlight {
    fn detach(self: Box<Self>);
}

impl<const KIND: usize> InFlight for Entry<Value<KIND>>
where
    Value<KIND>: Handle,
{
    fn handle(&self) -> usize {
        self.handle
    }
}

impl<const KIND: usize> Entered for Entry<Value<KIND>>
where
    Value<KIND>: Handle,
{
    fn detach(self: Box<Self>) {
        Entry::detach(*self);
    }
}

/// A hold in flight.
pub trait Held: InFlight + Send {
    fn into_token(self: Box<Self>) -> Result<HoldToken, Error>;
}

impl<const KIND: usize> InFlight for Hold<Value<KIND>>
where
    Value<KIND>: Handle,
{
    fn handle(&self) -> usize {
        self.handle
    }
}

impl<const KIND: usize> Held for Hold<Value<KIND>>
where
    Value<KIND>: Handle,
{
    fn into_token(self: Box<Self>) -> Result<HoldToken, Error> {
        (*self).into_token()
    }
}

/// A callback for `on_freed`.
pub type Callback = Box<dyn FnOnce() + Send>;

/// A raw value, used as a handle of one kind or of any.
pub trait Access {
    fn enter(&self, operation: &'static CStr) -> Result<Box<dyn Entered>, Error>;
    fn hold(&self, operation: &'static CStr) -> Result<Box<dyn Held>, Error>;
    fn free(&self, timeout: Duration) -> Result<Freed, Error>;
    fn try_free(&self) -> Result<Freed, Error>;
    fn wait_freed(&self, timeout: Duration) -> Result<(), Error>;
    fn on_freed(&self, run: Callback) -> Result<Freed, Error>;
    fn is_closing(&self) -> bool;
}

impl<const KIND: usize> Access for Token<Value<KIND>>
where
    Value<KIND>: Handle,
{
    fn enter(&self, operation: &'static CStr) -> Result<Box<dyn Entered>, Error> {
        Ok(Box::new(Token::enter(*self, operation)?))
    }
    fn hold(&self, operation: &'static CStr) -> Result<Box<dyn Held>, Error> {
        Ok(Box::new(Token::hold(*self, operation)?))
    }
    fn free(&self, timeout: Duration) -> Result<Freed, Error> {
        Token::free(*self, timeout)
    }
    fn try_free(&self) -> Result<Freed, Error> {
        Token::try_free(*self)
    }
    fn wait_freed(&self, timeout: Duration) -> Result<(), Error> {
        Token::wait_freed(*self, timeout)
    }
    fn on_freed(&self, run: Callback) -> Result<Freed, Error> {
        Token::on_freed(*self, run)
    }
    fn is_closing(&self) -> bool {
        Token::is_closing(*self)
    }
}

impl Access for AnyHandle {
    fn enter(&self, _: &'static CStr) -> Result<Box<dyn Entered>, Error> {
        unreachable!("operations are begun under a kind")
    }
    fn hold(&self, _: &'static CStr) -> Result<Box<dyn Held>, Error> {
        unreachable!("holds are taken under a kind")
    }
    fn free(&self, timeout: Duration) -> Result<Freed, Error> {
        AnyHandle::free(*self, None, timeout)
    }
    fn try_free(&self) -> Result<Freed, Error> {
        AnyHandle::try_free(*self, None)
    }
    fn wait_freed(&self, timeout: Duration) -> Result<(), Error> {
        AnyHandle::wait_freed(*self, None, timeout)
    }
    fn on_freed(&self, run: Callback) -> Result<Freed, Error> {
        AnyHandle::on_freed(*self, None, run)
    }
    fn is_closing(&self) -> bool {
        AnyHandle::is_closing(*self, None)
    }
}

fn pointer(raw: usize) -> *const u8 {
    std::ptr::without_provenance(raw)
}

/// `raw` as a handle of kind `via`, or of any.
pub fn access(raw: usize, via: Option<usize>) -> Box<dyn Access> {
    match via {
        Some(0) => Box::new(Token::<Value<0>>::from_raw(pointer(raw))),
        Some(_) => Box::new(Token::<Value<1>>::from_raw(pointer(raw))),
        None => Box::new(any(raw)),
    }
}

/// `raw` as a handle of any kind.
pub fn any(raw: usize) -> AnyHandle {
    AnyHandle::from_raw(pointer(raw))
}

/// `raw` as a hold.
pub fn hold_token(raw: usize) -> HoldToken {
    HoldToken::from_raw(pointer(raw))
}

/// A new handle.
pub fn open(kind: usize, handle: usize, log: Arc<Log>) -> Result<usize, Error> {
    assert!(kind < KINDS);
    // Every other one has been busy, so that its hazard lane is open.
    let entries = if handle % 2 == 0 { 0 } else { 500 };
    fn busy<const KIND: usize>(token: Token<Value<KIND>>, entries: u32) -> Result<usize, Error>
    where
        Value<KIND>: Handle,
    {
        for _ in 0..entries {
            drop(token.enter(c"before")?);
        }
        Ok(token.into_raw::<u8>().addr())
    }
    if kind == 0 {
        busy(Token::open(Value::<0> { handle, log })?, entries)
    } else {
        busy(Token::open(Value::<1> { handle, log })?, entries)
    }
}

/// Who is inside `raw`, sorted.
pub fn occupants(raw: usize) -> Result<Vec<Seen>, Error> {
    let text = |bytes: &[u8]| {
        CStr::from_bytes_until_nul(bytes).map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
    };
    let mut seen = Vec::new();
    any(raw).occupants(|occupant| {
        let thread = text(&occupant.thread_name);
        let operation = text(&occupant.operation);
        seen.push(Seen { thread, operation, is_hold: occupant.is_hold, has_ended: occupant.has_ended });
    })?;
    seen.sort();
    Ok(seen)
}

/// What one case shares between its threads.
#[derive(Default)]
pub struct Shared {
    pub log: Arc<Log>,
    /// The handles' tokens.
    pub handles: Mutex<Vec<usize>>,
    /// The holds' tokens.
    pub hold_tokens: Mutex<Vec<usize>>,
    /// The holds that are kept as such.
    pub holds: Mutex<HashMap<usize, Box<dyn Held>>>,
}

/// The operations that a thread is inside of, by number.
pub type Entries = HashMap<usize, Box<dyn Entered>>;

/// Something for a worker to do.
pub type Job = Box<dyn FnOnce(&mut Entries) -> Answer + Send>;

/// A thread that does what it is told.
pub struct Worker {
    jobs: Sender<Job>,
    answers: Receiver<Answer>,
    thread: JoinHandle<()>,
}

impl Worker {
    /// Worker `number`, whose thread is called `name`.
    pub fn start(number: usize, name: String) -> Worker {
        let (jobs, inbox) = channel::<Job>();
        let (outbox, answers) = channel();
        let work = move || {
            SELF.set(Some(number));
            let mut entries = Entries::new();
            for job in inbox {
                let answer = catch_unwind(AssertUnwindSafe(|| job(&mut entries)));
                let answer = answer.unwrap_or_else(|panic| Answer::Panicked(crate::message_of(&*panic)));
                if outbox.send(answer).is_err() {
                    break;
                }
            }
            // After a failure: a value that should be alive may not be.
            std::mem::forget(entries);
        };
        let thread = std::thread::Builder::new().name(name).spawn(work).expect("a thread");
        Worker { jobs, answers, thread }
    }

    /// Begins a job.
    pub fn begin(&self, job: impl FnOnce(&mut Entries) -> Answer + Send + 'static) {
        // A worker that is gone does not answer.
        let _ = self.jobs.send(Box::new(job));
    }

    /// The answer to what was begun.
    pub fn answer(&self) -> Answer {
        match self.answers.recv_timeout(SOON) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => Answer::Waits,
            Err(RecvTimeoutError::Disconnected) => Answer::Panicked("the worker is gone".into()),
        }
    }

    /// Ends the thread, and waits for its end.
    pub fn end(self) {
        drop(self.jobs);
        let _ = self.thread.join();
    }
}
