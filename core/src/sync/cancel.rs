//! Cancel tokens: ending waits from outside.
//!
//! # Protocol
//!
//! A token is a node that knows its parent. It is cancelled when its own flag is set or its deadline has passed, or its
//! parent is. All tokens of one tree share one list of waiters, at the root: whoever cancels sets the flag, then wakes them
//! all, and each looks whether it is meant. So cancelling never blocks, and a token needs no list of its children.
//!
//! A waiter first notes how often the list was woken, then looks at the flags, then sleeps unless the list was woken
//! since. So a flag that is set after the look wakes it.
//!
//! # Orderings
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | set the flag | release | look at the flag: acquire | what the canceller did before |
//!
//! The list is `tokio::sync::Notify`. (`tokio_util`'s `CancellationToken` keeps a tree of children behind locks of std's, and
//! ends the process when there is no memory; it can be used as a token here all the same, with the feature `tokio`.)

use crate::deadline::Deadline;
use crate::error::Error;
use crate::shared::Shared;
use crate::shim::{AtomicU32, AtomicU64, Ordering};
use crate::sync::queue;
use crate::wait::{Interrupted, Wait, block_on};
#[cfg(not(loom))]
use crate::{Handle, Kind};
use std::fmt;

/// Ends the waits it is given to, as soon as it is cancelled. A clone is the same token; dropping one neither cancels nor
/// disturbs waits.
#[derive(Clone)]
pub struct CancelToken(Token);

#[derive(Clone)]
enum Token {
    Own(Shared<Node>),
    #[cfg(feature = "tokio")]
    TokioUtil(tokio_util::sync::CancellationToken),
}

struct Node {
    cancelled: AtomicU32,
    /// In nanoseconds, see [`Deadline`].
    deadline: AtomicU64,
    parent: Option<Shared<Node>>,
    /// Of the root: who waits on any token of the tree.
    waiters: queue::Notify,
}

impl Node {
    fn new(parent: Option<Shared<Node>>) -> Result<Shared<Node>, Error> {
        let node = Node {
            cancelled: AtomicU32::new(0),
            deadline: AtomicU64::new(Deadline::NEVER.to_bits()),
            parent,
            waiters: queue::Notify::const_new(),
        };
        Shared::try_new(node).ok_or(Error::NoMemory)
    }

    /// It, its parent, and so on.
    fn line(&self) -> impl Iterator<Item = &Node> {
        std::iter::successors(Some(self), |node| node.parent.as_deref())
    }

    fn deadline(&self) -> Deadline {
        self.line().map(Node::own_deadline).min().unwrap_or(Deadline::NEVER)
    }

    fn own_deadline(&self) -> Deadline {
        Deadline::from_bits(self.deadline.load(Ordering::Relaxed))
    }

    fn is_cancelled(&self) -> bool {
        self.line().any(|node| node.cancelled.load(Ordering::Acquire) != 0) || self.deadline().has_passed()
    }

    fn waiters(&self) -> &queue::Notify {
        self.line().last().map_or(&self.waiters, |root| &root.waiters)
    }
}

/// Whoever is the last share of its parent drops that, too, and so on: one after the other, since a line may be longer than a
/// stack is deep.
impl Drop for Node {
    fn drop(&mut self) {
        let mut next = self.parent.take();
        while let Some(mut parent) = next.and_then(Shared::into_inner) {
            next = parent.parent.take();
        }
    }
}

impl CancelToken {
    /// A token that is not cancelled.
    ///
    /// # Errors
    /// [`Error::NoMemory`].
    pub fn new() -> Result<CancelToken, Error> {
        Ok(CancelToken(Token::Own(Node::new(None)?)))
    }

    /// A token that is cancelled with this one, and can be by itself.
    ///
    /// # Errors
    /// [`Error::NoMemory`].
    pub fn child(&self) -> Result<CancelToken, Error> {
        Ok(CancelToken(match &self.0 {
            Token::Own(node) => Token::Own(Node::new(Some(node.clone()))?),
            #[cfg(feature = "tokio")]
            Token::TokioUtil(token) => Token::TokioUtil(token.child_token()),
        }))
    }

    /// Cancels it and its children, for ever, and wakes whoever waits with them. Never blocks; any thread, any number of
    /// times.
    pub fn cancel(&self) {
        match &self.0 {
            Token::Own(node) => {
                node.cancelled.store(1, Ordering::Release);
                node.waiters().notify_waiters();
            }
            #[cfg(feature = "tokio")]
            Token::TokioUtil(token) => token.cancel(),
        }
    }

    /// Has it cancelled at `deadline`, unless it is earlier; the earliest of several counts.
    ///
    /// Without a thread or a timer of its own: the deadline is kept by the calls that block with this token or a child of
    /// it, and seen by [`CancelToken::is_cancelled`]. A future that waits for nothing but [`CancelToken::cancelled`] is not
    /// woken by it.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`]: a token of `tokio_util`'s has no deadline.
    pub fn cancel_at(&self, deadline: Deadline) -> Result<(), Error> {
        match &self.0 {
            Token::Own(node) => {
                node.deadline.fetch_min(deadline.to_bits(), Ordering::Relaxed);
                // They sleep up to an earlier deadline from now on.
                node.waiters().notify_waiters();
                Ok(())
            }
            #[cfg(feature = "tokio")]
            Token::TokioUtil(_) => Err(Error::InvalidArgument),
        }
    }

    /// Whether it, or a token that it is a child of, was cancelled, or its deadline has passed.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        match &self.0 {
            Token::Own(node) => node.is_cancelled(),
            #[cfg(feature = "tokio")]
            Token::TokioUtil(token) => token.is_cancelled(),
        }
    }

    /// When it is cancelled by itself.
    #[must_use]
    pub fn deadline(&self) -> Deadline {
        match &self.0 {
            Token::Own(node) => node.deadline(),
            #[cfg(feature = "tokio")]
            Token::TokioUtil(_) => Deadline::NEVER,
        }
    }

    /// Waits until it is cancelled, at most until `deadline`.
    ///
    /// # Errors
    /// [`Interrupted::TimedOut`], [`Interrupted::NoMemory`].
    pub fn wait(&self, deadline: Deadline) -> Result<(), Interrupted> {
        match block_on(std::future::pending::<()>(), Wait::new(deadline, Some(self))) {
            Ok(()) | Err(Interrupted::Cancelled) => Ok(()),
            Err(interrupted) => Err(interrupted),
        }
    }

    /// Waits until it is cancelled. Dropping the future ends the wait.
    pub async fn cancelled(&self) {
        match &self.0 {
            Token::Own(node) => loop {
                let woken = node.waiters().notified();
                if node.is_cancelled() {
                    return;
                }
                woken.await;
            },
            #[cfg(feature = "tokio")]
            Token::TokioUtil(token) => token.cancelled().await,
        }
    }
}

/// A token of `tokio_util`'s, and its children, are tokens here as well.
#[cfg(feature = "tokio")]
impl From<tokio_util::sync::CancellationToken> for CancelToken {
    fn from(token: tokio_util::sync::CancellationToken) -> CancelToken {
        CancelToken(Token::TokioUtil(token))
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken").field("is_cancelled", &self.is_cancelled()).finish_non_exhaustive()
    }
}

#[cfg(not(loom))]
static KIND: Kind<CancelToken> = Kind::new("cancel token");

/// Calls that wait with it share it: freeing the handle does not concern them.
#[cfg(not(loom))]
impl Handle for CancelToken {
    fn kind() -> &'static Kind<CancelToken> {
        &KIND
    }
}
