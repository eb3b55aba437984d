//! Which process this is: the key in every token.
//!
//! The key is drawn when the first handle is opened. A forked child draws another before it returns from
//! `fork` (in a `pthread_atfork` handler), and remembers those of its ancestors: their tokens are told
//! from garbage and answered "forked", before their shell is looked for. So the fast path pays nothing for
//! this, and nothing that another thread of the parent held can block the child. A child made with a raw
//! `clone` or `vfork` runs no handlers and must only `exec`.

use crate::Error;
use crate::handle::token::{KEY_BITS, Parts};
use crate::handle::{DIRECTORY, misuse};
use crate::shim::{AtomicU32, AtomicU64, Ordering};
use std::hash::{BuildHasher, Hasher};

const KEYS: u32 = 1 << KEY_BITS;

/// The mark before a key was drawn: no token has these lowest bits.
pub(crate) const NOT_DRAWN: u64 = u64::MAX;
/// One bit for each key that an ancestor had.
static ANCESTORS: [AtomicU64; KEYS as usize / 64] = [const { AtomicU64::new(0) }; KEYS as usize / 64];
/// Whether the fork handler is registered and the library pinned.
static READY: AtomicU32 = AtomicU32::new(0);

/// The lowest bits of this process's tokens; before the first handle those of none.
#[inline]
pub(crate) fn mark() -> u64 {
    // Relaxed: a token comes to a thread after its key was drawn, through whatever passed the token on.
    DIRECTORY.mark.load(Ordering::Relaxed)
}

/// This process's key; 0 before the first handle.
#[inline]
pub(crate) fn key() -> u32 {
    let mark = mark();
    if mark == NOT_DRAWN { 0 } else { Parts::of(mark).map_or(0, |parts| parts.key) }
}

/// Whether `key` was that of a parent, its parent, and so on.
#[cold]
pub(crate) fn is_ancestor(key: u32) -> bool {
    ANCESTORS[key as usize / 64].load(Ordering::Relaxed) & (1 << (key % 64)) != 0
}

/// This process's key, drawn and made ready for `fork` and thread ends if that was not done yet.
pub(crate) fn key_or_draw() -> Result<u32, Error> {
    prepare()?;
    if mark() == NOT_DRAWN {
        let seed = std::hash::RandomState::new().build_hasher().finish();
        let drawn = draw(seed).ok_or(Error::Limit)?;
        // The first to draw decides.
        let _ = DIRECTORY.mark.compare_exchange(NOT_DRAWN, Parts::mark(drawn), Ordering::Relaxed, Ordering::Relaxed);
    }
    Ok(key())
}

/// Has `fork` and thread ends tell this library, which stays loaded, if that was not done yet.
pub(crate) fn prepare() -> Result<(), Error> {
    if READY.load(Ordering::Acquire) == 0 {
        // Two threads may both get here and register the handlers twice, which is harmless: they are idempotent.
        system::prepare()?;
        misuse::read();
        READY.store(1, Ordering::Release);
    }
    Ok(())
}

/// A key that no ancestor had; `None` after 2047 nested forks.
#[allow(clippy::cast_possible_truncation, reason = "reduced below 2^11 before")]
fn draw(seed: u64) -> Option<u32> {
    // The finaliser of splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators",
    // 2014).
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let first = (mixed >> 40) as u32 % KEYS;
    (0..KEYS).map(|step| (first + step) % KEYS).find(|&key| key != 0 && !is_ancestor(key))
}

/// In a forked child, still alone: takes a new key. Only stores to atomics and asks for clock and
/// process id.
#[cfg(unix)]
extern "C" fn in_child() {
    crate::file_lock::in_child();
    let parent = key();
    if parent != 0 {
        ANCESTORS[parent as usize / 64].fetch_or(1 << (parent % 64), Ordering::Relaxed);
        let seed = crate::deadline::now() ^ u64::from(std::process::id()) << 32;
        DIRECTORY.mark.store(draw(seed).map_or(NOT_DRAWN, Parts::mark), Ordering::Relaxed);
        crate::handle::records::in_child();
    }
}

#[cfg(unix)]
mod system {
    use crate::Error;

    pub(super) fn prepare() -> Result<(), Error> {
        pin();
        // SAFETY: the handler is async-signal-safe (see `in_child`), and stays mapped: the library is pinned.
        let failed = unsafe { libc::pthread_atfork(None, None, Some(super::in_child)) };
        if failed == 0 { Ok(()) } else { Err(Error::NoMemory) }
    }

    /// Keeps the object that holds this code mapped for the life of the process: threads run our key
    /// destructor when they end and children our fork handler, whatever `dlclose` says. The shared
    /// library is linked `nodelete`; this is for those that were linked statically into a plugin.
    fn pin() {
        let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
        let inside: *const libc::c_void = (pin as fn() as *const ()).cast();
        // SAFETY: `dladdr` writes `info` and reads nothing of ours; on success `dli_fname` is a C string that
        // lives as long as the object. A handle opened with RTLD_NOLOAD loads nothing; it is kept, never
        // closed.
        unsafe {
            if libc::dladdr(inside, info.as_mut_ptr()) != 0 {
                let name = info.assume_init().dli_fname;
                if !name.is_null() {
                    libc::dlopen(name, libc::RTLD_NOW | libc::RTLD_NOLOAD | libc::RTLD_NODELETE);
                    // The main program cannot be opened, and need not: the host is not to see that error.
                    libc::dlerror();
                }
            }
        }
    }
}

#[cfg(windows)]
mod system {
    use crate::Error;
    use std::ptr;
    use windows_sys::Win32::System::LibraryLoader::{
        GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_PIN, GetModuleHandleExW,
    };

    /// There is no fork. Keeps the module that holds this code, a library of ours or a plugin that it was linked into, loaded
    /// for the life of the process, whatever `FreeLibrary` says: threads run our code when they end.
    pub(super) fn prepare() -> Result<(), Error> {
        let mut module = ptr::null_mut();
        let inside: *const u16 = (prepare as fn() -> Result<(), Error> as *const ()).cast();
        // SAFETY: `module` is writable. With this flag the other is an address in a module, not a name.
        let pinned = unsafe {
            GetModuleHandleExW(
                GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                inside,
                &raw mut module,
            )
        };
        if pinned != 0 { Ok(()) } else { Err(Error::NoMemory) }
    }
}

#[cfg(not(any(unix, windows)))]
mod system {
    use crate::Error;

    /// There is no fork; that the library stays loaded is left to its user.
    pub(super) fn prepare() -> Result<(), Error> {
        Ok(())
    }
}
