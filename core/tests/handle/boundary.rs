//! `ffi`: the functions with which a Rust author's own C library is written.

use super::*;
use quiescent_core::ffi::{self, Status};
use std::ffi::CStr;
use std::ptr::null_mut;

#[repr(C)]
pub struct Opaque {
    _opaque: [u8; 0],
}

fn status(error: Error) -> Status {
    error.into()
}

fn last_error() -> String {
    // SAFETY: a C string of this thread's, copied before its next call.
    unsafe { CStr::from_ptr(ffi::last_error()) }.to_str().expect("UTF-8").into()
}

fn ffi_open(fate: &Fate) -> *mut Opaque {
    let mut handle = null_mut();
    // SAFETY: writable.
    assert_eq!(unsafe { ffi::open(&raw mut handle, || Ok(Watched(fate.clone()))) }, Status::Ok);
    handle
}

#[test]
fn a_call_contains_every_panic() {
    assert_eq!(ffi::call(|| Ok(())), Status::Ok);
    assert_eq!(ffi::call(|| Err::<(), _>(Error::Busy)), status(Error::Busy));
    assert_eq!(last_error(), Error::Busy.message());
    assert_eq!(ffi::call(|| -> Result<(), Error> { panic!("ordinary") }), status(Error::Panic));
    let spiteful = ffi::call(|| -> Result<(), Error> { std::panic::panic_any(panics::Spiteful) });
    assert_eq!(spiteful, status(Error::Panic), "its payload panics when it is dropped");
    assert_eq!(last_error(), Error::Panic.message());
    assert_eq!(ffi::last_os_error(), 0);
}

#[test]
fn a_status_of_ones_own_is_outside_of_the_librarys_range() {
    const FULL: Status = Status::own(100);
    assert_eq!(FULL.code(), 100);
    for code in [100, 101, i32::MAX, -100, -101, i32::MIN] {
        assert_eq!(Status::own(code).code(), code);
    }
    for code in [0, 1, 2, -1, -16, 99, -99] {
        assert!(std::panic::catch_unwind(|| Status::own(code)).is_err(), "{code} is the library's");
    }
    assert_eq!(ffi::call(|| Ok(FULL)), FULL);
    assert_eq!((Status::Ok.code(), Status::FreePending.code(), Status::AlreadyFreed.code()), (0, 1, 2));
}

#[test]
fn timeouts() {
    assert_eq!(ffi::timeout(0), Ok(Duration::ZERO));
    assert_eq!(ffi::timeout(1500), Ok(1500 * MS));
    assert_eq!(ffi::timeout(i64::MAX), Ok(Duration::from_millis(i64::MAX.unsigned_abs())));
    assert_eq!(ffi::timeout(ffi::INFINITE), Ok(Duration::MAX));
    assert_eq!(ffi::free_timeout(ffi::DEFAULT_TIMEOUT), Ok(quiescent_core::FFI_HANDLE_FREE_DEADLINE));
    assert_eq!(ffi::free_timeout(ffi::INFINITE), Ok(Duration::MAX));
    for refused in [ffi::DEFAULT_TIMEOUT, -3, i64::MIN] {
        assert_eq!(ffi::timeout(refused), Err(Error::InvalidArgument));
    }
    assert_eq!(ffi::free_timeout(-3), Err(Error::InvalidArgument));
    // Before anything is done.
    let fate = Fate::default();
    let handle = ffi_open(&fate);
    assert_eq!(ffi::free::<Watched>(handle, -3), status(Error::InvalidArgument));
    assert_eq!(ffi::wait_freed::<Watched>(handle, -2), status(Error::InvalidArgument));
    assert_eq!(ffi::free::<Watched>(handle, ffi::INFINITE), Status::Ok);
    is_over(Token::from_raw(handle), &fate);
}

#[test]
fn a_handle_through_its_whole_life() {
    let fate = Fate::default();
    let handle = ffi_open(&fate);
    let mut drops = 7;
    // SAFETY: `out` is NULL or writable.
    let answer = unsafe { ffi::answer(handle, c"drops", &raw mut drops, |w: &Watched| Ok(w.0.drops())) };
    assert_eq!((answer, drops), (Status::Ok, 0));
    drops = 7;
    // SAFETY: as above.
    let refused = unsafe { ffi::answer(handle, c"drops", &raw mut drops, |_: &Watched| Err(Error::Io)) };
    assert_eq!((refused, drops), (status(Error::Io), 7), "written on success only");
    let unreached = |_: &Watched| -> Result<usize, Error> { panic!("reached") };
    // SAFETY: as above.
    assert_eq!(unsafe { ffi::answer(handle, c"drops", null_mut(), unreached) }, status(Error::Null));
    assert_eq!(ffi::with(handle, c"own", |_: &Watched| Ok(Status::own(-100))), Status::own(-100));
    assert_eq!(ffi::with(handle, c"panics", |_: &Watched| -> Result<(), Error> { panic!("inside") }).code(), -13);

    let mut hold = null_mut::<Opaque>();
    // SAFETY: as above.
    assert_eq!(unsafe { ffi::hold::<Watched>(handle, c"hold", &raw mut hold) }, Status::Ok);
    assert_eq!(ffi::try_free::<Watched>(handle), status(Error::Busy));
    assert_eq!(ffi::wait_freed::<Watched>(handle, -1), status(Error::Deadlock));
    assert_eq!(ffi::free::<Watched>(handle, ffi::DEFAULT_TIMEOUT), Status::FreePending);
    let words = last_error();
    assert!(
        words.starts_with("the free is pending; still inside: thread ") && words.contains("hold 'hold'"),
        "{words}"
    );
    assert_eq!(ffi::release(hold), Status::Ok);
    assert_eq!(ffi::release(hold), Status::AlreadyFreed);
    assert_eq!(ffi::free::<Watched>(handle, 0), Status::AlreadyFreed);
    assert_eq!(ffi::wait_freed::<Watched>(handle, 0), Status::Ok);
    let mut stale = handle;
    // SAFETY: as above.
    assert_eq!(unsafe { ffi::hold::<Watched>(handle, c"hold", &raw mut stale) }, status(Error::Freed));
    assert!(stale.is_null(), "NULL when there is none");
    assert_eq!(last_error(), Error::Freed.message());
    is_over(Token::from_raw(handle), &fate);
}

#[test]
fn an_open_that_is_refused_writes_null_and_drops_the_value() {
    let fate = Fate::default();
    let mut handle = ffi_open(&fate);
    let first = handle;
    // SAFETY: `out` is NULL or writable.
    let refused = unsafe { ffi::open(&raw mut handle, || Err::<Watched, _>(Error::Limit)) };
    assert_eq!((refused, handle), (status(Error::Limit), null_mut()));
    handle = first;
    // SAFETY: as above.
    let panicked = unsafe { ffi::open(&raw mut handle, || -> Result<Watched, Error> { panic!("in make") }) };
    assert_eq!((panicked, handle), (status(Error::Panic), null_mut()));
    // SAFETY: as above.
    let unmade = unsafe { ffi::open(null_mut::<*mut Opaque>(), || -> Result<Watched, Error> { panic!("made") }) };
    assert_eq!(unmade, status(Error::Null), "makes nothing when `out` is NULL");
    assert_eq!(ffi::free::<Watched>(first, 0), Status::Ok);
    is_over(Token::from_raw(first), &fate);
}

#[test]
fn null_is_nothing_to_free_or_release() {
    let null = null_mut::<Opaque>();
    assert_eq!(ffi::free::<Watched>(null, 0), Status::Ok);
    assert_eq!(ffi::free_handle(null, 0), Status::Ok);
    assert_eq!(ffi::try_free::<Watched>(null), Status::Ok);
    assert_eq!(ffi::try_free_handle(null), Status::Ok);
    assert_eq!(ffi::release(null), Status::Ok);
    assert_eq!(ffi::wait_freed::<Watched>(null, 0), status(Error::Null));
    assert_eq!(ffi::wait_handle_freed(null, 0), status(Error::Null));
    assert_eq!(ffi::with(null, c"op", |_: &Watched| Ok(())), status(Error::Null));
}

#[test]
fn freeing_many_tells_the_worst_answer() {
    let fates = [(); 3].map(|()| Fate::default());
    let raw = fates.each_ref().map(ffi_open);
    let list = [raw[0], null_mut(), raw[1], raw[2]];
    // SAFETY: four pointers that nobody changes.
    let handles = unsafe { ffi::list(list.as_ptr(), list.len()) }.expect("a list");
    let busy = Token::<Watched>::from_raw(raw[1]);
    let hold = elsewhere(|| busy.hold(c"in the way").expect("open"));
    let mut answers = [Status::own(100); 4];
    let told = ffi::free_many(handles, 10, |position, answer| answers[position] = answer);
    assert_eq!((told, answers), (Status::FreePending, [Status::Ok, Status::Ok, Status::FreePending, Status::Ok]));
    assert!(last_error().contains("hold 'in the way'"), "{}", last_error());
    drop(hold);
    assert_eq!(ffi::free_many(handles, 0, |_, _| {}), Status::Ok);
    assert_eq!(ffi::free_many(handles, -3, |_, _| panic!("told")), status(Error::InvalidArgument));
    let garbage = [raw[0], std::ptr::without_provenance_mut(42)];
    // SAFETY: two pointers that nobody changes.
    let handles = unsafe { ffi::list(garbage.as_ptr(), 2) }.expect("a list");
    assert_eq!(ffi::free_many(handles, 0, |_, _| {}), status(Error::BadHandle));
    raw.iter().zip(&fates).for_each(|(raw, fate)| is_over(Token::from_raw(*raw), fate));

    // SAFETY: refused, or nothing is read.
    assert_eq!(unsafe { ffi::list(null_mut::<*mut Opaque>(), 0) }, Ok(&[][..]));
    // SAFETY: as above.
    assert_eq!(unsafe { ffi::list(null_mut::<*mut Opaque>(), 1) }, Err(Error::Null));
    // SAFETY: as above.
    assert_eq!(unsafe { ffi::list(list.as_ptr(), usize::MAX) }, Err(Error::InvalidArgument));
}

#[test]
fn callbacks_of_c() {
    unsafe extern "C" fn count(ctx: *mut std::ffi::c_void) {
        // SAFETY: this test's counter.
        unsafe { &*ctx.cast::<AtomicUsize>() }.fetch_add(1, SeqCst);
    }
    let fate = Fate::default();
    let handle = ffi_open(&fate);
    let counter = AtomicUsize::new(0);
    let ctx = std::ptr::from_ref(&counter).cast_mut().cast();
    // SAFETY: the counter outlives the handle.
    assert_eq!(unsafe { ffi::on_freed::<Watched>(handle, None, ctx) }, status(Error::Null));
    // SAFETY: as above.
    assert_eq!(unsafe { ffi::on_freed::<Watched>(handle, Some(count), ctx) }, Status::Ok);
    // SAFETY: as above.
    assert_eq!(unsafe { ffi::on_handle_freed(handle, Some(count), ctx) }, Status::Ok);
    assert_eq!(counter.load(SeqCst), 0);
    assert_eq!(ffi::free_handle(handle, 0), Status::Ok);
    assert_eq!(counter.load(SeqCst), 2);
    // SAFETY: as above.
    assert_eq!(unsafe { ffi::on_freed::<Watched>(handle, Some(count), ctx) }, Status::AlreadyFreed);
    assert_eq!(counter.load(SeqCst), 3);
    is_over(Token::from_raw(handle), &fate);
}

#[test]
fn the_callers_values() {
    let mut number = 1;
    // SAFETY: NULL, or what the function asks for.
    assert_eq!(unsafe { (ffi::write(&raw mut number, 2), ffi::write(null_mut(), 3)) }, (Ok(()), Err(Error::Null)));
    // SAFETY: as above.
    unsafe { (ffi::write_optional(&raw mut number, number + 1), ffi::write_optional(null_mut(), 4)) };
    assert_eq!(number, 3);
    // SAFETY: as above.
    let text = |text: &'static CStr| unsafe { ffi::text(text.as_ptr()) };
    assert_eq!(text(c"text"), Ok("text"));
    assert_eq!(text(c"\xff"), Err(Error::InvalidArgument));
    // SAFETY: as above.
    assert_eq!(unsafe { ffi::text(std::ptr::null()) }, Err(Error::Null));
    *ffi::leak(5).expect("memory") += 1;

    let words = [0_u64; 2];
    let at = |offset: usize| std::ptr::from_ref(&words).cast::<u8>().wrapping_add(offset).cast_mut();
    // SAFETY: as above.
    let guards = unsafe { (ffi::guard(null_mut::<u8>()).err(), ffi::guard(at(4)).err(), ffi::guard(at(8)).is_ok()) };
    assert_eq!(guards, (Some(Error::Null), Some(Error::InvalidArgument), true));
    // SAFETY: as above.
    let rundowns =
        unsafe { (ffi::rundown(null_mut::<u8>()).err(), ffi::rundown(at(4)).err(), ffi::rundown(at(8)).is_ok()) };
    assert_eq!(rundowns, (Some(Error::Null), Some(Error::InvalidArgument), true));
}

#[test]
fn the_end_of_a_kind_says_how_many_are_left() {
    let hooks = quiescent_core::handle::Hooks { on_close: None, on_destroy: None, ctx: null_mut() };
    // SAFETY: there are no callbacks.
    let kind = unsafe { quiescent_core::handle::AnyKind::new("of a C library", hooks) }.expect("a new kind");
    let raw = kind.handle().into_raw::<Opaque>();
    assert_eq!(ffi::kind(raw), kind);
    // SAFETY: there are no callbacks; a static name.
    let handle = unsafe {
        let handle = quiescent_core::AnyHandle::open(kind, null_mut()).expect("a new handle");
        handle.enter(kind, c"in the way".as_ptr()).expect("open");
        handle
    };
    let mut left = 7;
    // SAFETY: `left` is writable.
    assert_eq!(unsafe { ffi::close_kind(raw, ffi::DEFAULT_TIMEOUT, &raw mut left) }, Status::FreePending);
    assert_eq!(left, 1);
    assert!(last_error().contains("operation 'in the way'"), "{}", last_error());
    // SAFETY: there is no object.
    assert_eq!(unsafe { handle.leave() }, Ok(()));
    // SAFETY: as above.
    assert_eq!(unsafe { ffi::close_kind(raw, 0, &raw mut left) }, Status::AlreadyFreed);
    assert_eq!(left, 0);
    // SAFETY: NULL is not written.
    assert_eq!(unsafe { ffi::close_kind(null_mut::<Opaque>(), 0, null_mut()) }, status(Error::Null));
}

#[test]
fn errors_and_statuses_have_the_same_numbers_and_words_of_their_own() {
    use quiescent_core::Error::*;
    let all = [
        Null,
        BadHandle,
        WrongKind,
        Freed,
        Timeout,
        Busy,
        Cancelled,
        Deadlock,
        InvalidArgument,
        Limit,
        NoMemory,
        Io,
        Panic,
        Forked,
        Poisoned,
        NotInside,
    ];
    let mut words = std::collections::HashSet::new();
    for (number, error) in (1..).zip(all) {
        assert_eq!((error.code(), Status::from(error).code()), (-number, -number), "{error:?}");
        assert!(words.insert(error.to_string()), "{error:?} has the words of another");
    }
}
