//! What is waited for and held: every kind, and the engine behind their waits.

#![cfg(not(loom))]

mod cancel;
mod once;
mod races;
mod rwlock;
mod rwlock_hold;
mod semaphore;
mod wait;
