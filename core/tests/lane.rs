//! The hazard lane on a real machine: what the models cannot show, since there both sides of the barrier are full fences.

#![cfg(not(loom))]

use quiescent_core::handle::AnyHandle;
use quiescent_core::{Error, Freed, Handle, Kind, Token};
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

/// Round after round one thread enters at the very moment at which another frees: either it is refused, or it is inside and
/// the object is not destroyed. Without the heavy barrier this fails within seconds: the closer misses a slot that is still
/// on its way from the other processor's store buffer.
#[test]
fn who_frees_sees_every_slot() {
    static ALIVE: AtomicBool = AtomicBool::new(false);
    static CURRENT: AtomicU64 = AtomicU64::new(0);
    static ROUND: AtomicU64 = AtomicU64::new(0);
    static DONE: AtomicU64 = AtomicU64::new(0);
    static ADMITTED: AtomicU64 = AtomicU64::new(0);
    const OVER: u64 = u64::MAX;
    const LATEST: u64 = 4000;
    /// So often at least it must be admitted, and refused. A missing barrier shows once in some ten thousand, in the optimised
    /// build that scripts/sabotage uses.
    const MEETINGS: u64 = if cfg!(debug_assertions) { 500 } else { 60_000 };
    let spin_until = |what: &dyn Fn() -> bool| {
        // Beside many other threads the partner may not be running.
        for turn in 0_u64.. {
            if what() {
                return;
            }
            if turn % 10_000 == 9_999 { std::thread::yield_now() } else { std::hint::spin_loop() }
        }
    };
    let (rounds, dead) = std::thread::scope(|scope| {
        let entrant = scope.spawn(|| {
            let mut dead = 0_u64;
            for round in 1.. {
                spin_until(&|| ROUND.load(Ordering::Acquire) >= round);
                if ROUND.load(Ordering::Acquire) == OVER {
                    break;
                }
                let address = usize::try_from(CURRENT.load(Ordering::Relaxed)).expect("64 bits");
                let token = Token::<Canary>::from_raw(std::ptr::without_provenance::<u8>(address));
                match token.enter(c"look") {
                    Ok(canary) => {
                        let alive = canary.alive;
                        // Long enough for a free that missed this slot to have destroyed it.
                        (0..50).for_each(|_| std::hint::spin_loop());
                        dead += u64::from(!alive.load(Ordering::Relaxed));
                        ADMITTED.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(refused) => assert_eq!(refused, Error::Freed),
                }
                DONE.store(round, Ordering::Release);
            }
            dead
        });
        let start = Instant::now();
        let (mut rounds, mut admitted, mut delay) = (0, 0, 0);
        for round in 1.. {
            let token = busy_canary(&ALIVE);
            let raw = token.into_raw::<u8>();
            CURRENT.store(raw.addr() as u64, Ordering::Relaxed);
            // Reads the entrant's slots, so that its next store has to fetch the cache line first.
            assert_eq!(AnyHandle::from_raw(raw).info().expect("alive").in_flight, 0);
            ROUND.store(round, Ordering::Release);
            // The entrant learns of it some cache misses later. Free a little earlier if it was admitted, else a little later: so
            // close to the moment at which it is as likely the one as the other.
            (0..delay + round % 32).for_each(|step| {
                std::hint::black_box(step);
            });
            if delay == LATEST {
                // It does not run at all: both are on one processor.
                std::thread::yield_now();
            }
            assert_eq!(token.free(FOREVER), Ok(Freed::Destroyed));
            spin_until(&|| DONE.load(Ordering::Acquire) == round);
            let admitted_now = ADMITTED.load(Ordering::Relaxed);
            delay = if admitted_now > admitted { delay.saturating_sub(8) } else { (delay + 8).min(LATEST) };
            admitted = admitted_now;
            // On a loaded machine they meet less often: then for longer.
            let met = admitted >= MEETINGS && round - admitted >= MEETINGS;
            if start.elapsed() > Duration::from_secs(if met { 3 } else { 100 }) {
                ROUND.store(OVER, Ordering::Release);
                rounds = round;
                break;
            }
        }
        (rounds, entrant.join().expect("no panic"))
    });
    let admitted = ADMITTED.load(Ordering::Relaxed);
    println!("admitted in {admitted} of {rounds} rounds");
    assert!(admitted >= MEETINGS && rounds - admitted >= MEETINGS, "they did not meet: nothing was tested");
    assert_eq!(dead, 0, "operations on a destroyed object");
}

/// Holds are taken by one thread and released by another, which looks at the object once more, while the handle is freed and
/// replaced again and again: by frees that wait, and by frees that leave the end to the last release.
#[test]
fn holds_released_elsewhere_and_no_use_after_destruction() {
    const HOLDS: u64 = 300_000;
    static CURRENT: AtomicU64 = AtomicU64::new(0);
    let show = |token: Token<Canary>| CURRENT.store(token.into_raw::<u8>().addr() as u64, Ordering::Release);
    let new = || busy_canary(Box::leak(Box::new(AtomicBool::new(false))));
    let released = AtomicU64::new(0);
    let (mut lives, mut interrupted) = (0_u64, 0_u64);
    let mut token = new();
    show(token);
    std::thread::scope(|scope| {
        let (send, receive) = std::sync::mpsc::sync_channel(64);
        scope.spawn(move || {
            loop {
                let address = usize::try_from(CURRENT.load(Ordering::Acquire)).expect("64 bits");
                if address == 0 {
                    return;
                }
                let token = Token::<Canary>::from_raw(std::ptr::without_provenance::<u8>(address));
                if let Ok(hold) = token.hold(c"held") {
                    send.send(hold).expect("it listens");
                }
            }
        });
        scope.spawn(|| {
            for hold in receive {
                assert!(hold.alive.load(Ordering::Relaxed), "a hold of a destroyed object");
                drop(hold);
                released.fetch_add(1, Ordering::Relaxed);
            }
        });
        let start = Instant::now();
        let met = |lives, interrupted| lives > 10 && interrupted > 0 || start.elapsed() > FOREVER;
        while released.load(Ordering::Relaxed) < HOLDS || !met(lives, interrupted) {
            std::thread::sleep(Duration::from_micros(100));
            let next = new();
            interrupted += u64::from(token.any().info().expect("alive").holds > 0);
            if lives % 2 == 0 {
                assert_eq!(token.free(FOREVER), Ok(Freed::Destroyed));
            } else {
                assert!(matches!(token.free(Duration::ZERO), Ok(Freed::Destroyed | Freed::Pending)));
                assert_eq!(token.wait_freed(FOREVER), Ok(()), "nobody destroys it");
            }
            token = next;
            show(token);
            lives += 1;
        }
        CURRENT.store(0, Ordering::Release);
    });
    assert_eq!(token.free(FOREVER), Ok(Freed::Destroyed));
    println!("{} holds, {lives} lives, {interrupted} of them ended with something held", released.into_inner());
    assert!(lives > 10 && interrupted > 0, "the frees met no hold: nothing was tested");
}

/// Threads enter and leave the same busy handle without a pause, while it is freed and replaced again and again.
/// `QUIESCENT_ENTRIES` sets another volume than ten million entries.
#[test]
fn many_entries_and_no_use_after_destruction() {
    static CURRENT: AtomicU64 = AtomicU64::new(0);
    let wanted = std::env::var("QUIESCENT_ENTRIES").map_or(10_000_000, |entries| entries.parse().expect("a number"));
    /// Never given back, for those who would look at it too late.
    fn flag() -> &'static AtomicBool {
        Box::leak(Box::new(AtomicBool::new(false)))
    }
    let entries = AtomicU64::new(0);
    let over = AtomicBool::new(false);
    let (mut lives, mut interrupted) = (0_u64, 0_u64);
    std::thread::scope(|scope| {
        let first = busy_canary(flag());
        CURRENT.store(first.into_raw::<u8>().addr() as u64, Ordering::Release);
        for _ in 0..3 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let address = usize::try_from(CURRENT.load(Ordering::Acquire)).expect("64 bits");
                    let token = Token::<Canary>::from_raw(std::ptr::without_provenance::<u8>(address));
                    let mut mine = 0;
                    while let Ok(canary) = token.enter(c"storm") {
                        assert!(canary.alive.load(Ordering::Relaxed), "an operation on a destroyed object");
                        mine += 1;
                        if mine == 100_000 {
                            break;
                        }
                    }
                    entries.fetch_add(mine, Ordering::Relaxed);
                }
            });
        }
        let mut token = first;
        let start = Instant::now();
        let met = |lives, interrupted| lives > 10 && interrupted > 0 || start.elapsed() > FOREVER;
        while entries.load(Ordering::Relaxed) < wanted || !met(lives, interrupted) {
            std::thread::sleep(Duration::from_micros(200));
            let next = busy_canary(flag());
            interrupted += u64::from(token.any().info().expect("alive").in_flight > 0);
            assert_eq!(token.free(FOREVER), Ok(Freed::Destroyed));
            token = next;
            CURRENT.store(token.into_raw::<u8>().addr() as u64, Ordering::Release);
            lives += 1;
        }
        over.store(true, Ordering::Relaxed);
        assert_eq!(token.free(FOREVER), Ok(Freed::Destroyed));
    });
    println!("{} entries, {lives} lives, {interrupted} of them ended with somebody inside", entries.into_inner());
    assert!(lives > 10 && interrupted > 0, "the frees met nobody: nothing was tested");
}
