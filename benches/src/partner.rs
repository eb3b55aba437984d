//! The second thread, on the second core: takes part in a batch, or runs beside it.

use crate::pace::Pace;
use crate::stopwatch::{Lap, Stopwatch};
use crate::subject::{Apart, Subject};
use crate::thread::{Pinned, Switches};
use std::hint::spin_loop;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// What a sibling does over and over while something is measured beside it.
pub type Sibling<'a> = &'a (dyn Fn() + Sync);

#[derive(Clone, Copy)]
enum Job<'a> {
    Batch { subject: usize, object: usize, calls: u32, pace: &'a Pace },
    RunBeside,
    End,
}

/// What the two threads share.
pub struct Table<'a> {
    subjects: &'a [Box<dyn Subject + 'a>],
    sibling: Sibling<'a>,
    job: Mutex<Job<'a>>,
    lap: Mutex<Lap>,
    /// The number of the job given last; the others follow it.
    turn: Apart<AtomicU64>,
    arrived: Apart<AtomicU64>,
    go: Apart<AtomicU64>,
    finished: Apart<AtomicU64>,
    /// How many of the two have done their batch.
    done: Apart<AtomicU32>,
    /// What the sibling has done so far.
    ticks: Apart<AtomicU64>,
    stop: Apart<AtomicBool>,
}

/// The first thread's side.
pub struct Partner<'table, 'a> {
    table: &'table Table<'a>,
    thread: Thread,
}

/// How long the second thread looks for work before it sleeps: longer than between two batches, so that
/// it is asleep only while the first measures alone.
const ATTENTION: Duration = Duration::from_micros(300);

/// Runs `first` on core 0 with a partner on core 1.
pub fn with_partner<'a, R>(
    cores: [usize; 2],
    subjects: &'a [Box<dyn Subject + 'a>],
    sibling: Sibling<'a>,
    first: impl FnOnce(&Partner<'_, 'a>) -> R,
) -> io::Result<R> {
    let table = Table {
        subjects,
        sibling,
        job: Mutex::new(Job::End),
        lap: Mutex::new(Lap::Disturbed),
        turn: Apart::default(),
        arrived: Apart::default(),
        go: Apart::default(),
        finished: Apart::default(),
        done: Apart::default(),
        ticks: Apart::default(),
        stop: Apart::default(),
    };
    let _pinned = Pinned::to(cores[0])?;
    std::thread::scope(|scope| {
        let second = scope.spawn(|| table.second(cores[1]));
        let partner = Partner { table: &table, thread: second.thread().clone() };
        let result = first(&partner);
        drop(partner);
        second.join().expect("a subject does not panic")?;
        Ok(result)
    })
}

impl<'a> Partner<'_, 'a> {
    /// One batch by both at the same time: the mean of the two. Each goes on, untimed, until the other
    /// is done too, so that neither has the end of its batch to itself.
    pub fn batch_by_both(&self, subject: usize, objects: [usize; 2], calls: u32, pace: &'a Pace) -> Lap {
        let table = self.table;
        table.done.store(0, Ordering::Relaxed);
        let turn = self.give(Job::Batch { subject, object: objects[1], calls, pace });
        wait_for(&table.arrived, turn);
        let mine = table.take_part(subject, objects[0], calls, pace, || table.go.store(turn, Ordering::Release));
        wait_for(&table.finished, turn);
        match (mine, *table.lap.lock().expect("no panic")) {
            (Lap::Took(mine), Lap::Took(theirs)) => Lap::Took((mine + theirs) / 2),
            _ => Lap::Disturbed,
        }
    }

    /// Runs `work` while the sibling runs, and is given the count that must move meanwhile.
    pub fn beside_sibling<R>(&self, work: impl FnOnce(&AtomicU64) -> R) -> R {
        let table = self.table;
        table.stop.store(false, Ordering::Relaxed);
        let before = table.ticks.load(Ordering::Relaxed);
        let turn = self.give(Job::RunBeside);
        while table.ticks.load(Ordering::Relaxed) == before {
            spin_loop();
        }
        let result = work(&table.ticks);
        table.stop.store(true, Ordering::Relaxed);
        wait_for(&table.finished, turn);
        result
    }

    fn give(&self, job: Job<'a>) -> u64 {
        *self.table.job.lock().expect("no panic") = job;
        let turn = self.table.turn.fetch_add(1, Ordering::Release) + 1;
        self.thread.unpark();
        turn
    }
}

/// Also if what the first one does panics: the second one would be waited for otherwise.
impl Drop for Partner<'_, '_> {
    fn drop(&mut self) {
        self.give(Job::End);
    }
}

impl Table<'_> {
    fn second(&self, core: usize) -> io::Result<()> {
        let _pinned = Pinned::to(core)?;
        for turn in 1.. {
            self.sleep_until(turn);
            let job = *self.job.lock().expect("no panic");
            match job {
                Job::Batch { subject, object, calls, pace } => {
                    let lap = self.take_part(subject, object, calls, pace, || {
                        self.arrived.store(turn, Ordering::Release);
                        wait_for(&self.go, turn);
                    });
                    *self.lap.lock().expect("no panic") = lap;
                }
                Job::RunBeside => {
                    while !self.stop.load(Ordering::Relaxed) {
                        (self.sibling)();
                        self.ticks.store(self.ticks.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
                    }
                }
                Job::End => break,
            }
            self.finished.store(turn, Ordering::Release);
        }
        Ok(())
    }

    /// One thread's side of a batch by both. `meet` returns when both are ready.
    fn take_part(&self, subject: usize, object: usize, calls: u32, pace: &Pace, meet: impl FnOnce()) -> Lap {
        let subject = &self.subjects[subject];
        let mut watch = Stopwatch::at(pace);
        meet();
        let switches = Switches::now();
        subject.batch(object, calls, &mut watch);
        self.done.fetch_add(1, Ordering::AcqRel);
        while self.done.load(Ordering::Acquire) < 2 {
            subject.batch(object, subject.calls().unwrap_or(32), &mut Stopwatch::default());
        }
        if switches == Switches::now() { watch.lap() } else { Lap::Disturbed }
    }

    fn sleep_until(&self, turn: u64) {
        let since = Instant::now();
        while self.turn.load(Ordering::Acquire) < turn {
            if since.elapsed() < ATTENTION {
                spin_loop();
            } else {
                std::thread::park();
            }
        }
    }
}

fn wait_for(number: &AtomicU64, turn: u64) {
    while number.load(Ordering::Acquire) < turn {
        spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::with_partner;
    use crate::pace::Pace;
    use crate::stopwatch::Lap;
    use crate::subject::{Role, Subject, counted};
    use crate::thread::two_cores;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::{Duration, Instant};

    #[test]
    fn both_take_part_and_either_one_can_spoil_it() {
        let calls = [AtomicU64::new(0), AtomicU64::new(0)];
        let count = |object: usize, number: u32| {
            calls[object].fetch_add(u64::from(number), Ordering::Relaxed);
        };
        let second_sleeps = |object: usize, _| {
            if object == 1 {
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        let subjects: [Box<dyn Subject>; 2] =
            [Box::new(counted("counts", Role::Rival, count)), Box::new(counted("sleeps", Role::Rival, second_sleeps))];
        let pace = Pace::default();
        let cores = two_cores().expect("there are two cores");
        with_partner(cores, &subjects, &|| (), |partner| {
            let start = Instant::now();
            while partner.batch_by_both(0, [0, 1], 100, &pace) == Lap::Disturbed {
                assert!(start.elapsed() < Duration::from_secs(30), "always disturbed");
            }
            assert!((0..10).all(|_| partner.batch_by_both(1, [0, 1], 100, &pace) == Lap::Disturbed));
        })
        .expect("threads can be pinned");
        assert!(calls.iter().all(|calls| calls.load(Ordering::Relaxed) >= 100));
    }

    #[test]
    fn a_sibling_runs_beside_and_stops() {
        let turns = AtomicU64::new(0);
        let sibling = || {
            turns.fetch_add(1, Ordering::Relaxed);
        };
        let cores = two_cores().expect("there are two cores");
        with_partner(cores, &[], &sibling, |partner| {
            partner.beside_sibling(|ticks| {
                let before = ticks.load(Ordering::Relaxed);
                while ticks.load(Ordering::Relaxed) == before {
                    std::hint::spin_loop();
                }
            });
            let stopped = turns.load(Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(2));
            assert_eq!(turns.load(Ordering::Relaxed), stopped);
        })
        .expect("threads can be pinned");
    }
}
