//! Reports: what a handle is, and who is inside.

use crate::handle::qz_handle;
use crate::sized::{check_output, write_sized};
use crate::status::qz_status;
use quiescent_core::Error;
use quiescent_core::ffi;
use quiescent_core::handle::{AnyHandle, LifeState};
use std::ffi::c_char;
use std::time::Duration;

/// How far a handle's life has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum qz_state {
    /// Operations may begin.
    QZ_STATE_OPEN = 0,
    /// A free waits for those inside.
    QZ_STATE_CLOSING = 1,
    /// A free gave up waiting: the last one out destroys the object.
    QZ_STATE_PENDING = 2,
    /// Nobody is inside: the object is being destroyed.
    QZ_STATE_DESTROYING = 3,
}

/// What a handle is and does.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct qz_handle_info {
    /// How far its life has come.
    pub state: qz_state,
    /// Operations and holds in flight. (A free that is running `on_close` counts itself, too.)
    pub in_flight: u32,
    /// Holds among them.
    pub holds: u32,
    /// Zero.
    pub reserved: u32,
    /// Milliseconds since it was opened.
    pub age_ms: u64,
    /// The kind's name.
    pub kind: [c_char; 32],
    /// The handle's label, or "".
    pub label: [c_char; 32],
}

/// One operation or hold in flight.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct qz_occupant {
    /// The thread that began it, as the operating system numbers it (on Linux: gettid).
    pub thread_id: u64,
    /// Milliseconds: a hold has been held or waited for, exactly; an operation has been in flight at
    /// least, from when a free began to wait for it (operations take no clock). -1: not known.
    pub since_ms: i64,
    /// That thread's name, as of its first call in here.
    pub thread_name: [c_char; 16],
    /// The operation's name, cut to 39 bytes, or "".
    pub operation: [c_char; 40],
    /// 1: a hold, which any thread may release. 0: an operation, which its own thread leaves.
    pub is_hold: u32,
    /// 1: the thread has ended.
    pub has_ended: u32,
    /// 1: the thread waits for what it is to hold.
    pub is_waiting: u32,
    /// Zero.
    pub reserved: u32,
}

/// Gives the handle a name for people, cut to 31 bytes. Two calls at the same time may mix their texts.
/// Never blocks.
///
/// - QZ_OK.
/// - QZ_ERR_NULL (`h` or `label`), QZ_ERR_INVALID_ARGUMENT (not UTF-8), QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND (a hold), QZ_ERR_FREED, QZ_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_handle_set_label(h: *mut qz_handle, label: *const c_char) -> qz_status {
    // SAFETY: `label` is NULL or a C string.
    ffi::call(|| AnyHandle::from_raw(h).set_label(unsafe { ffi::text(label) }?)).into()
}

/// Writes what `h` is and does, as of some moment during the call. `size` is sizeof(qz_handle_info).
/// Never blocks.
///
/// - QZ_OK: all `size` bytes are written, with zeros where this library knows less than your header.
/// - QZ_ERR_FREED: destroyed.
/// - QZ_ERR_NULL, QZ_ERR_INVALID_ARGUMENT (`size` is smaller than in this header, or no multiple of 8),
///   QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND (a hold), QZ_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_handle_get_info(
    h: *mut qz_handle,
    out_info: *mut qz_handle_info,
    size: usize,
) -> qz_status {
    let told = ffi::call(|| {
        check_output(out_info, size)?;
        let info = AnyHandle::from_raw(h).info()?;
        let info = qz_handle_info {
            state: match info.life {
                LifeState::Open => qz_state::QZ_STATE_OPEN,
                LifeState::Closing => qz_state::QZ_STATE_CLOSING,
                LifeState::Pending => qz_state::QZ_STATE_PENDING,
                LifeState::Destroying => qz_state::QZ_STATE_DESTROYING,
            },
            in_flight: info.in_flight,
            holds: info.holds,
            reserved: 0,
            age_ms: u64::try_from(info.age.as_millis()).unwrap_or(u64::MAX),
            kind: info.kind.map(character),
            label: info.label.map(character),
        };
        // SAFETY: `out_info` is writable for `size` bytes.
        unsafe { write_sized(out_info, size, info) };
        Ok(())
    });
    told.into()
}

/// Lists who is inside `h`, as of some moment during the call. Never blocks.
///
/// `size` is sizeof(qz_occupant), `cap` how many of them fit in `out` (which may be NULL if `cap` is 0).
///
/// - QZ_OK: `*out_len` are inside; the first `cap` of them are written.
/// - QZ_ERR_FREED: destroyed, so nobody is inside.
/// - QZ_ERR_NULL, QZ_ERR_INVALID_ARGUMENT (`size`), QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND (a hold),
///   QZ_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_handle_occupants(
    h: *mut qz_handle,
    out: *mut qz_occupant,
    size: usize,
    cap: usize,
    out_len: *mut usize,
) -> qz_status {
    let told = ffi::call(|| {
        if out_len.is_null() {
            return Err(Error::Null);
        }
        if cap > 0 {
            check_output(out, size)?;
        }
        let mut len = 0;
        AnyHandle::from_raw(h).occupants(|occupant| {
            let occupant = qz_occupant {
                thread_id: occupant.thread,
                since_ms: occupant.since.map_or(-1, milliseconds),
                thread_name: occupant.thread_name.map(character),
                operation: occupant.operation.map(character),
                is_hold: u32::from(occupant.is_hold),
                has_ended: u32::from(occupant.has_ended),
                is_waiting: u32::from(occupant.is_waiting),
                reserved: 0,
            };
            if len < cap {
                // SAFETY: `out` has room for `cap` structs of `size` bytes.
                unsafe { write_sized(out.byte_add(len * size), size, occupant) };
            }
            len += 1;
        })?;
        // SAFETY: `out_len` is writable.
        unsafe { ffi::write(out_len, len) }
    });
    told.into()
}

/// Writes a report of every handle that is not destroyed, for people: one line for each, and below it
/// one line for everybody inside, indented by two spaces. Kinds and holds have no line of their own.
///
/// ```text
/// handle 0x1000000d35 of kind 'session', 'main': closing, 2143 ms old, 1 inside
///   thread 22508 'reader 4' in operation 'query' for at least 12 ms
/// ```
///
/// The second name is the handle's label, if it has one. Each line is as of some moment during the
/// call. As snprintf: at most `cap` bytes are written, a NUL among them, and `*out_len` becomes the
/// length of the whole text without it; `out` may be NULL if `cap` is 0. The next call may have more to
/// tell. Never blocks, and allocates nothing.
///
/// - QZ_OK.
/// - QZ_ERR_NULL (`out_len`, or `out` with `cap` > 0): nothing was written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_report(out: *mut c_char, cap: usize, out_len: *mut usize) -> qz_status {
    // SAFETY: pointers as this comment says.
    unsafe { ffi::report(out, cap, out_len).into() }
}

fn character(byte: u8) -> c_char {
    c_char::from_ne_bytes([byte])
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
