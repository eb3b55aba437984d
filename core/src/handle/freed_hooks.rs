//! The `on_freed` callbacks of a shell: each registered one runs exactly once, after its handle's object
//! is destroyed.
//!
//! # Protocol
//!
//! To register: push the callback, then ask for it in the word ([`Shell::request_notify`]). To end a
//! life: move the word on, then, if the word asked for it, take the whole list. Both touch the word with
//! a read-modify-write, so one comes first: if the request does, the push is before the taking (release,
//! acquire through the word) and the owner of the end runs the callback; if the end does, the request is
//! refused and the registrar takes the list itself, its own callback or not still in it.
//!
//! Whoever takes the list runs what belongs to lives that are over, and puts back, by registering again,
//! what others have registered for the life that has begun since. A callback is in one taker's hands at
//! a time, so none runs twice.

use crate::allocate::try_box;
use crate::handle::shell::Shell;
use crate::shim::{AtomicPtr, Ordering};

/// One callback.
pub struct FreedHook {
    generation: u32,
    run: Box<dyn FnOnce() + Send>,
    next: *mut FreedHook,
}

/// The list, newest first.
pub struct FreedHooks(AtomicPtr<FreedHook>);

impl FreedHooks {
    /// Empty.
    #[must_use]
    pub fn new() -> FreedHooks {
        FreedHooks(AtomicPtr::new(std::ptr::null_mut()))
    }

    fn push(&self, hook: Box<FreedHook>) {
        let hook = Box::into_raw(hook);
        let mut head = self.0.load(Ordering::Relaxed);
        loop {
            // SAFETY: `hook` is this thread's until the exchange succeeds.
            unsafe { (*hook).next = head };
            // Release: who takes the list sees the callback.
            match self.0.compare_exchange_weak(head, hook, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Takes every callback.
    fn take(&self) -> Chain {
        // Acquire: pairs with the release of each push.
        let mut newest = self.0.swap(std::ptr::null_mut(), Ordering::Acquire);
        let mut oldest = std::ptr::null_mut();
        while !newest.is_null() {
            // SAFETY: the list's pointers come from `Box::into_raw`, and the swap made this chain ours alone.
            let next = unsafe { std::mem::replace(&mut (*newest).next, oldest) };
            oldest = std::mem::replace(&mut newest, next);
        }
        Chain(oldest)
    }
}

/// A list that was taken, oldest first.
struct Chain(*mut FreedHook);

impl Iterator for Chain {
    type Item = Box<FreedHook>;

    fn next(&mut self) -> Option<Box<FreedHook>> {
        if self.0.is_null() {
            return None;
        }
        // SAFETY: a taken chain is its taker's alone, and its pointers come from `Box::into_raw`.
        let hook = unsafe { Box::from_raw(self.0) };
        self.0 = hook.next;
        Some(hook)
    }
}

impl Default for FreedHooks {
    fn default() -> Self {
        Self::new()
    }
}

impl FreedHook {
    /// A callback for life `generation`; `None` when there is no memory.
    #[must_use]
    pub fn new(generation: u32, run: Box<dyn FnOnce() + Send>) -> Option<Box<FreedHook>> {
        try_box(FreedHook { generation, run, next: std::ptr::null_mut() })
    }
}

/// Registers `hook` for the end of its life of `shell`: `true`; or, if that life is over, has run it:
/// `false`.
pub fn register(shell: &Shell, hook: Box<FreedHook>) -> bool {
    let generation = hook.generation;
    shell.freed_hooks.push(hook);
    let in_time = shell.request_notify(generation);
    if !in_time {
        run_ended(shell);
    }
    in_time
}

/// Runs what is registered for lives of `shell` that are over.
pub fn run_ended(shell: &Shell) {
    for hook in shell.freed_hooks.take() {
        if hook.generation == shell.look().generation() {
            // Somebody registered it for the life that has begun since: it stays registered, or runs if that is over
            // too.
            register(shell, hook);
        } else {
            (hook.run)();
        }
    }
}
