//! Driving a backend in tasks of runtimes.

use crate::desk::Desk;
use crate::in_time;
use quiescent_core::Wait;
#[cfg(feature = "async-io")]
use quiescent_core::backend::integration::AsyncIo;
use quiescent_core::backend::integration::Tokio;
use quiescent_core::backend::{
    BackendContainer, BackendError, BackendHandle, DynBackend, FdWaker, Integration, IoBackend, IoBackendExt,
    LinksIoBackend, Null, PollingFlags, PollingHandle, RefLink,
};
use quiescent_core::sync::Semaphore;
use std::future::{Future, pending, poll_fn};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

fn runtimes() -> [Runtime; 2] {
    let mut several = Builder::new_multi_thread();
    let built = [Builder::new_current_thread().enable_io().build(), several.worker_threads(2).enable_io().build()];
    built.map(|runtime| runtime.expect("a runtime"))
}

/// Runs the work with each integration that watches, where it belongs.
macro_rules! everywhere {
    ($link:expr, $work:expr) => {
        in_time(|| {
            for runtime in runtimes() {
                runtime.block_on(Tokio::run_with($link, $work)).expect("driven");
            }
            #[cfg(feature = "async-io")]
            quiescent_core::block_on(AsyncIo::run_with($link, $work), Wait::FOREVER).expect("no end").expect("driven");
        })
    };
}

/// What the backend does, and what other threads do, both wake the task.
#[test]
fn they_drive_it_until_the_work_is_done() {
    everywhere!(Desk::new(), async |desk: &Desk| {
        for number in 0..100 {
            assert_eq!(desk.double(number).await, 2 * number);
        }
        let semaphore = Arc::new(Semaphore::new(0, 100).expect("allowed"));
        let (adds, waker) = (Arc::clone(&semaphore), Arc::clone(&desk.waker));
        let other = std::thread::spawn(move || {
            for _ in 0..100 {
                waker.wake();
                adds.add(1).expect("room");
            }
        });
        for _ in 0..100 {
            semaphore.acquire_async(1).await.expect("open").forget();
        }
        other.join().expect("no panic");
    });
}

/// Work that comes from another thread while the task sleeps, and of which only the descriptor tells.
#[test]
fn they_watch_what_the_backend_gives() {
    everywhere!(Desk::new(), async |desk: &Desk| {
        let (ask, asked) = std::sync::mpsc::channel::<()>();
        let (doubled, waker) = (desk.double(1), Arc::clone(&desk.waker));
        let mut polls = 0;
        assert_eq!(doubled.await, 2);
        let other = std::thread::spawn(move || {
            while asked.recv().is_ok() {
                std::thread::sleep(Duration::from_micros(200));
                waker.wake();
            }
        });
        // Ends when the backend was polled so often: nobody wakes this future itself.
        poll_fn(|_| {
            polls += 1;
            if polls > 50 {
                return Poll::Ready(());
            }
            ask.send(()).expect("asked");
            Poll::Pending
        })
        .await;
        drop(ask);
        other.join().expect("no panic");
    });
}

/// The link is dropped last, after the work that refers to what it owns, also when nobody waits for its end.
#[test]
fn what_an_integration_owns_outlives_what_refers_to_it() {
    type Log = Arc<Mutex<Vec<&'static str>>>;
    struct Says(Log, &'static str);
    impl Drop for Says {
        fn drop(&mut self) {
            self.0.lock().expect("no panic").push(self.1);
        }
    }
    struct Owner {
        desk: Box<Desk>,
        _says: Says,
    }
    impl LinksIoBackend for Owner {
        type Link = Desk;
        fn link(&self) -> &Desk {
            &self.desk
        }
    }
    /// Uses what it refers to when it is dropped.
    struct Refers<'a>(&'a Desk, Log);
    impl Drop for Refers<'_> {
        fn drop(&mut self) {
            assert!(self.0.get_backend().is_err(), "still driven");
            self.1.lock().expect("no panic").push("work");
        }
    }
    fn check<R: Future>(run: impl Fn(Owner, Log) -> R) {
        let log = Log::default();
        for polls in 0..3 {
            let owner = Owner { desk: Box::new(Desk::unwatched()), _says: Says(Arc::clone(&log), "link") };
            let mut running = Box::pin(run(owner, Arc::clone(&log)));
            for _ in 0..polls {
                assert!(running.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            }
            drop(running);
            let expected: &[_] = if polls == 0 { &["link"] } else { &["work", "link"] };
            assert_eq!(std::mem::take(&mut *log.lock().expect("no panic")), expected);
        }
    }
    async fn work(desk: &Desk, log: Log) {
        let _refers = Refers(desk, log);
        assert_eq!(desk.double(1).await, 2);
        pending::<()>().await;
    }
    check(|owner, log| Null::run_with(owner, async move |desk: &Desk| work(desk, log).await));
    check(|owner, log| Tokio::run_with(owner, async move |desk: &Desk| work(desk, log).await));
    #[cfg(feature = "async-io")]
    check(|owner, log| AsyncIo::run_with(owner, async move |desk: &Desk| work(desk, log).await));
}

#[test]
fn a_second_one_is_told_busy() {
    everywhere!(Desk::new(), async |desk: &Desk| {
        assert!(matches!(Tokio::run_with(RefLink::new(desk), async |_| ()).await, Err(BackendError::Busy)));
        #[cfg(feature = "async-io")]
        assert!(matches!(AsyncIo::run_with(RefLink::new(desk), async |_| ()).await, Err(BackendError::Busy)));
        assert!(matches!(Null::run_with(RefLink::new(desk), async |_| ()).await, Err(BackendError::Busy)));
    });
}

#[test]
fn one_that_is_borrowed_is_given_back() {
    in_time(|| {
        let mut desk = Desk::new();
        for runtime in runtimes() {
            for number in 0..10 {
                let doubled = Tokio::run_with_mut(&mut desk, async |desk: &Desk| desk.double(number).await);
                assert_eq!(runtime.block_on(doubled).expect("driven"), 2 * number);
            }
        }
        assert_eq!(desk.block_on(desk.double(3), Wait::FOREVER).expect("given back"), 6);
    });
}

/// A task that is spawned, on whatever thread it goes on.
#[test]
fn it_may_be_spawned() {
    in_time(|| {
        for runtime in runtimes() {
            let tasks: Vec<_> = (0..20)
                .map(|number| {
                    runtime.spawn(Tokio::run_with(Desk::new(), async move |desk: &Desk| desk.double(number).await))
                })
                .collect();
            for (number, task) in (0..).zip(tasks) {
                assert_eq!(runtime.block_on(task).expect("no panic").expect("driven"), 2 * number);
            }
        }
    });
}

#[test]
fn null_drives_what_wakes_by_itself_and_refuses_what_has_to_be_watched() {
    in_time(|| {
        let desk = Desk::unwatched();
        let doubled = Null::run_with(desk, async |desk: &Desk| desk.double(8).await);
        assert_eq!(quiescent_core::block_on(doubled, Wait::FOREVER).expect("no end").expect("driven"), 16);
        let mut watched = Desk::new();
        let refused = Null::run_with_mut(&mut watched, async |_| ());
        let refused = quiescent_core::block_on(refused, Wait::FOREVER).expect("no end");
        assert!(matches!(refused, Err(BackendError::Unwatched)));
        assert!(watched.get_backend().is_ok());
    });
}

#[test]
fn outside_of_a_runtime_of_tokios_is_an_error() {
    in_time(|| {
        let refused = Tokio::run_with(Desk::new(), async |_: &Desk| ());
        assert!(matches!(quiescent_core::block_on(refused, Wait::FOREVER), Ok(Err(BackendError::Io(_)))));
    });
}

/// How many bytes were moved, and who asks to be woken at how many.
type Moved = Arc<Mutex<(usize, Option<(usize, Waker)>)>>;

/// A backend that reads from a socket, or writes to it, one byte for each poll.
struct Socket {
    flags: Arc<PollingFlags>,
    socket: Arc<UnixStream>,
    container: BackendContainer<DynBackend>,
    moved: Moved,
    waker: FdWaker,
    polls: Arc<AtomicU32>,
    /// Kept open, where nobody uses it.
    _there: Option<UnixStream>,
}

impl Socket {
    /// Reads or writes, and the other end.
    fn new(reads: bool) -> (Socket, UnixStream) {
        let (here, there) = UnixStream::pair().expect("descriptors are left");
        here.set_nonblocking(true).expect("open");
        let socket = Arc::new(here);
        let moved = Moved::default();
        let polls = Arc::new(AtomicU32::new(0));
        let backend = {
            let (socket, moved, polls) = (Arc::clone(&socket), Arc::clone(&moved), Arc::clone(&polls));
            poll_fn(move |_| {
                polls.fetch_add(1, Ordering::Relaxed);
                let mut byte = [7; 1];
                let bytes = if reads { (&*socket).read(&mut byte) } else { (&*socket).write(&byte) };
                let (moved, asks) = &mut *moved.lock().expect("no panic");
                *moved += bytes.unwrap_or(0);
                if let Some((_, asks)) = asks.take_if(|(at, _)| *moved >= *at) {
                    asks.wake();
                }
                Poll::Pending
            })
        };
        let flags = Arc::new(PollingFlags::new().read(reads).write(!reads));
        let waker = FdWaker::new().expect("descriptors are left");
        let container = BackendContainer::new_dyn(backend);
        (Socket { flags, socket, container, moved, waker, polls, _there: None }, there)
    }

    /// Until so many bytes were moved, and not woken before.
    async fn moved(&self, bytes: usize) {
        poll_fn(|context| {
            let (moved, asks) = &mut *self.moved.lock().expect("no panic");
            *asks = Some((bytes, context.waker().clone()));
            if *moved >= bytes { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl IoBackend for Socket {
    type Backend = DynBackend;

    fn polling_handle(&self) -> Option<PollingHandle<'_>> {
        Some(PollingHandle::new(self.socket.as_fd(), &self.flags, PollingFlags::all(), self.waker.waker()))
    }

    fn get_backend(&self) -> Result<BackendHandle<'_, DynBackend>, BackendError> {
        self.container.try_acquire()
    }
}

/// What the backend leaves in the socket is ready still: one byte a poll, of a hundred that come at once.
#[test]
fn what_is_left_is_ready_still() {
    fn full() -> Socket {
        let (socket, mut there) = Socket::new(true);
        there.write_all(&[1; 100]).expect("room");
        Socket { _there: Some(there), ..socket }
    }
    everywhere!(full(), async |socket: &Socket| socket.moved(100).await);
    in_time(|| {
        let socket = full();
        socket.block_on(socket.moved(100), Wait::FOREVER).expect("driven");
    });
}

/// It is full until somebody reads: the write bit, through each integration.
#[test]
fn the_write_bit_is_watched_for_writing() {
    fn full() -> (Socket, std::thread::JoinHandle<()>) {
        let (socket, mut there) = Socket::new(false);
        while (&*socket.socket).write(&[0; 4096]).is_ok() {}
        while (&*socket.socket).write(&[0]).is_ok() {}
        let reads = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            let mut rest = vec![0; 1 << 20];
            while there.read(&mut rest).is_ok_and(|read| read != 0) {}
        });
        (socket, reads)
    }
    async fn moved(socket: &Socket) {
        socket.moved(1).await;
        let polls = socket.polls.load(Ordering::Relaxed);
        assert!(polls < 100, "polled {polls} times while it was full");
        socket.socket.shutdown(std::net::Shutdown::Both).expect("open");
    }
    in_time(|| {
        for runtime in runtimes() {
            let (socket, reads) = full();
            runtime.block_on(Tokio::run_with(socket, moved)).expect("driven");
            reads.join().expect("no panic");
        }
        #[cfg(feature = "async-io")]
        {
            let (socket, reads) = full();
            quiescent_core::block_on(AsyncIo::run_with(socket, moved), Wait::FOREVER).expect("no end").expect("driven");
            reads.join().expect("no panic");
        }
        let (socket, reads) = full();
        socket.block_on(moved(&socket), Wait::FOREVER).expect("driven");
        reads.join().expect("no panic");
    });
}

#[test]
fn neither_for_reading_nor_for_writing_is_an_error() {
    in_time(|| {
        let (socket, _there) = Socket::new(true);
        let gives_up = async |socket: &Socket| {
            socket.flags.set_read(false);
            pending::<()>().await;
        };
        // From the beginning, and by then.
        for at_first in [false, true] {
            for runtime in runtimes() {
                socket.flags.set_read(at_first);
                let answer = runtime.block_on(Tokio::run_with(RefLink::new(&socket), gives_up));
                assert!(matches!(answer, Err(BackendError::NoInterest)));
            }
            #[cfg(feature = "async-io")]
            {
                socket.flags.set_read(at_first);
                let answer =
                    quiescent_core::block_on(AsyncIo::run_with(RefLink::new(&socket), gives_up), Wait::FOREVER);
                assert!(matches!(answer, Ok(Err(BackendError::NoInterest))));
            }
        }
    });
}

/// Nothing to do: nobody is polled, whoever waits.
#[test]
fn they_sleep_while_there_is_nothing_to_do() {
    in_time(|| {
        let runtime = Builder::new_current_thread().enable_io().build().expect("a runtime");
        let (desk, over) = (Desk::new(), Semaphore::new(0, 1).expect("allowed"));
        std::thread::scope(|threads| {
            threads.spawn(|| {
                std::thread::sleep(Duration::from_millis(100));
                over.add(1).expect("room");
            });
            // Woken once, and cleared: not ready from then on.
            desk.waker.wake();
            let sleeps = Tokio::run_with(RefLink::new(&desk), async |_: &Desk| {
                over.acquire_async(1).await.expect("open").forget();
            });
            runtime.block_on(sleeps).expect("driven");
        });
        assert!(desk.polls() <= 4, "polled {} times for nothing", desk.polls());
    });
}
