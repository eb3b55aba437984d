//! Handles beside their twin: who goes in, and comes out.

use crate::handle::{World, lock};
use crate::handle_model::{Aim, Form, Item};
use crate::handle_operation::{Target, Via};
use crate::handle_outcome::Answer;
use crate::worker::{self, Entries, Job};
use quiescent_core::Freed;
use std::ffi::CStr;
use std::sync::Arc;

/// What operations are called in reports.
const NAMES: [&CStr; 3] = [c"read", c"write", c"seek"];

impl World<'_> {
    pub fn enter(&mut self, worker: usize, target: Target, via: Via, form: Form) -> Result<(), String> {
        self.on(target, |world, aim, raw| {
            let via = world.under(aim, via).unwrap_or(world.twin.kind(aim));
            let number = world.twin.next_item();
            let name = NAMES[number % NAMES.len()];
            let operation = name.to_str().expect("ASCII");
            let expected = world.twin.enter(worker, aim, via, form, operation);
            let verb = match form {
                Form::Hold => "hold",
                Form::Detached(_) => "enter, as C does,",
                Form::Entry | Form::HoldToken(_) => "enter",
            };
            let what = format!("#{number}: {verb} {aim:?} of kind {via} to {operation}");
            let shared = Arc::clone(&world.shared);
            world.act(worker, &what, expected, move |entries| {
                let access = worker::access(raw, Some(via));
                let entered = if form == Form::Hold {
                    access.hold(name).map(|held| {
                        let handle = held.handle();
                        lock(&shared.holds).insert(number, held);
                        handle
                    })
                } else {
                    access.enter(name).map(|entry| {
                        let handle = entry.handle();
                        if matches!(form, Form::Detached(_)) {
                            entry.detach();
                        } else {
                            entries.insert(number, entry);
                        }
                        handle
                    })
                };
                entered.map_or_else(Answer::Refused, Answer::Inside)
            })
        })
    }

    /// What ends `number`, in words and as a job; on the thread of an operation, on any for a hold.
    pub fn leaving(&self, number: usize) -> (String, Answer, Job) {
        let Item { handle, form, .. } = self.twin.items[&number];
        let shared = Arc::clone(&self.shared);
        match form {
            Form::Entry => {
                let job = move |entries: &mut Entries| {
                    let entry = entries.remove(&number).expect("it is inside");
                    assert_eq!(entry.handle(), handle, "the value is another");
                    drop(entry);
                    Answer::Done
                };
                (format!("leave #{number}, of Handle({handle})"), Answer::Done, Box::new(job))
            }
            Form::Detached(_) => {
                let raw = lock(&shared.handles)[handle];
                // SAFETY: the latest of this thread's that was detached.
                let job = move |_: &mut Entries| unsafe { worker::any(raw).leave() }.into();
                (format!("leave #{number}, of Handle({handle}), as C does"), Answer::Done, Box::new(job))
            }
            Form::Hold => {
                let job = move |_: &mut Entries| {
                    let held = lock(&shared.holds).remove(&number).expect("it is held");
                    assert_eq!(held.handle(), handle, "the value is another");
                    drop(held);
                    Answer::Done
                };
                (format!("release #{number}, of Handle({handle})"), Answer::Done, Box::new(job))
            }
            Form::HoldToken(hold) => {
                let raw = lock(&shared.hold_tokens)[hold];
                let job = move |_: &mut Entries| worker::hold_token(raw).release().into();
                let released = Freed::Destroyed.into();
                (format!("release HoldToken({hold}), of Handle({handle})"), released, Box::new(job))
            }
        }
    }

    pub fn leave(&mut self, number: usize, worker: usize) -> Result<(), String> {
        let (what, answer, job) = self.leaving(number);
        let (_, events) = self.twin.leave(number, worker);
        self.act(worker, &what, (answer, events), job)
    }

    pub fn detach(&mut self, n: usize) -> Result<(), String> {
        let Some((number, item)) = self.twin.pick(n, |item| item.form == Form::Entry) else { return Ok(()) };
        let detached = self.twin.next_detached();
        self.twin.items.get_mut(&number).expect("it is in flight").form = detached;
        self.act(item.by.0, &format!("detach #{number}"), (Answer::Done, Vec::new()), move |entries| {
            entries.remove(&number).expect("it is inside").detach();
            Answer::Done
        })
    }

    pub fn leave_like_c(&mut self, worker: usize, aim: Aim, raw: usize) -> Result<(), String> {
        let expected = self.twin.leave_like_c(aim, worker);
        self.act(worker, &format!("leave {aim:?}, as C does"), expected, move |_| {
            // SAFETY: the latest of this thread's that was detached; or none, and it is refused.
            unsafe { worker::any(raw).leave() }.into()
        })?;
        // Which one left shows here alone.
        self.occupants(worker, aim, raw)
    }

    pub fn make_token(&mut self, worker: usize, n: usize) -> Result<(), String> {
        let Some((number, _)) = self.twin.pick(n, |item| item.form == Form::Hold) else { return Ok(()) };
        let what = format!("make #{number} HoldToken({})", self.twin.hold_tokens());
        let expected = self.twin.make_token(number);
        let shared = Arc::clone(&self.shared);
        self.act(worker, &what, expected, move |_| {
            let held = lock(&shared.holds).remove(&number).expect("it is held");
            held.into_token().map(|token| lock(&shared.hold_tokens).push(token.into_raw::<u8>().addr())).into()
        })
    }
}
