//! Statistics: what there is, and what has happened.

use crate::sized::{check_output, write_sized};
use crate::status::qz_status;
use quiescent_core::ffi;
use quiescent_core::handle;

/// What there is in this process, and how often things have happened. Kinds and holds are no handles here.
///
/// Counts never fall. A forked child goes on from its parent's counts, and has none of its parent's
/// handles and kinds. (A signal handler that interrupts the library may miss its own counts.)
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct qz_stats {
    /// Handles that are not destroyed.
    pub live: u64,
    /// Handles among them that a free gave up on: the last one out destroys the object.
    pub pending: u64,
    /// Kinds that are not destroyed.
    pub kinds: u64,
    /// Shells that are never used again, after 268,435,455 lives: each takes one from the limit of 2^24.
    pub retired: u64,
    /// Handles that were opened, so far.
    pub opened: u64,
    /// Handles whose object was destroyed.
    pub freed: u64,
    /// Frees of handles that found somebody inside: they waited, or gave up at once.
    pub drains: u64,
    /// Barriers across all processors (on Linux: membarrier), which frees of handles in frequent use run.
    pub barriers: u64,
    /// Calls that were answered QZ_ERR_NULL.
    pub refused_null: u64,
    /// Calls that were answered QZ_ERR_BAD_HANDLE.
    pub refused_bad_handle: u64,
    /// Calls that were answered QZ_ERR_WRONG_KIND.
    pub refused_wrong_kind: u64,
    /// Calls that were answered QZ_ERR_FREED.
    pub refused_freed: u64,
    /// Calls that were answered QZ_ERR_FORKED.
    pub refused_forked: u64,
    /// Calls that were answered QZ_ERR_BUSY.
    pub refused_busy: u64,
    /// Calls that were answered any other status below 0.
    pub refused_other: u64,
    /// QZ_MISUSE_DOUBLE_FREE, here and below unless misuse is ignored.
    pub double_free: u64,
    /// QZ_MISUSE_STALE.
    pub stale: u64,
    /// QZ_MISUSE_WRONG_KIND.
    pub wrong_kind: u64,
    /// QZ_MISUSE_NOT_INSIDE.
    pub not_inside: u64,
}

/// Writes this process's statistics; each number as of some moment during the call. `size` is
/// sizeof(qz_stats). Looks at every handle and thread there is. Never blocks.
///
/// - QZ_OK: all `size` bytes are written, with zeros where this library knows less than your header.
/// - QZ_ERR_NULL, QZ_ERR_INVALID_ARGUMENT (`size` is smaller than in this header, or no multiple of 8).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qz_stats_get(out_stats: *mut qz_stats, size: usize) -> qz_status {
    let told = ffi::call(|| {
        check_output(out_stats, size)?;
        let stats = handle::stats();
        let stats = qz_stats {
            live: stats.live,
            pending: stats.pending,
            kinds: stats.kinds,
            retired: stats.retired,
            opened: stats.opened,
            freed: stats.freed,
            drains: stats.drains,
            barriers: stats.barriers,
            refused_null: stats.refusals.null,
            refused_bad_handle: stats.refusals.bad_handle,
            refused_wrong_kind: stats.refusals.wrong_kind,
            refused_freed: stats.refusals.freed,
            refused_forked: stats.refusals.forked,
            refused_busy: stats.refusals.busy,
            refused_other: stats.refusals.other,
            double_free: stats.misuses.double_free,
            stale: stats.misuses.stale,
            wrong_kind: stats.misuses.wrong_kind,
            not_inside: stats.misuses.not_inside,
        };
        // SAFETY: `out_stats` is writable for `size` bytes.
        unsafe { write_sized(out_stats, size, stats) };
        Ok(())
    });
    told.into()
}
