//! Backends: who drives them, what wakes them, and what they answer.

#![cfg(all(unix, not(loom)))]
#![allow(missing_docs, reason = "a test")]

mod event;
