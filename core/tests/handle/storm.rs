//! Everybody at once.

use super::*;
use quiescent_core::Hold;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64};

/// 20 of 20: refusals write nothing, so they hold no free up. With every sort of token that is refused.
#[test]
fn a_storm_of_refusals_does_not_disturb_a_free() {
    struct Never;
    handle_type!(Never, "never opened");
    for round in 0..20 {
        let (stale, _) = open();
        assert_eq!(stale.free(LONG), Ok(Freed::Destroyed));
        // Mostly the stale one's shell.
        let (token, fate) = open();
        let over = AtomicBool::new(false);
        let refusals = AtomicU64::new(0);
        let operation = token.enter(c"leaves amid the storm").expect("open");
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let misread = Token::<Never>::from_raw(token.into_raw::<u8>());
                    eventually("it is closed", || token.is_closing());
                    while !over.load(SeqCst) {
                        assert_eq!(token.enter(c"late").err(), Some(Error::Freed));
                        assert_eq!(stale.enter(c"stale").err(), Some(Error::Freed));
                        assert_eq!(stale.try_free(), Ok(Freed::AlreadyFreed));
                        assert!(misread.enter(c"wrong kind").is_err());
                        refusals.fetch_add(4, SeqCst);
                    }
                });
            }
            let freer = scope.spawn(|| token.free(LONG / 4));
            eventually("it is closed", || token.is_closing());
            thread::sleep(20 * MS);
            eventually("it is a storm", || refusals.load(SeqCst) > 1000);
            drop(operation);
            let freed = ended(freer);
            over.store(true, SeqCst);
            assert_eq!(freed, Ok(Freed::Destroyed), "round {round}: the storm held the free up");
        });
        is_over(token, &fate);
    }
}

const IDS: usize = 400_000;
static DROPS: [AtomicU8; IDS] = [const { AtomicU8::new(0) }; IDS];
static NEXT: AtomicUsize = AtomicUsize::new(0);
static CLOSES: AtomicUsize = AtomicUsize::new(0);

struct Numbered(usize);
handle_type!(Numbered, "numbered", |numbered| {
    numbered.is_alive();
    CLOSES.fetch_add(1, SeqCst);
});
impl Numbered {
    fn open() -> Token<Numbered> {
        let id = NEXT.fetch_add(1, SeqCst);
        assert!(id < IDS, "more handles than this test has room for");
        Token::open(Numbered(id)).expect("a new handle")
    }
    fn is_alive(&self) {
        assert_eq!(DROPS[self.0].load(SeqCst), 0, "destroyed while somebody is inside");
    }
}
impl Drop for Numbered {
    fn drop(&mut self) {
        assert_eq!(DROPS[self.0].fetch_add(1, SeqCst), 0, "destroyed twice");
    }
}

/// A small random number (xorshift).
fn random(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed >> 33
}

struct Arena {
    /// What foreign code holds, each replaced by whoever finds it freed.
    places: [AtomicU64; 4],
    /// Holds, to be released by whoever comes along.
    held: Mutex<Vec<Hold<Numbered>>>,
    overlaps: AtomicUsize,
    pending: AtomicUsize,
    over: AtomicBool,
}

impl Arena {
    fn token(&self, place: usize) -> Token<Numbered> {
        let bits = usize::try_from(self.places[place].load(SeqCst)).expect("64 bits");
        Token::from_raw(std::ptr::without_provenance::<u8>(bits))
    }

    fn replace(&self, place: usize, old: Token<Numbered>) {
        let bits = |token: Token<Numbered>| token.into_raw::<u8>().addr() as u64;
        let new = Numbered::open();
        if self.places[place].compare_exchange(bits(old), bits(new), SeqCst, SeqCst).is_err() {
            assert_eq!(new.free(LONG), Ok(Freed::Destroyed), "nobody has seen it");
        }
    }

    fn take_hold(&self) -> Option<Hold<Numbered>> {
        let mut held = self.held.lock().expect("no panic");
        if held.is_empty() { None } else { Some(held.swap_remove(0)) }
    }

    fn act(&self, seed: &mut u64) {
        let place = usize::try_from(random(seed) % 4).expect("small");
        let token = self.token(place);
        match random(seed) % 16 {
            0..8 => {
                let Ok(inside) = token.enter(c"enter") else { return self.replace(place, token) };
                for _ in 0..20 {
                    inside.is_alive();
                }
                self.overlaps.fetch_add(usize::from(token.is_closing()), SeqCst);
                if random(seed) % 64 == 0 {
                    assert_ne!(token.free(LONG), Ok(Freed::Destroyed), "freed under its own operation");
                    inside.is_alive();
                }
            }
            8..10 => {
                if let Ok(hold) = token.hold(c"hold") {
                    hold.is_alive();
                    self.held.lock().expect("no panic").push(hold);
                }
                drop(self.take_hold().inspect(|hold| hold.is_alive()));
            }
            10..13 => {
                // One in four does not wait at all: so some stay pending, however the threads are scheduled.
                let patience = if random(seed) % 4 == 0 { 0 } else { random(seed) % 2000 };
                let freed = token.free(Duration::from_micros(patience)).expect("no refusal");
                self.pending.fetch_add(usize::from(freed == Freed::Pending), SeqCst);
                if freed != Freed::Pending {
                    assert_eq!(token.enter(c"late").err(), Some(Error::Freed));
                    self.replace(place, token);
                }
            }
            13..15 => match token.try_free() {
                Ok(Freed::Destroyed | Freed::AlreadyFreed) => self.replace(place, token),
                Ok(Freed::Pending) | Err(Error::Busy) => {}
                other => panic!("{other:?} from try_free"),
            },
            _ => match token.wait_freed(Duration::from_micros(random(seed) % 500)) {
                Ok(()) => assert_eq!(token.enter(c"late").err(), Some(Error::Freed)),
                Err(Error::Timeout | Error::Deadlock) => {}
                other => panic!("{other:?} from wait_freed"),
            },
        }
    }
}

/// Eight threads do everything with a few handles that are replaced all the time: nothing is destroyed
/// under anybody, and every value once.
#[test]
fn everything_against_everything() {
    let arena = Arena {
        places: std::array::from_fn(|_| AtomicU64::new(Numbered::open().into_raw::<u8>().addr() as u64)),
        held: Mutex::new(Vec::new()),
        overlaps: AtomicUsize::new(0),
        pending: AtomicUsize::new(0),
        over: AtomicBool::new(false),
    };
    let actions: u64 = thread::scope(|scope| {
        let arena = &arena;
        let threads: Vec<_> = (1..=8_u64)
            .map(|number| {
                scope.spawn(move || {
                    let (mut seed, mut actions) = (number.wrapping_mul(0x9e37_79b9_7f4a_7c15), 0);
                    while !arena.over.load(SeqCst) && NEXT.load(SeqCst) < IDS - 100 {
                        arena.act(&mut seed);
                        actions += 1;
                    }
                    actions
                })
            })
            .collect();
        let start = Instant::now();
        let met = |count: &AtomicUsize| count.load(SeqCst) > 0;
        let all_met = || met(&arena.overlaps) && met(&arena.pending) && met(&CLOSES);
        while start.elapsed() < 1500 * MS || !all_met() && start.elapsed() < LONG {
            thread::sleep(10 * MS);
        }
        arena.over.store(true, SeqCst);
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    arena.held.lock().expect("no panic").clear();
    for place in 0..4 {
        assert_ne!(arena.token(place).free(LONG), Ok(Freed::Pending));
    }
    let opened = NEXT.load(SeqCst);
    let dropped = DROPS.iter().filter(|drops| drops.load(SeqCst) == 1).count();
    let (overlaps, pending, closes) = (arena.overlaps.into_inner(), arena.pending.into_inner(), CLOSES.load(SeqCst));
    println!(
        "{actions} actions on {opened} handles: {overlaps} operations overlapped a free, {pending} frees were pending, {closes} calls of on_close"
    );
    assert_eq!(dropped, opened, "values dropped once, of those made");
    assert!(overlaps > 0 && pending > 0 && closes > 0, "no operation met a free: nothing was tested");
}
