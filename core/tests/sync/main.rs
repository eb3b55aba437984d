//! What is waited for and held: every kind, and the engine behind their waits.

#![cfg(not(loom))]

mod barrier;
mod cancel;
mod fork;
mod holds;
mod mutex;
mod notify;
mod once;
mod pool;
mod pool_waits;
mod races;
mod runtimes;
mod rwlock;
mod rwlock_hold;
mod semaphore;
mod wait;
mod workshop;
