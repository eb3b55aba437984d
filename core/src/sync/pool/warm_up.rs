//! Making resources before they are needed.

use super::config::WarmupStrategy;
use super::factory::AsyncResourceFactory;
use super::inventory::Pick;
use super::place::{Place, Reserved};
use super::{GenericPool, PoolError, PooledResource};
use crate::deadline::Deadline;
use crate::wait::{Interrupted, Wait};

impl<F: AsyncResourceFactory> GenericPool<F> {
    /// Makes resources until there are `target` (at most the maximal size, and as many idle as may be), one after the other,
    /// and answers how many there are then, counting those that are in use. `wait` bounds the whole call.
    ///
    /// # Errors
    /// [`PoolError`], as `strategy` says: the deadline is a failure like others, after which none is made. The close and
    /// a cancel token end it with an error in any case.
    pub fn warm_up(&self, target: u32, strategy: WarmupStrategy, wait: Wait<'_>) -> Result<u32, PoolError<F::Error>> {
        wait.check().map_err(PoolError::Interrupted)?;
        let mut failures = Failures::new(strategy);
        for _ in 0..target.min(self.0.limits.max_size) {
            if self.has_enough(target) {
                break;
            }
            let made = match self.place_within(wait).and_then(|place| self.reserve(place, target)) {
                Ok(None) => break,
                Ok(Some(_)) if wait.deadline().has_passed() => Err(PoolError::CreateInterrupted(Interrupted::TimedOut)),
                Ok(Some(reserved)) => self.create_within(reserved, wait),
                Err(error) => Err(error),
            };
            failures.note(made.map(PooledResource::shelve))?;
            if failures.last.is_some() && wait.deadline().has_passed() {
                break;
            }
        }
        self.judge(failures)
    }

    /// The same as a future, without a deadline. Dropped, it leaves what it has made.
    ///
    /// # Errors
    /// [`PoolError`], as `strategy` says.
    pub async fn warm_up_async(&self, target: u32, strategy: WarmupStrategy) -> Result<u32, PoolError<F::Error>> {
        let mut failures = Failures::new(strategy);
        for _ in 0..target.min(self.0.limits.max_size) {
            if self.has_enough(target) {
                break;
            }
            let made = match self.place().await.and_then(|place| self.reserve(place, target)) {
                Ok(Some(reserved)) => reserved.create(Deadline::NEVER).await,
                Ok(None) => break,
                Err(error) => Err(error),
            };
            failures.note(made.map(PooledResource::shelve))?;
        }
        self.judge(failures)
    }

    /// Before a place is waited for, which all may be out of.
    fn has_enough(&self, target: u32) -> bool {
        self.0.inventory.with(|inventory| inventory.has_enough(target))
    }

    fn reserve(&self, place: Place<F>, target: u32) -> Result<Option<Reserved<F>>, PoolError<F::Error>> {
        match self.0.inventory.with(|inventory| inventory.reserve(target)) {
            Pick::Create => Ok(Some(Reserved::new(place))),
            Pick::Closed => Err(PoolError::Closed),
            _ => Ok(None),
        }
    }

    /// What the warm-up comes to.
    fn judge(&self, failures: Failures<F::Error>) -> Result<u32, PoolError<F::Error>> {
        let stats = self.stats();
        let there = stats.size - stats.creating - stats.leaving;
        match failures.last {
            Some(error) if there < self.0.limits.min_size && failures.strategy == WarmupStrategy::RequireMinimum => {
                Err(error)
            }
            _ => Ok(there),
        }
    }
}

struct Failures<E> {
    strategy: WarmupStrategy,
    last: Option<PoolError<E>>,
}

impl<E> Failures<E> {
    fn new(strategy: WarmupStrategy) -> Failures<E> {
        Failures { strategy, last: None }
    }

    /// # Errors
    /// The one that ends the warm-up.
    fn note(&mut self, made: Result<(), PoolError<E>>) -> Result<(), PoolError<E>> {
        let Err(error) = made else { return Ok(()) };
        let is_cancelled = |interrupted: &Interrupted| *interrupted == Interrupted::Cancelled;
        let ends_always = match &error {
            PoolError::Closed => true,
            PoolError::Interrupted(interrupted) | PoolError::CreateInterrupted(interrupted) => {
                is_cancelled(interrupted)
            }
            _ => false,
        };
        if ends_always || self.strategy == WarmupStrategy::Fail {
            return Err(error);
        }
        self.last = Some(error);
        Ok(())
    }
}
