//! Threads that wake at once, whatever the system wakes by.

use crate::{SystemWaker, in_time};
use quiescent_core::Deadline;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Threads that wake, and one that sleeps until each was heard: none is lost.
#[test]
fn no_wake_is_lost() {
    in_time(|| {
        const ROUNDS: u32 = 20_000;
        let waker = SystemWaker::new().expect("there is room for one more");
        let said = Arc::new(AtomicU32::new(0));
        let speakers: Vec<_> = (0..2)
            .map(|_| {
                let (said, waker) = (Arc::clone(&said), waker.waker());
                std::thread::spawn(move || {
                    for _ in 0..ROUNDS {
                        said.fetch_add(1, Ordering::Relaxed);
                        waker.wake_by_ref();
                    }
                })
            })
            .collect();
        let handle = waker.polling_handle();
        let mut turns = 0;
        while said.load(Ordering::Relaxed) < 2 * ROUNDS {
            handle.wait(Deadline::NEVER).expect("it can be polled");
            turns += 1;
        }
        for speaker in speakers {
            speaker.join().expect("no panic");
        }
        assert!(turns <= 2 * ROUNDS + 2, "woken more often than there were wakes");
    });
}

#[test]
fn wakers_may_outlive_their_owner_by_far() {
    in_time(|| {
        for _ in 0..200 {
            let owner = SystemWaker::new().expect("there is room for one more");
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let waker = owner.waker();
                    std::thread::spawn(move || (0..100).for_each(|_| waker.wake_by_ref()))
                })
                .collect();
            drop(owner);
            for thread in threads {
                thread.join().expect("no panic");
            }
        }
    });
}
