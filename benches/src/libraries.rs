//! The shared libraries whose exported functions are measured: built by cargo, opened by the loader.

use crate::error::Error;
use libloading::Library;
use std::env;
use std::ffi::{OsString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An exported function that takes an object, by address or by token, and answers a status.
pub type Operation = unsafe extern "C" fn(object: *mut c_void) -> i32;
/// `qz_handle_enter`.
pub type Enter = unsafe extern "C" fn(*mut c_void, *mut c_void, *const c_char, *mut *mut c_void) -> i32;
/// `qz_mutex_lock`.
pub type Lock = unsafe extern "C" fn(*mut c_void, i64, *mut c_void, *mut *mut c_void) -> i32;
type AcquireAsync = unsafe extern "C" fn(*mut c_void, u32, i64, *mut c_void, *mut c_void, *mut c_void) -> i32;
type Poll = unsafe extern "C" fn(*mut c_void, *mut Completion, usize, i64, *mut usize) -> i32;
type Acquire = unsafe extern "C" fn(*mut c_void, u32, i64, *mut c_void, *mut *mut c_void) -> i32;
type NewSemaphore = unsafe extern "C" fn(initial: u32, max: u32, out: *mut *mut c_void) -> i32;
type NewBackend = unsafe extern "C" fn(*const c_void, *mut c_void, *mut *mut c_void) -> i32;
type Descriptor = unsafe extern "C" fn(*mut c_void, *mut c_int) -> i32;
type Free = unsafe extern "C" fn(object: *mut c_void, timeout_ms: i64) -> i32;
type New = unsafe extern "C" fn(out: *mut *mut c_void) -> i32;
type NewPlain = unsafe extern "C" fn() -> *mut c_void;
type NewKind = unsafe extern "C" fn(*const c_char, *const c_void, *mut *mut c_void) -> i32;
type NewHandle = unsafe extern "C" fn(kind: *mut c_void, object: *mut c_void, out: *mut *mut c_void) -> i32;

/// `qz_completion`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Completion {
    /// The submitter's own.
    pub user_data: *mut c_void,
    /// What was taken.
    pub hold: *mut c_void,
    /// What else there is to tell.
    pub value: usize,
    /// A status.
    pub status: i32,
    /// The operating system's error number.
    pub os_error: i32,
}

/// The library of a Rust author: `benches/author`.
#[derive(Clone, Copy, Debug)]
pub struct Author {
    /// Opens an object behind a token.
    pub new: New,
    /// The guarded operation.
    pub op: Operation,
    /// Frees by token.
    pub free: Free,
    /// Makes an object with an address.
    pub plain_new: NewPlain,
    /// The unguarded operation.
    pub plain: Operation,
    /// Frees by address.
    pub plain_free: Operation,
}

/// `libquiescent.so`, as C programs use it.
#[derive(Clone, Copy, Debug)]
pub struct Quiescent {
    /// `qz_kind_new`.
    pub kind_new: NewKind,
    /// `qz_handle_new`.
    pub handle_new: NewHandle,
    /// `qz_handle_enter`.
    pub enter: Enter,
    /// `qz_handle_leave`.
    pub leave: Operation,
    /// `qz_mutex_new`.
    pub mutex_new: New,
    /// `qz_mutex_lock`.
    pub mutex_lock: Lock,
    /// `qz_hold_release`.
    pub hold_release: Operation,
    /// `qz_semaphore_new`.
    pub semaphore_new: NewSemaphore,
    /// `qz_semaphore_acquire`.
    pub semaphore_acquire: Acquire,
    /// `qz_semaphore_acquire_async`.
    pub semaphore_acquire_async: AcquireAsync,
    /// `qz_backend_new`.
    pub backend_new: NewBackend,
    /// `qz_backend_poll`.
    pub backend_poll: Poll,
    /// `qz_backend_fd`.
    pub backend_fd: Descriptor,
}

/// Both, and where they lie.
#[derive(Debug)]
pub struct Libraries {
    /// The author's.
    pub author: Author,
    /// Its file.
    pub author_path: PathBuf,
    /// Ours.
    pub quiescent: Quiescent,
    /// Its file.
    pub quiescent_path: PathBuf,
}

impl Libraries {
    /// Builds and opens them. They stay open for the life of the process.
    pub fn build() -> Result<Libraries, Error> {
        let files = build()?;
        let find = |name: &str| {
            let found = files.iter().find(|file| file.file_name().is_some_and(|file| *file == *name));
            found.cloned().ok_or_else(|| Error::new(format!("cargo built no {name}")))
        };
        let (author_path, quiescent_path) = (find("libquiescent_bench_author.so")?, find("libquiescent.so")?);
        let author = open(&author_path)?;
        // SAFETY: the types are those of `benches/author/src/lib.rs`.
        let author = unsafe {
            Author {
                new: symbol(author, "bench_new")?,
                op: symbol(author, "bench_op")?,
                free: symbol(author, "bench_free")?,
                plain_new: symbol(author, "bench_plain_new")?,
                plain: symbol(author, "bench_plain")?,
                plain_free: symbol(author, "bench_plain_free")?,
            }
        };
        let quiescent = Quiescent::open(&quiescent_path)?;
        Ok(Libraries { author, author_path, quiescent, quiescent_path })
    }
}

impl Quiescent {
    /// Opens it. It stays open for the life of the process.
    pub fn open(path: &Path) -> Result<Quiescent, Error> {
        let library = open(path)?;
        // SAFETY: the types are those of `include/quiescent.h`.
        unsafe {
            Ok(Quiescent {
                kind_new: symbol(library, "qz_kind_new")?,
                handle_new: symbol(library, "qz_handle_new")?,
                enter: symbol(library, "qz_handle_enter")?,
                leave: symbol(library, "qz_handle_leave")?,
                mutex_new: symbol(library, "qz_mutex_new")?,
                mutex_lock: symbol(library, "qz_mutex_lock")?,
                hold_release: symbol(library, "qz_hold_release")?,
                semaphore_new: symbol(library, "qz_semaphore_new")?,
                semaphore_acquire: symbol(library, "qz_semaphore_acquire")?,
                semaphore_acquire_async: symbol(library, "qz_semaphore_acquire_async")?,
                backend_new: symbol(library, "qz_backend_new")?,
                backend_poll: symbol(library, "qz_backend_poll")?,
                backend_fd: symbol(library, "qz_backend_fd")?,
            })
        }
    }
}

/// The files that cargo says it built.
fn build() -> Result<Vec<PathBuf>, Error> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let output = Command::new(cargo)
        .args(["build", "--release", "--package", "quiescent", "--package", "quiescent-bench-author"])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Error::new(format!("cannot start cargo: {error}")))?;
    if !output.status.success() {
        return Err(Error::new("cargo could not build the shared libraries; see its messages above"));
    }
    let mut files = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
        let names = message["filenames"].as_array().into_iter().flatten();
        files.extend(names.filter_map(|name| name.as_str().map(PathBuf::from)));
    }
    Ok(files)
}

fn open(path: &Path) -> Result<&'static Library, Error> {
    // SAFETY: our own libraries; they run nothing when they are loaded.
    let library = unsafe { Library::new(path) };
    let library = library.map_err(|error| Error::new(format!("cannot open {}: {error}", path.display())))?;
    Ok(Box::leak(Box::new(library)))
}

/// # Safety
/// `T` is the type of the function called `name`.
unsafe fn symbol<T: Copy>(library: &'static Library, name: &str) -> Result<T, Error> {
    // SAFETY: the caller's promise.
    let found = unsafe { library.get::<T>(name.as_bytes()) };
    found.map(|symbol| *symbol).map_err(|error| Error::new(format!("no function {name}: {error}")))
}
