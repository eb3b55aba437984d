//! Where there is nothing that every backend could give: each has something of its own, or wakes by itself.

use crate::backend::{Pollable, PollingFlags};
use crate::deadline::Deadline;
use std::convert::Infallible;
use std::io;
use std::marker::PhantomData;

/// What a backend gives to be watched: there is none here.
pub struct DefaultHandle<'a>(Infallible, PhantomData<&'a ()>);

impl Pollable for DefaultHandle<'_> {
    fn poll(&self, _flags: &PollingFlags, _deadline: Deadline) -> io::Result<bool> {
        match self.0 {}
    }
}
