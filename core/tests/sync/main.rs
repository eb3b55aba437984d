//! What is waited for and held: every kind, and the engine behind their waits.

#![cfg(not(loom))]

mod cancel;
mod pool;
mod pool_waits;
mod races;
mod semaphore;
mod wait;
mod workshop;
