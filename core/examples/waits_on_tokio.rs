//! Hundreds of waits, sockets and completions on one thread: a service on a current-thread runtime of tokio's.
//!
//! Each client sends a number through a socket of its own and is sent back what a slow library makes of it. At most eight
//! requests at once may be with the library (a [`Semaphore`]), all of them are counted (a [`Mutex`]), and who has its answer
//! waits until all have (a [`Notify`]). The library works on a thread of its own and hands out its results through a backend,
//! which the runtime watches like a socket.
//!
//!     cargo run --release -p quiescent-core --features tokio-backend --example waits_on_tokio

use quiescent_core::backend::integration::Tokio;
use quiescent_core::backend::{
    BackendContainer, BackendError, BackendHandle, DynBackend, FdWaker, Integration, IoBackend, PollingHandle,
};
use quiescent_core::sync::{Mutex, Notify, Semaphore};
use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Arc, mpsc};
use std::task::{Poll, Waker};
use std::thread::JoinHandle;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// How many clients there are, each with a task and a socket at either end.
const CLIENTS: u64 = 300;
/// How many requests the library is given at once.
const AT_ONCE: u32 = 8;

/// What becomes of a number.
type Results = Arc<parking_lot::Mutex<HashMap<u64, (Option<u64>, Option<Waker>)>>>;

/// A library that takes its time, on a thread of its own.
struct Library {
    requests: Option<mpsc::Sender<u64>>,
    results: Results,
    waker: FdWaker,
    container: BackendContainer<DynBackend>,
    thread: Option<JoinHandle<()>>,
}

impl Library {
    fn new() -> std::io::Result<Library> {
        let (requests, requested) = mpsc::channel::<u64>();
        let (finish, finished) = mpsc::channel();
        let (results, waker) = (Results::default(), FdWaker::new()?);
        // The worker computes, and wakes whoever watches the descriptor.
        let calls = waker.waker();
        let thread = std::thread::spawn(move || {
            for number in requested {
                let result = (1..=1000).fold(number, |result, round| result.wrapping_mul(31).wrapping_add(round));
                if finish.send((number, result)).is_err() {
                    return;
                }
                calls.wake_by_ref();
            }
        });
        // The backend, each time it is polled, hands out what is finished.
        let hands_out = Arc::clone(&results);
        let backend = poll_fn(move |_| {
            for (number, result) in finished.try_iter() {
                if let Some(entry) = hands_out.lock().get_mut(&number) {
                    entry.0 = Some(result);
                    entry.1.take().into_iter().for_each(Waker::wake);
                }
            }
            Poll::Pending
        });
        let container = BackendContainer::new_dyn(backend);
        Ok(Library { requests: Some(requests), results, waker, container, thread: Some(thread) })
    }

    /// What becomes of `number`, as soon as the backend hands it out.
    async fn work_on(&self, number: u64) -> u64 {
        self.results.lock().insert(number, (None, None));
        self.requests.iter().for_each(|requests| requests.send(number).expect("the worker runs"));
        poll_fn(|context| {
            let mut results = self.results.lock();
            let entry = results.get_mut(&number).expect("asked for above");
            if let Some(result) = entry.0 {
                results.remove(&number);
                return Poll::Ready(result);
            }
            entry.1 = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl IoBackend for Library {
    type Backend = DynBackend;

    fn polling_handle(&self) -> Option<PollingHandle<'_>> {
        Some(self.waker.polling_handle())
    }

    fn get_backend(&self) -> Result<BackendHandle<'_, DynBackend>, BackendError> {
        self.container.try_acquire()
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        self.requests = None;
        self.thread.take().into_iter().for_each(|thread| thread.join().expect("the worker does not panic"));
    }
}

/// What all tasks share.
struct Service {
    library: Arc<Library>,
    turns: Semaphore,
    served: Mutex<u64>,
    all_served: Notify,
}

impl Service {
    /// One socket's end: a number in, a number out.
    async fn serve(&self, mut socket: UnixStream) -> std::io::Result<()> {
        let number = socket.read_u64().await?;
        let turn = self.turns.acquire_async(1).await.expect("open");
        let result = self.library.work_on(number).await;
        drop(turn);
        socket.write_u64(result).await?;
        let mut served = self.served.lock_async().await.expect("nobody panics");
        *served += 1;
        if *served == CLIENTS {
            self.all_served.notify_all();
        }
        Ok(())
    }

    /// The other end; and then until all have been served.
    async fn ask(&self, mut socket: UnixStream, number: u64) -> std::io::Result<u64> {
        let all_served = self.all_served.notified();
        socket.write_u64(number).await?;
        let result = socket.read_u64().await?;
        all_served.await.expect("open");
        Ok(result)
    }
}

/// All clients: how many were served, and the sum of what they were sent.
pub(crate) fn run() -> Result<(u64, u64), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let library = Arc::new(Library::new()?);
    let service = Arc::new(Service {
        library: Arc::clone(&library),
        turns: Semaphore::new(AT_ONCE, AT_ONCE)?,
        served: Mutex::new(0),
        all_served: Notify::new(),
    });
    // One task drives the library's backend, for all.
    runtime.block_on(Tokio::run_with(library, async move |_: &Library| {
        let mut clients = Vec::new();
        for number in 0..CLIENTS {
            let (here, there) = UnixStream::pair()?;
            let (serves, asks) = (Arc::clone(&service), Arc::clone(&service));
            tokio::spawn(async move { serves.serve(there).await });
            clients.push(tokio::spawn(async move { asks.ask(here, number).await }));
        }
        let mut sum = 0_u64;
        for client in clients {
            sum = sum.wrapping_add(client.await??);
        }
        let served = *service.served.lock_async().await.expect("nobody panics");
        Ok((served, sum))
    }))?
}

#[allow(dead_code, reason = "a test runs the rest")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let start = Instant::now();
    let (served, sum) = run()?;
    println!("{served} clients served on one thread in {:.1?}; the sum is {sum}", start.elapsed());
    Ok(())
}
