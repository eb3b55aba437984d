//! Ours, the rivals, and what they are made of: each enters, touches its object, and leaves.

pub mod completions;
mod counters;
pub mod file_locks;
mod locks;
mod maps;
mod ours;
pub mod pools;
mod reclamation;
mod two_words;
pub mod waits;

use crate::subject::Subject;
pub use ours::{Boxed, new_token};
pub use two_words::TwoWords;

/// All of them, the baseline first.
pub fn inline() -> Vec<Box<dyn Subject>> {
    let mut all = counters::subjects();
    all.extend(locks::subjects());
    all.extend(maps::subjects());
    all.extend(reclamation::subjects());
    all.extend(ours::subjects());
    all
}
