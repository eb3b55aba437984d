//! The hazard lane on a real machine: what the models cannot show, since there both sides of the barrier are full fences.

#![cfg(not(loom))]

use quiescent_core::handle::AnyHandle;
use quiescent_core::{Freed, Handle, Kind, Token};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Entered so often, a handle's hazard lane is open.
const BUSY: u32 = 1000;
const FOREVER: Duration = Duration::from_secs(60);

struct Canary {
    alive: &'static AtomicBool,
}

static CANARY: Kind<Canary> = Kind::new("canary");
impl Handle for Canary {
    fn kind() -> &'static Kind<Canary> {
        &CANARY
    }
}
impl Drop for Canary {
    fn drop(&mut self) {
        self.alive.store(false, Ordering::Relaxed);
    }
}

fn busy_canary(alive: &'static AtomicBool) -> Token<Canary> {
    alive.store(true, Ordering::Relaxed);
    let token = Token::open(Canary { alive }).expect("memory");
    for _ in 0..BUSY {
        drop(token.enter(c"warm up").expect("open"));
    }
    token
}

/// Two threads enter and leave without a pause while a third frees: nobody is inside when the object is destroyed.
/// Without the heavy barrier this fails within a second or so: the closer misses a slot that is still on its way from the
/// other processor's store buffer.
#[test]
fn who_frees_sees_every_slot() {
    static ALIVE: AtomicBool = AtomicBool::new(false);
    static CURRENT: AtomicU64 = AtomicU64::new(0);
    let (over, admitted, dead, overlapped) =
        (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let mut frees = 0_u64;
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let token = Token::<Canary>::from_raw(std::ptr::without_provenance::<u8>(
                        usize::try_from(CURRENT.load(Ordering::Acquire)).expect("64 bits"),
                    ));
                    let mut entries = 0;
                    // Until this life is over.
                    while let Ok(canary) = token.enter(c"look") {
                        // The shortest operation there is: entered, looked at, left.
                        if !canary.alive.load(Ordering::Relaxed) {
                            dead.fetch_add(1, Ordering::Relaxed);
                        }
                        entries += 1;
                    }
                    admitted.fetch_add(entries, Ordering::Relaxed);
                }
            });
        }
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(3) {
            let token = busy_canary(&ALIVE);
            let bits = token.into_raw::<u8>().addr() as u64;
            CURRENT.store(bits, Ordering::Release);
            for _ in 0..(frees % 64) * 20 {
                std::hint::spin_loop();
            }
            let before = AnyHandle::from_raw(token.into_raw::<u8>()).info().expect("alive").in_flight;
            overlapped.fetch_add(u64::from(before > 0), Ordering::Relaxed);
            assert_eq!(token.free(FOREVER), Ok(Freed::Destroyed));
            frees += 1;
        }
        over.store(true, Ordering::Relaxed);
    });
    let overlap = overlapped.into_inner();
    println!("{frees} frees, {overlap} with somebody inside, among {} operations", admitted.into_inner());
    assert!(overlap * 50 > frees, "the threads did not meet: nothing was tested");
    assert_eq!(dead.into_inner(), 0, "operations on a destroyed object");
}
