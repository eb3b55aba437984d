//! The short lock around plain state: `parking_lot`'s, or loom's.

/// Not held while anything of the user's runs: there is no way out of [`Lock::with`] but its end.
#[cfg(not(loom))]
pub(crate) struct Lock<T>(parking_lot::Mutex<T>);
#[cfg(loom)]
pub(crate) struct Lock<T>(loom::sync::Mutex<T>);

impl<T> Lock<T> {
    #[cfg(not(loom))]
    pub(crate) fn new(value: T) -> Lock<T> {
        Lock(parking_lot::Mutex::new(value))
    }

    #[cfg(loom)]
    pub(crate) fn new(value: T) -> Lock<T> {
        Lock(loom::sync::Mutex::new(value))
    }

    /// Runs `look` alone. It drops nothing of the user's, and calls nobody.
    #[cfg(not(loom))]
    pub(crate) fn with<O>(&self, look: impl FnOnce(&mut T) -> O) -> O {
        look(&mut self.0.lock())
    }

    #[cfg(loom)]
    pub(crate) fn with<O>(&self, look: impl FnOnce(&mut T) -> O) -> O {
        look(&mut self.0.lock().expect("nothing panics under it"))
    }
}
