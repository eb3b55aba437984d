//! Handles: typed tokens that foreign code may use, share and free from any thread, at any moment.
//!
//! A [`Token`] is what foreign code holds instead of an address; behind it is a shell, a leaked and
//! re-used piece of memory that holds the guard and points at the object. See the file heads of
//! `token.rs` (what a token is), `shell.rs` (the states and the argument), `free.rs` (the free),
//! `directory.rs` (where shells are) and `record.rs` (who is inside).
//!
//! ```
//! use quiescent_core::{Freed, Handle, Kind, Token};
//! use std::time::Duration;
//!
//! struct Session { name: String }
//! static SESSION: Kind<Session> = Kind::new("session");
//! impl Handle for Session {
//!     fn kind() -> &'static Kind<Session> { &SESSION }
//!     fn on_close(&self) { /* wake what blocks in here */ }
//! }
//!
//! let token = Token::open(Session { name: "one".into() })?;
//! {
//!     let session = token.enter(c"greet")?;
//!     assert_eq!(session.name, "one");
//! }
//! assert_eq!(token.free(Duration::from_secs(5))?, Freed::Destroyed);
//! assert_eq!(token.free(Duration::from_secs(5))?, Freed::AlreadyFreed);
//! assert!(token.enter(c"greet").is_err());
//! # Ok::<(), quiescent_core::Error>(())
//! ```

mod directory;
mod ending;
pub(crate) mod free;
mod freed_hooks;
mod label;
mod lane;
mod life;
mod ownership;
mod shell;
pub(crate) mod slot;
mod token;

#[cfg(not(loom))]
mod any;
#[cfg(not(loom))]
pub(crate) mod counters;
#[cfg(not(loom))]
mod current;
#[cfg(not(loom))]
mod hold;
#[cfg(not(loom))]
mod info;
#[cfg(not(loom))]
mod kind;
#[cfg(not(loom))]
mod many;
#[cfg(not(loom))]
mod misuse;
#[cfg(not(loom))]
mod nesting;
#[cfg(not(loom))]
mod occupant;
#[cfg(not(loom))]
mod operation;
#[cfg(not(loom))]
pub(crate) mod process;
#[cfg(not(loom))]
pub(crate) mod record;
#[cfg(not(loom))]
mod records;
#[cfg(not(loom))]
mod report;
#[cfg(not(loom))]
mod resolved;
#[cfg(not(loom))]
mod running_hooks;
#[cfg(not(loom))]
mod slots;
#[cfg(not(loom))]
mod stats;
#[cfg(not(loom))]
mod thread;
#[cfg(not(loom))]
mod typed;
#[cfg(not(loom))]
mod vacant;
#[cfg(not(loom))]
mod words;

pub use free::Freed;

/// The protocol's own pieces, for the models in `tests/loom`.
#[cfg(loom)]
pub mod pieces {
    pub use super::directory::Directory;
    pub use super::ending::{Close, TryClose, Vacated};
    pub use super::free::{Begun, Closing, Outlived, begin, finish, free, outlive, try_free};
    pub use super::freed_hooks::{FreedHook, register, run_ended};
    pub use super::lane::{claims_end, enter, leave, leave_as_stranger, leave_closed, leave_counted, settle};
    pub use super::life::{Life, end};
    pub use super::ownership::Ownership;
    pub use super::shell::{Identity, Lessened, Refusal, Shell, Tenant};
    pub use super::slot::Slot;
    pub use crate::barrier::full;
    pub use crate::guard::Departure;
}

#[cfg(not(loom))]
pub use any::AnyHandle;
#[cfg(not(loom))]
pub use hold::{HoldToken, RawHold};
#[cfg(not(loom))]
pub use info::{Info, Life as LifeState};
#[cfg(not(loom))]
pub use kind::{AnyKind, Hook, Hooks, hook_panics};
#[cfg(not(loom))]
pub use label::LABEL_MAX;
#[cfg(not(loom))]
pub use many::{free_many, quiesce_all};
#[cfg(not(loom))]
pub use misuse::{Misuse, MisuseHook, MisuseLevel, set_misuse_hook, set_misuse_level};
#[cfg(not(loom))]
pub use occupant::Occupant;
#[cfg(not(loom))]
pub use report::report;
#[cfg(not(loom))]
pub use stats::{Misuses, Refusals, Stats, stats};
#[cfg(not(loom))]
pub use typed::{Entry, Handle, Hold, Kind, Token};

/// Every shell of this process.
#[cfg(not(loom))]
static DIRECTORY: directory::Directory<{ (1 << token::INDEX_BITS) / directory::CHUNK }> =
    directory::Directory::new(token::GENERATION_MAX);
