//! One permit that is taken without blocking, and given back: by a call that completes, a task, or a thread of its own.
//!
//! Each is submitted (spawned), driven until it is over, and what it took is given back by whoever collects it; on one
//! thread, unless that is what is measured.

use crate::libraries::{Completion, Quiescent};
use crate::stopwatch::Stopwatch;
use crate::subject::{Role, Subject, counted};
use quiescent_core::backend::CompletionBackend;
use quiescent_core::backend::completion::Outcome;
use quiescent_core::sync::Semaphore;
use quiescent_core::{Deadline, Wait};
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::{JoinHandle, yield_now};

/// So many are under way at once in a batch.
pub const AT_ONCE: u32 = 64;

/// The baseline of all.
pub const TASK: &str = "tokio task: spawn + acquire + join";
/// Ours.
pub const CALL: &str = "qz_semaphore_acquire_async + poll + release";
/// Ours, for an event loop.
pub const WATCHED_CALL: &str = "qz_semaphore_acquire_async + poll + release, watched";

/// A semaphore and a backend of the C library. They stay.
#[derive(Clone, Copy, Debug)]
pub struct InC {
    quiescent: Quiescent,
    semaphore: usize,
    backend: usize,
}

impl InC {
    /// Nobody watches the backend's descriptor.
    pub fn new(quiescent: &Quiescent, permits: u32) -> InC {
        let (mut semaphore, mut backend) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: both are writable; nothing is told of what is discarded.
        unsafe {
            assert_eq!((quiescent.semaphore_new)(permits, permits, &mut semaphore), 0);
            assert_eq!((quiescent.backend_new)(ptr::null(), ptr::null_mut(), &mut backend), 0);
        }
        InC { quiescent: *quiescent, semaphore: semaphore.addr(), backend: backend.addr() }
    }

    /// The backend's descriptor, which is watched from now on.
    pub fn watch(&self) -> c_int {
        let mut descriptor = -1;
        // SAFETY: `descriptor` is writable.
        assert_eq!(unsafe { (self.quiescent.backend_fd)(self.backend(), &mut descriptor) }, 0);
        descriptor
    }

    /// Takes a permit, blocking the thread.
    pub fn take(&self) -> *mut c_void {
        let mut hold = ptr::null_mut();
        // SAFETY: `hold` is writable; no cancel token.
        let taken = unsafe { (self.quiescent.semaphore_acquire)(self.semaphore(), 1, -1, ptr::null_mut(), &mut hold) };
        assert_eq!(taken, 0);
        hold
    }

    /// Begins to take a permit.
    pub fn submit(&self) {
        let (none, user_data) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: no cancel token; any user data.
        let submitted = unsafe {
            (self.quiescent.semaphore_acquire_async)(self.semaphore(), 1, -1, none, self.backend(), user_data)
        };
        assert_eq!(submitted, 0);
    }

    /// What was taken by the calls that are over, as many as there is room for; none if there are none after `timeout_ms`.
    pub fn poll<'a>(&self, room: &'a mut [Completion], timeout_ms: i64) -> &'a [Completion] {
        let mut handed = 0;
        // SAFETY: there is as much room as said, and `handed` is writable.
        let polled = unsafe {
            (self.quiescent.backend_poll)(self.backend(), room.as_mut_ptr(), room.len(), timeout_ms, &mut handed)
        };
        if polled == 0 { &room[..handed] } else { &[] }
    }

    /// Waits until one call is over: what it took.
    pub fn poll_one(&self) -> *mut c_void {
        self.poll(&mut [NOTHING], -1)[0].hold
    }

    /// Gives back.
    pub fn release(&self, hold: *mut c_void) {
        // SAFETY: any value may be released.
        assert_eq!(unsafe { (self.quiescent.hold_release)(hold) }, 0);
    }

    fn semaphore(&self) -> *mut c_void {
        ptr::without_provenance_mut(self.semaphore)
    }

    fn backend(&self) -> *mut c_void {
        ptr::without_provenance_mut(self.backend)
    }
}

/// Room for a completion.
pub const NOTHING: Completion =
    Completion { user_data: ptr::null_mut(), hold: ptr::null_mut(), value: 0, status: 0, os_error: 0 };

/// A semaphore of tokio's, and a runtime of one thread, without drivers for time and sockets: the fastest there is.
#[derive(Debug)]
pub struct InTokio {
    pub runtime: Runtime,
    pub semaphore: Arc<tokio::sync::Semaphore>,
}

impl InTokio {
    pub fn new(permits: u32) -> InTokio {
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let permits = usize::try_from(permits).expect("a small number");
        InTokio { runtime, semaphore: Arc::new(tokio::sync::Semaphore::new(permits)) }
    }

    /// A task that takes a permit. In the runtime.
    pub fn spawn(&self) -> JoinHandle<OwnedSemaphorePermit> {
        let semaphore = self.semaphore.clone();
        tokio::spawn(async move { semaphore.acquire_owned().await.expect("it is open") })
    }
}

/// Rust's own: each call gives back what it took, at its end.
struct InRust {
    semaphore: Arc<Semaphore>,
    backend: CompletionBackend,
}

impl InRust {
    fn new() -> InRust {
        let semaphore = Arc::new(Semaphore::new(1, 1).expect("these are allowed"));
        InRust { semaphore, backend: CompletionBackend::new(drop).expect("descriptors") }
    }

    fn submit(&self) {
        let taking = self.semaphore.clone().acquire_owned_async(1);
        let call = async {
            drop(taking.await.expect("it is open"));
            Outcome::DONE
        };
        self.backend.submit(0, Wait::FOREVER, call).expect("there is memory");
    }

    fn poll_one(&self) {
        assert_eq!(self.backend.poll(1, Deadline::NEVER, drop).expect("nobody else polls"), 1);
    }
}

/// A thread for each wait.
struct PerThread(Arc<Semaphore>);

impl Subject for PerThread {
    fn name(&self) -> &'static str {
        "a thread: spawn + acquire + join"
    }

    fn role(&self) -> Role {
        Role::Rival
    }

    fn calls(&self) -> Option<u32> {
        Some(4)
    }

    fn batch(&self, _object: usize, calls: u32, watch: &mut Stopwatch) {
        watch.time_with_sleep(|| {
            for _ in 0..calls {
                let semaphore = self.0.clone();
                let thread = std::thread::spawn(move || semaphore.acquire_owned(1, Wait::FOREVER));
                drop(thread.join().expect("it does not panic").expect("it is open"));
            }
        });
    }
}

/// Nobody else wants the permit: the baseline first.
pub fn round_trips(quiescent: &Quiescent) -> Vec<Box<dyn Subject>> {
    let (in_tokio, in_rust) = (InTokio::new(1), InRust::new());
    let (blocking, unwatched, watched) = (InC::new(quiescent, 1), InC::new(quiescent, 1), InC::new(quiescent, 1));
    watched.watch();
    let completes = |in_c: InC| {
        move |_, calls| {
            for _ in 0..calls {
                in_c.submit();
                in_c.release(in_c.poll_one());
            }
        }
    };
    vec![
        Box::new(counted(TASK, Role::Baseline, move |_, calls| {
            in_tokio.runtime.block_on(async {
                for _ in 0..calls {
                    drop(in_tokio.spawn().await.expect("it does not panic"));
                }
            });
        })),
        Box::new(PerThread(Arc::new(Semaphore::new(1, 1).expect("these are allowed")))),
        Box::new(counted("blocking: qz_semaphore_acquire + release", Role::Ours, move |_, calls| {
            for _ in 0..calls {
                blocking.release(blocking.take());
            }
        })),
        Box::new(counted(CALL, Role::Ours, completes(unwatched))),
        Box::new(counted(WATCHED_CALL, Role::Ours, completes(watched))),
        Box::new(counted("CompletionBackend: submit + poll", Role::Ours, move |_, calls| {
            for _ in 0..calls {
                in_rust.submit();
                in_rust.poll_one();
            }
        })),
    ]
}

/// Somebody has the permit: one gets in line, it is given back, and that one has it.
pub fn hand_overs(quiescent: &Quiescent) -> Vec<Box<dyn Subject>> {
    let in_tokio = InTokio::new(1);
    let (unwatched, watched) = (InC::new(quiescent, 1), InC::new(quiescent, 1));
    watched.watch();
    let completes = |in_c: InC| {
        move |_, calls| {
            let mut hold = in_c.take();
            for _ in 0..calls {
                in_c.submit();
                in_c.release(hold);
                hold = in_c.poll_one();
            }
            in_c.release(hold);
        }
    };
    vec![
        Box::new(counted("tokio task: spawn + yield + drop + join", Role::Baseline, move |_, calls| {
            in_tokio.runtime.block_on(async {
                let mut permit = in_tokio.spawn().await.expect("it does not panic");
                for _ in 0..calls {
                    let next = in_tokio.spawn();
                    // Its turn to get in line: a task is not looked at when it is spawned.
                    yield_now().await;
                    drop(permit);
                    permit = next.await.expect("it does not panic");
                }
            });
        })),
        Box::new(counted("qz_semaphore_acquire_async + release + poll", Role::Ours, completes(unwatched))),
        Box::new(counted("qz_semaphore_acquire_async + release + poll, watched", Role::Ours, completes(watched))),
    ]
}

/// [`AT_ONCE`] at a time, permits enough.
pub fn batches(quiescent: &Quiescent) -> Vec<Box<dyn Subject>> {
    let in_tokio = InTokio::new(AT_ONCE);
    let (unwatched, watched) = (InC::new(quiescent, AT_ONCE), InC::new(quiescent, AT_ONCE));
    watched.watch();
    let completes = |in_c: InC| {
        move |_, calls| {
            let mut room = [NOTHING; AT_ONCE as usize];
            for number in in_batches(calls) {
                (0..number).for_each(|_| in_c.submit());
                let done = in_c.poll(&mut room, -1);
                assert_eq!(done.len(), number, "all are over");
                done.iter().for_each(|completion| in_c.release(completion.hold));
            }
        }
    };
    vec![
        Box::new(counted(TASK, Role::Baseline, move |_, calls| {
            in_tokio.runtime.block_on(async {
                let mut tasks = Vec::with_capacity(AT_ONCE as usize);
                for number in in_batches(calls) {
                    tasks.extend((0..number).map(|_| in_tokio.spawn()));
                    for task in tasks.drain(..) {
                        drop(task.await.expect("it does not panic"));
                    }
                }
            });
        })),
        Box::new(counted(CALL, Role::Ours, completes(unwatched))),
        Box::new(counted(WATCHED_CALL, Role::Ours, completes(watched))),
    ]
}

/// Full batches, and the rest.
fn in_batches(calls: u32) -> impl Iterator<Item = usize> {
    let whole = std::iter::repeat_n(AT_ONCE, (calls / AT_ONCE) as usize);
    whole.chain((calls % AT_ONCE > 0).then_some(calls % AT_ONCE)).map(|number| number as usize)
}
