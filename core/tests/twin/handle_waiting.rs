//! Handles beside their twin: what waits while others leave.

use crate::LONG;
use crate::handle::World;
use crate::handle_model::Aim;
use crate::handle_operation::{Helped, Patience, WORKERS};
use crate::handle_outcome::Answer;
use crate::worker;
use quiescent_core::{Error, Freed};
use std::time::Duration;

impl World<'_> {
    /// Those of `numbers` leave, the latest first, operations on their own threads, holds on `helper`.
    pub fn all_leave(
        &mut self,
        helper: usize,
        numbers: &[usize],
        mut leave: impl FnMut(&mut Self, usize, usize) -> Result<(), String>,
    ) -> Result<(), String> {
        for &number in numbers.iter().rev() {
            let item = &self.twin.items[&number];
            let worker = if item.is_hold() { helper } else { item.by.0 };
            leave(self, number, worker)?;
        }
        Ok(())
    }

    /// A free by `worker`, which is not inside itself, while all others leave.
    pub fn free_while_leaving(&mut self, worker: usize, handle: usize, raw: usize, how: Helped) -> Result<(), String> {
        let by = self.twin.thread(worker);
        let own = self.twin.which(|item| item.handle == handle && item.by == by);
        let others = self.twin.which(|item| item.handle == handle && item.by != by);
        // Its own holds before the others leave, or never: in between it would, or would not, have seen that only
        // they are left. For the same reason a second one has none.
        let kept = how.keep_own && !own.is_empty();
        let mut leaving = others;
        if !kept {
            leaving.extend(&own);
        }
        let second = how.second.filter(|&(second, _)| {
            let by = self.twin.thread(second);
            let has_holds =
                !self.twin.which(|item| item.handle == handle && item.by == by && item.is_hold()).is_empty();
            second != worker && !kept && !has_holds
        });
        let helper = (0..WORKERS).find(|&helper| helper != worker && second.is_none_or(|(second, _)| helper != second));
        let helper = helper.expect("a third");

        let hurried = matches!(how.patience, Patience::None);
        let in_on_close = how.in_on_close || hurried;
        let timeout = if hurried { Duration::ZERO } else { LONG };
        let when = if in_on_close { "during on_close" } else { "while it waits" };
        self.shared.log.hold_up(in_on_close);
        self.begin(worker, &format!("free({timeout:?}) Handle({handle}); {when}:"), move |_| {
            worker::access(raw, None).free(timeout).into()
        });
        if !self.shared.log.wait_for_one() {
            return Err("nothing wakes those inside".into());
        }
        let mut second_is_inside = false;
        if let Some((second, frees)) = second {
            second_is_inside = self.twin.waits_for_itself(handle, second);
            let verb = if frees { "free" } else { "wait_freed" };
            self.begin(second, &format!("{verb}({LONG:?}) Handle({handle}), meanwhile"), move |_| {
                let handle = worker::access(raw, None);
                if frees { handle.free(LONG).into() } else { handle.wait_freed(LONG).into() }
            });
            if second_is_inside {
                let pending = Answer::Freed(Freed::Pending);
                let expected = if frees { pending } else { Answer::Refused(Error::Deadlock) };
                self.story.compare(&self.workers[second].answer(), &expected)?;
            }
        }
        self.look_while_closing(helper, handle, raw)?;
        self.all_leave(helper, &leaving, |world, number, worker| {
            let (what, answer, job) = world.leaving(number);
            world.interject(worker, &what, &answer, job)
        })?;

        self.shared.log.hold_up(false);
        let expected = self.twin.free_while_leaving(worker, handle, &leaving);
        self.story.tell(format!("worker {worker}: that free"));
        self.settle(worker, expected)?;
        if let Some((second, frees)) = second.filter(|_| !second_is_inside) {
            let aim = Aim::Handle(handle);
            let expected =
                if frees { self.twin.free(second, aim, None) } else { self.twin.wait_freed(second, aim, None) };
            self.story.tell(format!("worker {second}: what it did meanwhile"));
            self.settle(second, expected)?;
        }
        Ok(())
    }

    /// What others see of a free that waits.
    fn look_while_closing(&mut self, helper: usize, handle: usize, raw: usize) -> Result<(), String> {
        let pending = Answer::Freed(Freed::Pending);
        self.interject(helper, &format!("free(0ns) Handle({handle}), meanwhile"), &pending, move |_| {
            worker::access(raw, None).free(Duration::ZERO).into()
        })?;
        self.interject(helper, &format!("try_free Handle({handle}), meanwhile"), &pending, move |_| {
            worker::access(raw, None).try_free().into()
        })?;
        let closing = Answer::IsClosing(true);
        self.interject(helper, &format!("is_closing Handle({handle}), meanwhile"), &closing, move |_| {
            Answer::IsClosing(worker::access(raw, None).is_closing())
        })
    }

    /// A wait for the end, while all others leave. If it has holds of its own they keep the handle alive.
    pub fn wait_while_leaving(&mut self, worker: usize, handle: usize, raw: usize) -> Result<(), String> {
        let by = self.twin.thread(worker);
        let own = self.twin.which(|item| item.handle == handle && item.by == by);
        let others = self.twin.which(|item| item.handle == handle && item.by != by);
        let will_end = self.twin.is_closed(handle) || !own.is_empty();
        if !will_end || !self.twin.would_wait(handle, worker) {
            return Ok(());
        }
        self.begin(worker, &format!("wait_freed({LONG:?}) Handle({handle}), while others leave"), move |_| {
            worker::access(raw, None).wait_freed(LONG).into()
        });
        self.all_leave((worker + 1) % WORKERS, &others, Self::leave)?;
        let expected = self.twin.wait_freed(worker, Aim::Handle(handle), None);
        self.story.tell(format!("worker {worker}: that wait"));
        self.settle(worker, expected)
    }
}
