//! Every handle and who is inside, as text.

use crate::handle::any::AnyHandle;
use crate::handle::info::{Info, Life};
use crate::handle::many;
use crate::text::Padded;
use std::fmt::{Result, Write};

/// Writes one line for every live handle (kinds and holds apart), and below it one, indented, for everybody inside:
///
/// ```text
/// handle 0x1000000d35 of kind 'session', 'main': closing, 2143 ms old, 1 inside
///   thread 22508 'reader 4' in operation 'query' for at least 12 ms
/// ```
///
/// A look at moving targets, each of its own moment: a handle that was just entered may say that one is inside and name
/// nobody. Allocates nothing, unless `out` does.
///
/// # Errors
/// Those of `out`.
pub fn report(out: &mut impl Write) -> Result {
    for handle in many::live(None) {
        let handle = AnyHandle::from_bits(handle.token);
        // Or it is over by now.
        if let Ok(info) = handle.info() {
            tell_handle(out, handle, &info)?;
        }
        let mut told = Ok(());
        let _ = handle.occupants(|occupant| {
            if told.is_ok() {
                told = writeln!(out, "  {occupant}");
            }
        });
        told?;
    }
    Ok(())
}

fn tell_handle(out: &mut impl Write, handle: AnyHandle, info: &Info) -> Result {
    let (kind, label) = (Padded(&info.kind), Padded(&info.label));
    write!(out, "handle {:#x} of kind '{kind}'", handle.bits())?;
    if !label.is_empty() {
        write!(out, ", '{label}'")?;
    }
    let life = match info.life {
        Life::Open => "open",
        Life::Closing => "closing",
        Life::Pending => "pending",
        Life::Destroying => "destroying",
    };
    writeln!(out, ": {life}, {} ms old, {} inside", info.age.as_millis(), info.in_flight)
}
