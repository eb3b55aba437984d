//! What each thread is inside.
//!
//! Every thread that uses handles has a record: slots that name the token of each operation and of each
//! hold in flight, the operation's name, and since when. The slots of operations are the hazard lane (`lane.rs`). Only the
//! owner *takes* slots. It clears those of its operations itself; a hold's slot is cleared by whoever releases the hold, on
//! any thread. Other threads only read: to find out whether anybody is inside, and to say who.
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
//! # Thread ends
//!
//! The host's own key destructors may still leave, before or after ours. So while operations are in
//! flight ours asks to be called again, as often as POSIX promises; and a leave that comes even later
//! finds its slot in the ended record.
//!
//! # Signals
//!
//! A handler may enter and leave on top of its thread, at any instruction here, as long as it leaves
//! what it enters. A slot that looks empty to the thread is empty again when the handler returns, so
//! taking one is a plain store. Which operation a leave ends is in `nesting.rs`.

use crate::allocate::try_box;
use crate::handle::counters::Counters;
use crate::handle::nesting::{self, Nesting};
use crate::handle::ownership::Ownership;
use crate::handle::running_hooks::RunningHooks;
use crate::handle::shell::Shell;
use crate::handle::slot::{Phase, Slot};
use crate::handle::slots::Slots;
use crate::handle::words::Words;
use crate::handle::{current, records, thread};
use crate::park::Parker;
use crate::shim::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use crate::{Error, barrier};
use std::cell::Cell;
use std::ffi::c_char;
use std::ptr;

/// One thread's record. Aligned so that no two threads share a pair of cache lines.
/// What every operation looks at comes first, and so has the record's own address.
#[repr(C, align(128))]
pub(crate) struct Record {
    operations: Slots,
    /// Which of them is left next.
    nesting: Nesting,
    /// The shell in which its thread found its last operation, or null; the owner's alone. One word, so that a signal handler
    /// cannot leave half of it.
    recent: AtomicPtr<Shell>,
    holds: Slots,
    ownership: Ownership,
    /// The index of a vacant shell plus one, or 0; the owner's alone.
    spare: AtomicU32,
    thread: AtomicU64,
    name: [AtomicU64; 2],
    /// Those that its thread is running.
    hooks: RunningHooks,
    /// Where its thread sleeps while it waits for something.
    pub(crate) parker: Parker,
    /// In the list of all records.
    pub(crate) next: AtomicPtr<Record>,
    /// What has happened on its threads, one after the other.
    pub(crate) counters: Counters,
    /// What its thread was told last.
    words: Words,
}

/// What a thread has in flight on one handle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Own {
    /// Operations, waits, and hooks that it is running.
    pub(crate) entries: u32,
    /// Holds that it took and did not pass on.
    pub(crate) holds: u32,
}

thread_local! {
    // Without a destructor, so that it can be read while other destructors run at the thread's end.
    /// The record that ended with operations still in flight, for leaves that come even later.
    static LATE: Cell<Option<&'static Record>> = const { Cell::new(None) };
}

impl Record {
    /// The calling thread's record, made or re-used at its first call.
    ///
    /// # Errors
    /// [`Error::NoMemory`].
    #[inline]
    pub(crate) fn current() -> Result<&'static Record, Error> {
        match current::get() {
            Some(record) => Ok(record),
            None => Record::register(),
        }
    }

    /// The calling thread's record, if it has one.
    #[inline]
    pub(crate) fn existing() -> Option<&'static Record> {
        current::get()
    }

    #[cold]
    fn register() -> Result<&'static Record, Error> {
        let ended = records::all().find(|record| record.is_free() && record.take_over());
        let record = match ended {
            Some(record) => record,
            None => records::link(Record::new()?),
        };
        record.thread.store(thread::id(), Ordering::Relaxed);
        let name = thread::name();
        for (word, chunk) in record.name.iter().zip(name.chunks_exact(8)) {
            word.store(u64::from_ne_bytes(chunk.try_into().unwrap_or_default()), Ordering::Relaxed);
        }
        if !thread::at_end(record) {
            record.ownership.end();
            return Err(Error::NoMemory);
        }
        current::set(Some(record));
        // Between the link and the first slot: see `records.rs`.
        barrier::full();
        Ok(record)
    }

    /// Its operations.
    pub(crate) fn operations(&self) -> impl Iterator<Item = &Slot> {
        self.operations.iter()
    }

    /// Its holds.
    pub(crate) fn holds(&self) -> impl Iterator<Item = &Slot> {
        self.holds.iter()
    }

    fn has_nothing_in_flight(&self) -> bool {
        self.operations.are_empty() && self.holds.are_empty()
    }

    /// Makes an ended record the calling thread's; `false`: another thread took it first, perhaps to end inside something.
    fn take_over(&self) -> bool {
        let taken = self.ownership.take_over(|| self.has_nothing_in_flight());
        if taken {
            self.nesting.forget();
        }
        taken
    }

    fn new() -> Result<&'static Record, Error> {
        let record = try_box(Record {
            operations: Slots::new(),
            nesting: Nesting::new(),
            recent: AtomicPtr::new(ptr::null_mut()),
            holds: Slots::new(),
            ownership: Ownership::new(),
            spare: AtomicU32::new(0),
            thread: AtomicU64::new(0),
            name: [const { AtomicU64::new(0) }; 2],
            hooks: RunningHooks::new(),
            parker: Parker::new(),
            next: AtomicPtr::new(ptr::null_mut()),
            counters: Counters::new(),
            words: Words::new(),
        });
        Ok(Box::leak(record.ok_or(Error::NoMemory)?))
    }

    fn is_free(&self) -> bool {
        self.has_ended() && self.has_nothing_in_flight()
    }

    /// Whether its thread has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.ownership.has_ended()
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

    /// An empty slot for an operation of the calling thread, whose record this is.
    ///
    /// # Errors
    /// [`Error::NoMemory`], possible only when all slots so far are taken.
    pub(crate) fn vacant_slot(&'static self) -> Result<&'static Slot, Error> {
        self.operations.vacant()
    }

    /// One of the first two of those, if one of them is empty.
    #[inline(always)]
    pub(crate) fn early_slot(&'static self) -> Option<&'static Slot> {
        self.operations.one_of_two()
    }

    /// Where the calling thread, whose record this is, found its last operation. Not in a forked child, until it has found one of
    /// its own: what the parent found is no more looked for.
    #[inline(always)]
    pub(crate) fn recent_shell(&self) -> Option<&'static Shell> {
        // SAFETY: null, or from a `'static` reference.
        unsafe { self.recent.load(Ordering::Relaxed).as_ref() }
    }

    /// See [`Record::recent_shell`].
    #[inline(always)]
    pub(crate) fn set_recent_shell(&self, shell: &'static Shell) {
        self.recent.store(ptr::from_ref(shell).cast_mut(), Ordering::Relaxed);
    }

    /// Notes that the calling thread's operation in `slot`, on what is in `shell`, is left by its token alone.
    #[inline(always)]
    pub(crate) fn begin(&self, slot: &'static Slot, shell: &'static Shell) {
        slot.set_shell(shell);
        self.nesting.begin(slot);
    }

    /// An empty slot for a hold of the calling thread, whose record this is, dated now. It has taken nothing yet.
    ///
    /// # Errors
    /// [`Error::NoMemory`], possible only when all slots so far are taken.
    pub(crate) fn vacant_hold(&'static self, phase: Phase) -> Result<&'static Slot, Error> {
        self.holds.vacant().map(|slot| slot.for_hold(phase))
    }

    /// One of the first two of those, if one of them is empty.
    #[inline(always)]
    pub(crate) fn early_hold(&'static self, phase: Phase) -> Option<&'static Slot> {
        self.holds.one_of_two().map(|slot| slot.for_hold(phase))
    }

    /// The slot of the calling thread's latest operation on `token` that is left by its token alone. The caller is about to
    /// clear it.
    pub(crate) fn take_begun(token: u64) -> Option<&'static Slot> {
        let slot = match current::get().and_then(|record| record.nesting.take_latest(token)) {
            Some(slot) => slot,
            None => Record::find_earlier(token)?,
        };
        slot.set_since(0);
        Some(slot)
    }

    /// As [`Record::take_begun`], if that is the latest of all, and in the hazard lane; with its shell. `token` may be any value.
    #[inline(always)]
    pub(crate) fn take_latest_filled(&self, token: u64) -> Option<(&'static Slot, &'static Shell)> {
        let latest = self.nesting.take_latest_filled(token)?;
        // SAFETY: its shell was set before it became the latest.
        let shell = unsafe { latest.shell() };
        latest.set_since(0);
        Some((latest, shell))
    }

    /// One that others were begun after, or of a thread that has ended.
    #[cold]
    fn find_earlier(token: u64) -> Option<&'static Slot> {
        let nested = |record: &'static Record| nesting::last_nested(record.operations(), token);
        // Not if another thread has it by now: then nothing of this one's is left in it.
        let late = || {
            let record = LATE.get().filter(|record| record.has_ended())?;
            record.nesting.take_latest(token).or_else(|| nested(record))
        };
        current::get().and_then(nested).or_else(late)
    }

    /// What the calling thread, whose record this is, has in flight on `token`.
    pub(crate) fn own(&self, token: u64) -> Own {
        let holds = |phase| self.holds.count(|slot| slot.notes(token) && slot.phase() == phase);
        // SAFETY: this thread owns the record.
        let hooks = unsafe { self.hooks.running(token) };
        Own {
            entries: self.operations.count(|slot| slot.notes(token)) + holds(Phase::Waiting) + hooks,
            holds: holds(Phase::Held),
        }
    }

    /// Has `write` put down what the calling thread, whose record this is, is told in words.
    pub(crate) fn put_into_words(&self, write: impl FnOnce(&mut [u8])) {
        // SAFETY: this thread owns the record, and nothing that `write` calls comes back here.
        write(unsafe { self.words.get() });
    }

    /// What was put down last: a C string, until it is written again.
    pub(crate) fn words(&self) -> *const c_char {
        self.words.as_ptr()
    }

    /// The vacant shell that the calling thread, whose record this is, kept.
    #[inline]
    pub(crate) fn take_spare(&self) -> Option<u32> {
        let index = self.spare.load(Ordering::Relaxed).checked_sub(1)?;
        self.spare.store(0, Ordering::Relaxed);
        Some(index)
    }

    /// Keeps a vacant shell; `false`: there is one already. (If a signal handler's leave is the last one out of a handle just
    /// between the two steps, the shell that it kept is lost: a hundred bytes.)
    #[inline]
    pub(crate) fn keep_spare(&self, index: u32) -> bool {
        let is_free = self.spare.load(Ordering::Relaxed) == 0;
        if is_free {
            self.spare.store(index + 1, Ordering::Relaxed);
        }
        is_free
    }

    /// Whether its thread has operations in flight, which a later key destructor may still end.
    pub(crate) fn has_operations(&self) -> bool {
        !self.operations.are_empty()
    }

    /// The thread has ended: the record is free, or reports what is still in flight.
    pub(crate) fn end(&'static self) {
        current::set(None);
        LATE.set(self.has_operations().then_some(self));
        self.hooks.forget();
        self.ownership.end();
    }

    /// In a forked child: what was in flight is the parent's, and all threads but the calling one, whose record is `own`,
    /// are gone.
    #[cfg(unix)]
    pub(crate) fn in_child(&self, own: Option<&Record>) {
        for slot in self.operations().chain(self.holds()) {
            slot.clear();
            slot.set_since(0);
        }
        // The parent's tokens are refused by their key, which is looked at when the shell is looked for.
        self.recent.store(ptr::null_mut(), Ordering::Relaxed);
        if own.is_some_and(|own| ptr::eq(own, self)) {
            self.thread.store(thread::id(), Ordering::Relaxed);
        } else {
            self.ownership.end();
        }
    }

    /// Runs a hook of `token`'s, known to be inside it.
    #[inline]
    pub(crate) fn run_hook(token: u64, hook: impl FnOnce()) {
        // Without memory for a record the hook runs all the same; a free from inside it then waits out its
        // deadline.
        match Record::current() {
            Ok(record) => record.hooks.run(token, hook),
            Err(_) => hook(),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::handle::records::{all, protecting, sightings};
    use std::ffi::CStr;

    /// Odd, as tokens are, but with a key that no process has.
    const TOKEN: u64 = (1 << 40) + 1;
    static DIRECTORY_OF_ONE: std::sync::OnceLock<&'static Shell> = std::sync::OnceLock::new();

    fn note_operation(record: &'static Record, token: u64, operation: &'static CStr) -> &'static Slot {
        let slot = record.vacant_slot().expect("memory");
        slot.fill(token, operation.as_ptr());
        record.begin(slot, DIRECTORY_OF_ONE.get_or_init(|| Box::leak(Box::new(Shell::new()))));
        slot
    }

    fn note_hold(record: &'static Record, token: u64, phase: Phase) -> &'static Slot {
        let slot = record.vacant_hold(phase).expect("memory");
        slot.fill(token, c"hold".as_ptr());
        slot
    }

    fn on_a_thread<R: Send>(body: impl FnOnce(&'static Record) -> R + Send) -> R {
        let run = || body(Record::current().expect("memory"));
        std::thread::scope(|scope| scope.spawn(run).join()).expect("no panic")
    }

    #[test]
    fn ten_thousand_threads_one_after_the_other_use_a_few_records() {
        on_a_thread(|_| {});
        let before = all().count();
        for _ in 0..10_000 {
            on_a_thread(|record| {
                note_operation(record, TOKEN, c"").clear();
                note_hold(record, TOKEN, Phase::Held).clear();
            });
        }
        // Other tests of this program have threads, too, and a thread's record ends a little after its join.
        let more = all().count() - before;
        assert!(more < 50, "{more} records for ten thousand threads");
    }

    #[test]
    fn a_record_with_something_in_flight_is_nobody_elses() {
        let token = TOKEN + 2;
        let (record, slot) = on_a_thread(|record| (record, note_hold(record, token, Phase::Held)));
        let ended = std::time::Instant::now();
        while !record.has_ended() {
            assert!(ended.elapsed().as_secs() < 20, "the record of a thread that ended is still owned");
        }
        assert!(!record.is_free());
        for _ in 0..20 {
            assert!(!on_a_thread(|other| ptr::eq(other, record)), "two threads have the same record");
        }
        assert_eq!(sightings(token).filter(|sighting| sighting.record.has_ended()).count(), 1);
        slot.clear();
        assert!(record.is_free(), "free as soon as that has been released");
        assert_eq!(sightings(token).count(), 0);
    }

    /// However fast one follows the other, so that passing on the first does not pass on the second.
    #[test]
    fn each_hold_of_a_slot_has_its_own_time_which_is_not_to_come() {
        on_a_thread(|record| {
            let start = crate::deadline::last_tick();
            let mut last = 0;
            for _ in 0..10_000 {
                let slot = note_hold(record, TOKEN + 10, Phase::Held);
                let since = slot.since();
                // Told to four nanoseconds.
                assert!(since > last && since + 4 > start && since <= crate::deadline::now());
                assert_eq!(slot.phase(), Phase::Held);
                slot.clear();
                last = since;
            }
        });
    }

    #[test]
    fn what_a_thread_has_in_flight_of_its_own() {
        let token = TOKEN + 4;
        on_a_thread(|record| {
            assert_eq!(record.own(token), Own { entries: 0, holds: 0 });
            let note = |token| note_hold(record, token, Phase::Waiting);
            let hold = note(token);
            note(token + 2).clear();
            assert_eq!(record.own(token), Own { entries: 1, holds: 0 }, "it waits");
            hold.set_phase(Phase::PassedOn, 0);
            assert_eq!(record.own(token), Own::default(), "another thread's by now");
            hold.set_phase(Phase::Held, 0);
            let other = note_operation(record, token + 2, c"other");
            let first = note_operation(record, token, c"first");
            let second = note_operation(record, token, c"second");
            assert_eq!(record.own(token), Own { entries: 2, holds: 1 });
            assert_eq!((protecting(token), protecting(token + 2)), (3, 1), "two operations and a hold");
            let leave = |token, expected: &'static Slot, what| {
                let taken = Record::take_begun(token).expect("inside");
                assert!(ptr::eq(taken, expected), "{what}");
                taken.clear();
            };
            leave(token + 2, other, "the first of three");
            let third = note_operation(record, token, c"third");
            assert!(ptr::eq(third, other), "the first slot is used again");
            leave(token, third, "the latest, in an earlier slot");
            let kept = record.vacant_slot().expect("memory");
            kept.fill(token, c"left by its slot".as_ptr());
            leave(token, second, "the next");
            leave(token, first, "and the next");
            assert!(Record::take_begun(token).is_none(), "this one is not left by its token");
            kept.clear();
            hold.clear();
            assert_eq!(record.own(token), Own { entries: 0, holds: 0 });
        });
    }

    #[test]
    fn a_running_hook_is_inside_its_handle() {
        let (outer, inner) = (TOKEN + 6, TOKEN + 8);
        on_a_thread(|record| {
            Record::run_hook(outer, || {
                Record::run_hook(inner, || {
                    Record::run_hook(outer, || {
                        assert_eq!((record.own(outer).entries, record.own(inner).entries), (2, 1));
                    });
                    assert_eq!((record.own(outer).entries, record.own(inner).entries), (1, 1));
                });
                assert_eq!((record.own(outer).entries, record.own(inner).entries), (1, 0));
            });
            assert_eq!((record.own(outer), record.own(inner)), (Own::default(), Own::default()));
        });
    }
}
