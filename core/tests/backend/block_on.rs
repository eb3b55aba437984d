//! Driving a backend on a thread that blocks.

use crate::desk::Desk;
use crate::{cpu_time, in_time};
use quiescent_core::backend::{
    BackendContainer, BackendError, BackendHandle, FdWaker, IoBackend, IoBackendExt, Pollable, PollingFlags,
    PollingHandle, block_on,
};
use quiescent_core::sync::{CancelToken, Semaphore};
use quiescent_core::{Deadline, Interrupted, Wait};
use std::future::{Future, Pending, pending, poll_fn};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

fn desks() -> [Desk; 2] {
    [Desk::new(), Desk::unwatched()]
}

#[test]
fn it_drives_the_backend_until_the_future_is_ready() {
    in_time(|| {
        for desk in desks() {
            for number in 0..100 {
                let doubled = desk.block_on(desk.double(number), Wait::FOREVER).expect("it never ends");
                assert_eq!(doubled, 2 * number);
            }
            let both = async { desk.double(desk.double(1).await).await };
            assert_eq!(desk.block_on(both, Wait::FOREVER).expect("it never ends"), 4);
        }
    });
}

#[test]
fn a_second_one_is_told_busy_even_from_within_the_first() {
    in_time(|| {
        for desk in desks() {
            let nested = poll_fn(|_| {
                let refused = desk.block_on(async {}, Wait::FOREVER);
                assert!(matches!(refused, Err(BackendError::Busy)));
                assert!(desk.with_backend(async {}).is_err());
                Poll::Ready(())
            });
            desk.block_on(nested, Wait::FOREVER).expect("it never ends");
        }
    });
}

#[test]
fn it_ends_at_the_deadline_or_when_it_is_cancelled() {
    in_time(|| {
        for desk in desks() {
            let timed_out = desk.block_on(pending::<()>(), Duration::from_millis(10).into());
            assert!(matches!(timed_out, Err(BackendError::Interrupted(Interrupted::TimedOut))));

            let cancel = CancelToken::new().expect("memory");
            std::thread::scope(|threads| {
                threads.spawn(|| {
                    std::thread::sleep(Duration::from_millis(10));
                    cancel.cancel();
                });
                let cancelled = desk.block_on(pending::<()>(), Wait::FOREVER.or_cancelled(&cancel));
                assert!(matches!(cancelled, Err(BackendError::Interrupted(Interrupted::Cancelled))));
            });
            // Before it begins: nothing is polled.
            let polls = desk.polls();
            let cancelled = desk.block_on(async {}, Wait::FOREVER.or_cancelled(&cancel));
            assert!(matches!(cancelled, Err(BackendError::Interrupted(Interrupted::Cancelled))));
            assert_eq!(desk.polls(), polls);

            // A deadline that has passed lets everything be polled once.
            assert!(desk.block_on(desk.double(1), Wait::NOT).is_err());
            assert_eq!(desk.polls(), polls + 1);
            assert_eq!(desk.block_on(desk.double(1), Wait::FOREVER).expect("given back"), 2);
        }
    });
}

/// The default: asleep, however long it takes, and polled no more often than it is woken.
#[test]
fn it_sleeps_while_there_is_nothing_to_do() {
    in_time(|| {
        for desk in desks() {
            let computed = cpu_time();
            assert!(desk.block_on(pending::<()>(), Duration::from_millis(100).into()).is_err());
            assert!(cpu_time() - computed < Duration::from_millis(30), "it spins");
            // At first, at the deadline, and once if somebody called a thread that this one has the record of.
            assert!(desk.polls() <= 3, "polled {} times for nothing", desk.polls());
        }
    });
}

/// Wakes from another thread, in storms, at any moment: while it polls, and while it falls asleep.
#[test]
fn no_wake_is_lost() {
    in_time(|| {
        for desk in desks() {
            const ROUNDS: u32 = 5_000;
            let (semaphore, heard) = (Semaphore::new(0, ROUNDS).expect("allowed"), AtomicU32::new(0));
            std::thread::scope(|threads| {
                threads.spawn(|| {
                    for round in 0..ROUNDS {
                        semaphore.add(1).expect("room");
                        while round % 3 == 0 && heard.load(Ordering::Relaxed) <= round {
                            std::thread::yield_now();
                        }
                    }
                });
                let listens = async {
                    for _ in 0..ROUNDS {
                        semaphore.acquire_async(1).await.expect("open").forget();
                        heard.fetch_add(1, Ordering::Relaxed);
                    }
                };
                desk.block_on(listens, Wait::FOREVER).expect("it never ends");
            });
        }
    });
}

/// Woken while it is polled: polled again, without sleeping, and without a write to the descriptor.
#[test]
fn a_future_that_wakes_itself_is_polled_again() {
    in_time(|| {
        for desk in desks() {
            let mut turns = 0;
            let wakes_itself = poll_fn(|context| {
                turns += 1;
                context.waker().wake_by_ref();
                assert!(!crate::readable(&*desk.waker), "written to while it was awake");
                if turns == 1000 { Poll::Ready(()) } else { Poll::Pending }
            });
            desk.block_on(wakes_itself, Wait::FOREVER).expect("it never ends");
            assert_eq!(turns, 1000);
            // For ever: the deadline is seen all the same.
            let always = poll_fn(|context| {
                context.waker().wake_by_ref();
                Poll::<()>::Pending
            });
            let timed_out = desk.block_on(always, Duration::from_millis(10).into());
            assert!(matches!(timed_out, Err(BackendError::Interrupted(Interrupted::TimedOut))));
        }
    });
}

/// A backend may take its own waker's calls, and so that of the future polled before it.
#[test]
fn a_backend_that_clears_its_waker_itself_loses_no_call_of_others() {
    struct Clears {
        waker: Arc<FdWaker>,
        container: BackendContainer<quiescent_core::backend::DynBackend>,
    }
    impl IoBackend for Clears {
        type Backend = quiescent_core::backend::DynBackend;
        fn polling_handle(&self) -> Option<PollingHandle<'_>> {
            Some(self.waker.polling_handle())
        }
        fn get_backend(&self) -> Result<BackendHandle<'_, Self::Backend>, BackendError> {
            self.container.try_acquire()
        }
    }
    in_time(|| {
        let waker = Arc::new(FdWaker::new().expect("descriptors are left"));
        let clears = Arc::clone(&waker);
        let called = Arc::new(AtomicBool::new(false));
        let (calls, kept) = (Arc::clone(&called), Arc::new(Mutex::new(None::<Waker>)));
        let asks = Arc::clone(&kept);
        let backend = poll_fn(move |_| {
            // Between the future's poll and the clearing.
            if let Some(waker) = asks.lock().expect("no panic").take() {
                calls.store(true, Ordering::Relaxed);
                waker.wake();
            }
            clears.clear();
            Poll::Pending
        });
        let clears = Clears { waker, container: BackendContainer::new_dyn(backend) };
        let future = poll_fn(|context| {
            if called.load(Ordering::Relaxed) {
                return Poll::Ready(());
            }
            *kept.lock().expect("no panic") = Some(context.waker().clone());
            Poll::Pending
        });
        clears.block_on(future, Wait::FOREVER).expect("it never ends");
    });
}

/// Backends on top of each other, of which only the inner one has something to be watched.
#[test]
fn it_drives_layers() {
    in_time(|| {
        let (outer, inner) = (Desk::unwatched(), Desk::new());
        let container = BackendContainer::new_dyn(poll_fn({
            let polls = Arc::clone(&outer.polls);
            move |_| {
                polls.fetch_add(1, Ordering::Relaxed);
                Poll::Pending
            }
        }));
        let handle =
            container.acquire_nested(inner.get_backend().expect("nobody drives it")).expect("nobody drives it");
        let doubled = block_on(inner.double(4), handle, inner.polling_handle(), Wait::FOREVER);
        assert_eq!(doubled.expect("it never ends"), 8);
        assert!(outer.polls() > 0);
        assert!(inner.get_backend().is_ok());
    });
}

#[test]
fn a_panic_in_the_future_gives_the_backend_back() {
    for desk in desks() {
        let panics = catch_unwind(AssertUnwindSafe(|| {
            desk.block_on(async { panic!("on purpose") }, Wait::FOREVER).expect("it never ends")
        }));
        assert!(panics.is_err());
        assert_eq!(desk.block_on(desk.double(2), Wait::FOREVER).expect("given back"), 4);
    }
}

/// Something to be watched as a test says.
struct Watched {
    flags: PollingFlags,
    waker: FdWaker,
    container: BackendContainer<Pending<()>>,
}

impl Watched {
    fn new(flags: PollingFlags) -> Watched {
        let waker = FdWaker::new().expect("descriptors are left");
        Watched { flags, waker, container: BackendContainer::new(pending()) }
    }
}

impl IoBackend for Watched {
    type Backend = Pending<()>;

    fn polling_handle(&self) -> Option<PollingHandle<'_>> {
        Some(self.waker.polling_handle_of(self.waker.as_fd(), &self.flags, PollingFlags::all()))
    }

    fn get_backend(&self) -> Result<BackendHandle<'_, Pending<()>>, BackendError> {
        self.container.try_acquire()
    }
}

#[test]
fn what_can_never_be_ready_is_an_error() {
    in_time(|| {
        let watched = Watched::new(PollingFlags::new());
        assert!(matches!(watched.block_on(async {}, Wait::FOREVER), Err(BackendError::NoInterest)));
        // It changed its mind while it was driven.
        watched.flags.set_read(true);
        let gives_up = poll_fn(|_| {
            watched.flags.set_read(false);
            Poll::<()>::Pending
        });
        assert!(matches!(watched.block_on(gives_up, Wait::FOREVER), Err(BackendError::NoInterest)));
        assert!(watched.get_backend().is_ok());
    });
}

#[test]
fn a_descriptor_that_cannot_be_polled_is_an_error() {
    in_time(|| {
        let container = BackendContainer::new(pending());
        // SAFETY: it is only polled; that number is nobody's.
        let nobody = unsafe { std::os::fd::BorrowedFd::borrow_raw(1_000_001) };
        let flags = PollingFlags::all();
        let polling = PollingHandle::new(nobody, &flags, PollingFlags::all(), Waker::noop().clone());
        let answer = block_on(pending::<()>(), container.try_acquire().expect("free"), Some(polling), Wait::FOREVER);
        assert!(matches!(answer, Err(BackendError::Io(error)) if error.raw_os_error() == Some(libc::EBADF)));
        assert!(container.try_acquire().is_ok());
    });
}

/// Where there are no descriptors: a place to sleep of one's own.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        *self.rung.lock().expect("no panic") = true;
        self.changed.notify_all();
    }
}

impl Pollable for &Bell {
    fn poll(&self, _flags: &PollingFlags, deadline: Deadline) -> io::Result<bool> {
        assert!(deadline == Deadline::NEVER);
        let mut rung = self.changed.wait_while(self.rung.lock().expect("no panic"), |rung| !*rung).expect("no panic");
        *rung = false;
        Ok(true)
    }
}

#[test]
fn it_sleeps_on_what_one_gives_it() {
    in_time(|| {
        let (bell, container) = (Arc::new(Bell::default()), BackendContainer::new(pending()));
        let semaphore = Arc::new(Semaphore::new(0, 1).expect("allowed"));
        let adds = Arc::clone(&semaphore);
        let other = std::thread::spawn(move || {
            for _ in 0..100 {
                std::thread::yield_now();
                while adds.add(1).is_err() {
                    std::thread::yield_now();
                }
            }
        });
        for _ in 0..100 {
            let flags = PollingFlags::all();
            let polling = PollingHandle::new(&*bell, &flags, PollingFlags::all(), Waker::from(Arc::clone(&bell)));
            let acquires = async { semaphore.acquire_async(1).await.expect("open").forget() };
            block_on(acquires, container.try_acquire().expect("free"), Some(polling), Wait::FOREVER).expect("rung");
        }
        other.join().expect("no panic");
    });
}

/// An event loop of one's own: the descriptor in an epoll, the future polled when it is readable.
#[test]
fn an_event_loop_of_ones_own_drives_it() {
    in_time(|| {
        let desk = Desk::new();
        let semaphore = Semaphore::new(0, 1).expect("allowed");
        let works = async {
            semaphore.acquire_async(1).await.expect("open").forget();
            desk.double(21).await
        };
        let (driven, polling) = desk.with_backend(works).expect("nobody drives it");
        let (mut driven, polling) = (std::pin::pin!(driven), polling.expect("it is watched"));
        std::thread::scope(|threads| {
            threads.spawn(|| {
                std::thread::sleep(Duration::from_millis(10));
                semaphore.add(1).expect("room");
            });
            let mut context = std::task::Context::from_waker(&polling.waker);
            let doubled = loop {
                if let Poll::Ready(doubled) = driven.as_mut().poll(&mut context) {
                    break doubled;
                }
                let mut entry =
                    libc::pollfd { fd: polling.handle.as_raw_fd(), events: polling.cur_flags.to_posix(), revents: 0 };
                // SAFETY: one entry.
                assert_eq!(unsafe { libc::poll(&raw mut entry, 1, 10_000) }, 1, "it was never ready");
                polling.clear();
            };
            assert_eq!(doubled.expect("it never ends"), 42);
        });
    });
}
