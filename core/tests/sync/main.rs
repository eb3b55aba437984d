//! What is waited for and held: every kind, and the engine behind their waits.

#![cfg(not(loom))]

mod cancel;
mod holds;
mod mutex;
mod races;
mod semaphore;
mod wait;
