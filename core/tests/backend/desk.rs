//! A backend to try things with: a desk that doubles numbers whenever somebody polls it.

use crate::SystemWaker;
use quiescent_core::backend::{BackendContainer, BackendError, BackendHandle, DynBackend, IoBackend, PollingHandle};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

#[derive(Default)]
struct Job {
    number: u32,
    done: bool,
    asks: Option<Waker>,
}

type Jobs = Arc<Mutex<VecDeque<Arc<Mutex<Job>>>>>;

pub struct Desk {
    jobs: Jobs,
    /// How often it was polled.
    pub polls: Arc<AtomicU32>,
    pub waker: Arc<SystemWaker>,
    container: BackendContainer<DynBackend>,
    /// Whether it gives its waker to be watched.
    watched: bool,
}

impl Desk {
    pub fn new() -> Desk {
        let jobs = Jobs::default();
        let polls = Arc::new(AtomicU32::new(0));
        let backend = {
            let (jobs, polls) = (Arc::clone(&jobs), Arc::clone(&polls));
            poll_fn(move |_| {
                polls.fetch_add(1, Ordering::Relaxed);
                while let Some(job) = { jobs.lock().expect("no panic").pop_front() } {
                    let mut job = job.lock().expect("no panic");
                    job.number *= 2;
                    job.done = true;
                    if let Some(asks) = job.asks.take() {
                        asks.wake();
                    }
                }
                Poll::Pending
            })
        };
        Desk {
            jobs,
            polls,
            waker: Arc::new(SystemWaker::new().expect("the system has room for it")),
            container: BackendContainer::new_dyn(backend),
            watched: true,
        }
    }

    /// One that has nothing to be watched.
    pub fn unwatched() -> Desk {
        Desk { watched: false, ..Desk::new() }
    }

    /// Twice `number`, as soon as the backend is polled.
    pub fn double(&self, number: u32) -> impl Future<Output = u32> + Send + use<> {
        let job = Arc::new(Mutex::new(Job { number, ..Job::default() }));
        self.jobs.lock().expect("no panic").push_back(Arc::clone(&job));
        self.waker.wake();
        poll_fn(move |context| {
            let mut job = job.lock().expect("no panic");
            if job.done {
                return Poll::Ready(job.number);
            }
            job.asks = Some(context.waker().clone());
            Poll::Pending
        })
    }

    pub fn polls(&self) -> u32 {
        self.polls.load(Ordering::Relaxed)
    }
}

impl IoBackend for Desk {
    type Backend = DynBackend;

    fn polling_handle(&self) -> Option<PollingHandle<'_>> {
        self.watched.then(|| self.waker.polling_handle())
    }

    fn get_backend(&self) -> Result<BackendHandle<'_, DynBackend>, BackendError> {
        self.container.try_acquire()
    }
}
