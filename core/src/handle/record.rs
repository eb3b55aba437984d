//! What each thread is inside.
//!
//! Every thread that uses handles has a record: a list of slots, each naming the token of an operation
//! or hold in flight, the operation's name, and since when. Only the owner *takes* slots. It clears
//! those of its operations itself; a hold's slot is cleared by whoever releases the hold, on any thread.
//! Other threads only read, to say who is inside.
//!
//! Records are linked once and never unlinked or given back. When its thread ends, a record whose slots
//! are empty is free for another thread at once, and one with something still in flight as soon as that
//! has been released: so their number is bounded by the peak number of threads (plus threads that ended
//! inside an operation for ever).
//!
//! # States of a record
//!
//! | state | slots | means |
//! |---|---|---|
//! | owned | any | a thread uses it |
//! | ended | some | its thread ended inside; reported as such |
//! | ended | none | free for the next thread |
//!
//! # Signals
//!
//! A handler that enters and leaves on top of its thread finds every slot as it was when it returns:
//! taking a slot is one store to a slot that looked empty, and a balanced handler leaves it empty again.

use crate::Error;
use crate::allocate::try_box;
use crate::shim::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::cell::Cell;
use std::ffi::{CStr, c_char};
use std::ptr;

const SLOTS: usize = 8;
const OWNED: u32 = 1;
const ENDED: u32 = 0;

/// One thing in flight. The token of a hold is stored with its lowest bit cleared: even.
pub(crate) struct Slot {
    token: AtomicU64,
    operation: AtomicPtr<c_char>,
    since: AtomicU64,
}

/// A row of slots, and the next row once more were needed.
struct Row {
    slots: [Slot; SLOTS],
    next: AtomicPtr<Row>,
}

/// One thread's record.
pub(crate) struct Record {
    row: Row,
    state: AtomicU32,
    thread: AtomicU64,
    name: [AtomicU64; 2],
    /// The hooks this thread is running, innermost first; frames on its own stack, read by itself alone.
    hooks: AtomicPtr<HookFrame>,
    next: AtomicPtr<Record>,
}

/// A hook (`on_close`, `on_destroy`) that this thread is running for a handle. It lies on the stack, so
/// that a free needs no memory.
pub(crate) struct HookFrame {
    token: u64,
    outer: *mut HookFrame,
}

/// What a thread has in flight on one handle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Own {
    /// Operations, and hooks that it is running.
    pub(crate) entries: u32,
    pub(crate) holds: u32,
}

/// A slot of somebody's, as another thread read it.
pub(crate) struct Sighting {
    pub(crate) record: &'static Record,
    pub(crate) operation: *const c_char,
    /// 0: not known.
    pub(crate) since: u64,
    pub(crate) is_hold: bool,
}

static RECORDS: AtomicPtr<Record> = AtomicPtr::new(ptr::null_mut());

thread_local! {
    // Without a destructor, so that it can be read while other destructors run at the thread's end.
    static CURRENT: Cell<Option<&'static Record>> = const { Cell::new(None) };
}

impl Slot {
    const fn new() -> Slot {
        Slot { token: AtomicU64::new(0), operation: AtomicPtr::new(ptr::null_mut()), since: AtomicU64::new(0) }
    }

    fn is_empty(&self) -> bool {
        self.token.load(Ordering::Relaxed) == 0
    }

    fn fill(&self, token: u64, operation: *const c_char, since: u64) {
        self.operation.store(operation.cast_mut(), Ordering::Relaxed);
        self.since.store(since, Ordering::Relaxed);
        // Release: a reader that sees the token sees its operation.
        self.token.store(token, Ordering::Release);
    }

    /// Empties the slot.
    #[inline]
    pub(crate) fn clear(&self) {
        // Release: orders a hold's release on another thread before the owner's next use of the slot.
        self.token.store(0, Ordering::Release);
    }
}

impl Row {
    const fn new() -> Row {
        Row { slots: [const { Slot::new() }; SLOTS], next: AtomicPtr::new(ptr::null_mut()) }
    }

    fn next(&self) -> Option<&'static Row> {
        let next = self.next.load(Ordering::Acquire);
        // SAFETY: rows are leaked: null, or alive for ever.
        unsafe { next.as_ref() }
    }
}

impl Record {
    /// The calling thread's record, made or re-used at its first call.
    ///
    /// # Errors
    /// [`Error::NoMemory`].
    #[inline]
    pub(crate) fn current() -> Result<&'static Record, Error> {
        match CURRENT.get() {
            Some(record) => Ok(record),
            None => Record::register(),
        }
    }

    /// The calling thread's record, if it has one.
    pub(crate) fn existing() -> Option<&'static Record> {
        CURRENT.get()
    }

    #[cold]
    fn register() -> Result<&'static Record, Error> {
        let ended = records().find(|record| {
            record.is_free()
                // Acquire: the clearing of its slots comes before.
                && record.state.compare_exchange(ENDED, OWNED, Ordering::Acquire, Ordering::Relaxed).is_ok()
        });
        let record = match ended {
            Some(record) => record,
            None => Record::link()?,
        };
        record.thread.store(thread::id(), Ordering::Relaxed);
        let name = thread::name();
        for (word, chunk) in record.name.iter().zip(name.chunks_exact(8)) {
            word.store(u64::from_ne_bytes(chunk.try_into().unwrap_or_default()), Ordering::Relaxed);
        }
        if !thread::at_end(record) {
            record.state.store(ENDED, Ordering::Release);
            return Err(Error::NoMemory);
        }
        CURRENT.set(Some(record));
        Ok(record)
    }

    fn link() -> Result<&'static Record, Error> {
        let record = Box::leak(
            try_box(Record {
                row: Row::new(),
                state: AtomicU32::new(OWNED),
                thread: AtomicU64::new(0),
                name: [const { AtomicU64::new(0) }; 2],
                hooks: AtomicPtr::new(ptr::null_mut()),
                next: AtomicPtr::new(ptr::null_mut()),
            })
            .ok_or(Error::NoMemory)?,
        );
        let mut head = RECORDS.load(Ordering::Relaxed);
        loop {
            record.next.store(head, Ordering::Relaxed);
            // Release: readers see the record's first stores.
            match RECORDS.compare_exchange_weak(head, record, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return Ok(record),
                Err(now) => head = now,
            }
        }
    }

    fn rows(&self) -> impl Iterator<Item = &Row> {
        std::iter::successors(Some(&self.row), |row| row.next())
    }

    fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.rows().flat_map(|row| &row.slots)
    }

    fn is_free(&self) -> bool {
        self.has_ended() && self.slots().all(Slot::is_empty)
    }

    /// Whether its thread has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.state.load(Ordering::Acquire) == ENDED
    }

    /// The operating system's number of its thread.
    pub(crate) fn thread(&self) -> u64 {
        self.thread.load(Ordering::Relaxed)
    }

    /// The name its thread had at its first call, cut to 15 bytes, padded with NULs.
    pub(crate) fn thread_name(&self) -> [u8; 16] {
        let mut name = [0; 16];
        for (chunk, word) in name.chunks_exact_mut(8).zip(&self.name) {
            chunk.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
        }
        name
    }

    /// Notes an operation (or, with an even `token`, a hold) of the calling thread, whose record this
    /// is.
    ///
    /// # Errors
    /// [`Error::NoMemory`], possible only when all slots so far are taken.
    #[inline]
    pub(crate) fn note(
        &'static self,
        token: u64,
        operation: *const c_char,
        since: u64,
    ) -> Result<&'static Slot, Error> {
        match self.row.slots.iter().find(|slot| slot.is_empty()) {
            Some(slot) => {
                slot.fill(token, operation, since);
                Ok(slot)
            }
            None => self.note_in_overflow(token, operation, since),
        }
    }

    #[cold]
    fn note_in_overflow(
        &'static self,
        token: u64,
        operation: *const c_char,
        since: u64,
    ) -> Result<&'static Slot, Error> {
        let mut row = &self.row;
        loop {
            row = match row.next() {
                Some(next) => next,
                None => {
                    let next = Box::leak(try_box(Row::new()).ok_or(Error::NoMemory)?);
                    row.next.store(next, Ordering::Release);
                    next
                }
            };
            if let Some(slot) = row.slots.iter().find(|slot| slot.is_empty()) {
                slot.fill(token, operation, since);
                return Ok(slot);
            }
        }
    }

    /// The slot of the latest-noted operation on `token`; the calling thread's record only.
    #[inline]
    pub(crate) fn find(&'static self, token: u64) -> Option<&'static Slot> {
        self.slots().find(|slot| slot.token.load(Ordering::Relaxed) == token)
    }

    /// What the calling thread, whose record this is, has in flight on `token`.
    pub(crate) fn own(&self, token: u64) -> Own {
        let mut own = Own::default();
        for slot in self.slots() {
            let held = slot.token.load(Ordering::Relaxed);
            own.entries += u32::from(held == token);
            own.holds += u32::from(held == token & !1);
        }
        let mut frame = self.hooks.load(Ordering::Relaxed);
        // SAFETY: frames are pushed and popped by this thread alone, in `run_hook`, and outlive what runs inside
        // them.
        while let Some(running) = unsafe { frame.as_ref() } {
            own.entries += u32::from(running.token == token);
            frame = running.outer;
        }
        own
    }

    /// Runs a hook of `token`'s, known to be inside it.
    pub(crate) fn run_hook(token: u64, hook: impl FnOnce()) {
        // Without memory for a record the hook runs all the same; a free from inside it then waits out its
        // deadline.
        let Ok(record) = Record::current() else { return hook() };
        let mut frame = HookFrame { token, outer: record.hooks.load(Ordering::Relaxed) };
        record.hooks.store(&raw mut frame, Ordering::Relaxed);
        hook();
        record.hooks.store(frame.outer, Ordering::Relaxed);
    }
}

fn records() -> impl Iterator<Item = &'static Record> {
    let first = RECORDS.load(Ordering::Acquire);
    // SAFETY: records are leaked: null, or alive for ever.
    let first = unsafe { first.as_ref() };
    std::iter::successors(first, |record| {
        // Acquire: as for the head.
        let next = record.next.load(Ordering::Acquire);
        // SAFETY: as for the head.
        unsafe { next.as_ref() }
    })
}

/// Everybody's operations and holds on `token`, at some moment during the call.
pub(crate) fn sightings(token: u64) -> impl Iterator<Item = Sighting> {
    let all = records().flat_map(|record| record.slots().map(move |slot| (record, slot)));
    all.filter_map(move |(record, slot)| {
        let seen = slot.token.load(Ordering::Acquire);
        let is_hold = seen == token & !1;
        if seen != token && !is_hold {
            return None;
        }
        let operation: *const c_char = slot.operation.load(Ordering::Relaxed);
        let since = slot.since.load(Ordering::Relaxed);
        Some(Sighting { record, operation, since, is_hold })
    })
}

impl Sighting {
    /// The operation's name.
    pub(crate) fn operation(&self) -> Option<&CStr> {
        // SAFETY: an operation's name is a C string that is never given back (the contract of every enter).
        (!self.operation.is_null()).then(|| unsafe { CStr::from_ptr(self.operation) })
    }
}

/// In a forked child, still alone: the other threads are gone, and whatever was in flight is the
/// parent's.
#[cfg(unix)]
pub(crate) fn in_child() {
    let own = Record::existing();
    for record in records() {
        record.slots().for_each(Slot::clear);
        if own.is_none_or(|own| !ptr::eq(own, record)) {
            record.state.store(ENDED, Ordering::Relaxed);
        }
    }
    if let Some(record) = own {
        record.thread.store(thread::id(), Ordering::Relaxed);
    }
}

/// A thread has ended: its record is free, or reports what is still in flight.
fn ended(record: &Record) {
    CURRENT.set(None);
    record.hooks.store(ptr::null_mut(), Ordering::Relaxed);
    record.state.store(ENDED, Ordering::Release);
}

#[cfg(unix)]
mod thread {
    use super::{AtomicU64, Ordering, Record, ended};
    use std::ffi::c_void;

    /// The pthread key plus one; 0: none yet. A pthread key rather than a Rust thread-local destructor:
    /// the latter ends the process when it cannot be registered, and runs before the host's own key
    /// destructors, which may still leave.
    static KEY: AtomicU64 = AtomicU64::new(0);

    /// Asks for [`ended`] to be called with `record` at the end of this thread.
    pub(super) fn at_end(record: &'static Record) -> bool {
        let Some(key) = key() else { return false };
        // SAFETY: the key exists for ever.
        unsafe { libc::pthread_setspecific(key, std::ptr::from_ref(record).cast()) == 0 }
    }

    fn key() -> Option<libc::pthread_key_t> {
        let known = KEY.load(Ordering::Acquire);
        if known != 0 {
            return libc::pthread_key_t::try_from(known - 1).ok();
        }
        let mut key: libc::pthread_key_t = 0;
        // SAFETY: `key` is writable, and the destructor has the right type.
        if unsafe { libc::pthread_key_create(&raw mut key, Some(destructor)) } != 0 {
            return None;
        }
        match KEY.compare_exchange(0, u64::from(key) + 1, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Some(key),
            Err(first) => {
                // SAFETY: created above, and nobody has seen it.
                unsafe { libc::pthread_key_delete(key) };
                libc::pthread_key_t::try_from(first - 1).ok()
            }
        }
    }

    unsafe extern "C" fn destructor(record: *mut c_void) {
        // SAFETY: the value was set in `at_end`: a leaked record.
        ended(unsafe { &*record.cast::<Record>() });
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn id() -> u64 {
        // SAFETY: no arguments, cannot fail.
        u64::try_from(unsafe { libc::syscall(libc::SYS_gettid) }).unwrap_or(0)
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(super) fn id() -> u64 {
        // SAFETY: no arguments, cannot fail.
        unsafe { libc::pthread_self() as u64 }
    }

    pub(super) fn name() -> [u8; 16] {
        let mut name = [0u8; 16];
        // SAFETY: sixteen writable bytes; the name is cut or refused if it does not fit.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        unsafe {
            libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr());
        }
        // SAFETY: as above.
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        unsafe {
            libc::pthread_getname_np(libc::pthread_self(), name.as_mut_ptr().cast(), name.len());
        }
        name[15] = 0;
        name
    }
}

#[cfg(not(unix))]
mod thread {
    use super::{AtomicU64, Ordering, Record, ended};
    use std::cell::RefCell;

    struct AtEnd(&'static Record);
    impl Drop for AtEnd {
        fn drop(&mut self) {
            ended(self.0);
        }
    }
    thread_local!(static AT_END: RefCell<Option<AtEnd>> = const { RefCell::new(None) });

    pub(super) fn at_end(record: &'static Record) -> bool {
        AT_END.try_with(|at_end| *at_end.borrow_mut() = Some(AtEnd(record))).is_ok()
    }

    /// A number of our own: there is no portable one.
    pub(super) fn id() -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn name() -> [u8; 16] {
        let mut name = [0; 16];
        let thread = std::thread::current();
        let text = thread.name().unwrap_or("").as_bytes();
        let length = text.len().min(15);
        name[..length].copy_from_slice(&text[..length]);
        name
    }
}
