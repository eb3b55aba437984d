//! What is waited for and held: every kind, and the engine behind their waits.

#![cfg(not(loom))]

mod barrier;
mod cancel;
mod holds;
mod mutex;
mod notify;
mod races;
mod runtimes;
mod semaphore;
mod wait;
