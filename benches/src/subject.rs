//! What is measured: the same operation, protected by this means or that.

use crate::stopwatch::Stopwatch;
use std::hint::black_box;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};

/// Part of the report that a subject stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// What the others are divided by.
    Baseline,
    /// Somebody else's, or what it is made of.
    Rival,
    /// This project's.
    Ours,
}

/// One thing that is measured, on either of two objects.
pub trait Subject: Sync {
    /// As the report calls it.
    fn name(&self) -> &str;
    /// As the report shows it.
    fn role(&self) -> Role;
    /// How many calls a batch has; `None`: as many as fill its time.
    fn calls(&self) -> Option<u32> {
        None
    }
    /// Does it `calls` times on object 0 or 1, timed.
    fn batch(&self, object: usize, calls: u32, watch: &mut Stopwatch);
}

/// What every operation does with its object once it is protected.
#[derive(Debug, Default)]
pub struct Payload(AtomicU64);

impl Payload {
    /// Looks at the object. A call, as the author's own function would be.
    #[inline(never)]
    pub fn touch(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// On cache lines of its own, and not next to those that are fetched together with them.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Apart<T>(pub T);

impl<T> Deref for Apart<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

struct Repeated<O, P, F> {
    name: String,
    role: Role,
    objects: [Apart<O>; 2],
    prepare: P,
    operation: F,
}

/// A subject that does one `operation` again and again. `prepare` makes what a thread keeps for a batch.
pub fn repeated<O: Sync, L>(
    name: &str,
    role: Role,
    objects: [O; 2],
    prepare: impl Fn() -> L + Sync,
    operation: impl Fn(&O, &mut L) -> u64 + Sync,
) -> impl Subject {
    Repeated { name: name.to_owned(), role, objects: objects.map(Apart), prepare, operation }
}

impl<O: Sync, L, P: Fn() -> L + Sync, F: Fn(&O, &mut L) -> u64 + Sync> Subject for Repeated<O, P, F> {
    fn name(&self) -> &str {
        &self.name
    }

    fn role(&self) -> Role {
        self.role
    }

    fn batch(&self, object: usize, calls: u32, watch: &mut Stopwatch) {
        let object = &*self.objects[object];
        let mut kept = (self.prepare)();
        watch.time(|| {
            for _ in 0..calls {
                black_box((self.operation)(black_box(object), &mut kept));
            }
        });
    }
}

struct Counted<F> {
    name: String,
    role: Role,
    run: F,
}

/// A subject that counts its calls itself: a loop in another language. `run` is given the object and the
/// number.
pub fn counted(name: &str, role: Role, run: impl Fn(usize, u32) + Sync) -> impl Subject {
    Counted { name: name.to_owned(), role, run }
}

impl<F: Fn(usize, u32) + Sync> Subject for Counted<F> {
    fn name(&self) -> &str {
        &self.name
    }

    fn role(&self) -> Role {
        self.role
    }

    fn batch(&self, object: usize, calls: u32, watch: &mut Stopwatch) {
        watch.time(|| (self.run)(object, calls));
    }
}

struct Staged<P, F> {
    name: String,
    role: Role,
    calls: u32,
    stage: P,
    run: F,
}

/// A subject whose operation uses its object up: `stage` makes `calls` of them, untimed, and `run` uses
/// them; what it leaves is dropped untimed.
pub fn staged<S>(
    name: &str,
    role: Role,
    calls: u32,
    stage: impl Fn(u32) -> S + Sync,
    run: impl Fn(&mut S) + Sync,
) -> impl Subject {
    Staged { name: name.to_owned(), role, calls, stage, run }
}

impl<S, P: Fn(u32) -> S + Sync, F: Fn(&mut S) + Sync> Subject for Staged<P, F> {
    fn name(&self) -> &str {
        &self.name
    }

    fn role(&self) -> Role {
        self.role
    }

    fn calls(&self) -> Option<u32> {
        Some(self.calls)
    }

    fn batch(&self, _object: usize, calls: u32, watch: &mut Stopwatch) {
        let mut stage = (self.stage)(calls);
        watch.time(|| (self.run)(black_box(&mut stage)));
    }
}
