//! The library under test, built by cargo once per process and laid out as an installed one would be.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::repository;

/// Where the built library lies.
#[derive(Debug)]
pub struct Library {
    /// The directory with `libquiescent.so`, its soname link and `libquiescent.a`: for `-L` and `-rpath`.
    pub dir: PathBuf,
    /// `libquiescent.so` in that directory.
    pub shared: PathBuf,
    /// `libquiescent.a` in that directory.
    pub archive: PathBuf,
    /// The directory with `quiescent.h`: for `-I`.
    pub include: PathBuf,
    /// The name programs linked with the shared library ask the loader for, such as `libquiescent.so.1`.
    pub soname: String,
    /// `<target directory>/ffi-tests`, where everything made by this package is put.
    pub(crate) workdir: PathBuf,
}

impl Library {
    /// The release build of package `quiescent`; built by the first call in this process.
    ///
    /// # Panics
    /// When cargo cannot build it: no test can go on.
    pub fn built() -> &'static Self {
        static BUILT: OnceLock<Library> = OnceLock::new();
        BUILT.get_or_init(Self::build)
    }

    fn build() -> Self {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let output = Command::new(cargo)
            .args(["build", "--package", "quiescent", "--release", "--message-format=json-render-diagnostics"])
            .current_dir(repository())
            .stderr(Stdio::inherit())
            .output()
            .unwrap_or_else(|error| panic!("cannot start cargo: {error}"));
        assert!(
            output.status.success(),
            "building libquiescent failed ({}): see cargo's messages above",
            output.status
        );

        let files = artifacts(&String::from_utf8_lossy(&output.stdout));
        let built = |extension: &str| {
            let name = format!("libquiescent.{extension}");
            let found = files.iter().find(|file| file.file_name().is_some_and(|file| *file == *name));
            found.unwrap_or_else(|| panic!("cargo built no {name}; it built {files:?}")).clone()
        };
        let (shared, archive) = (built("so"), built("a"));
        let profile_dir = shared.parent().expect("an artifact lies in a directory");
        let workdir = profile_dir.parent().expect("a profile directory lies in the target directory").join("ffi-tests");

        let soname = soname(&shared);
        let dir = workdir.join("lib");
        fs::create_dir_all(&dir).unwrap_or_else(|error| panic!("cannot create {}: {error}", dir.display()));
        link(&shared, &dir.join("libquiescent.so"));
        link(&shared, &dir.join(&soname));
        link(&archive, &dir.join("libquiescent.a"));

        Self {
            shared: dir.join("libquiescent.so"),
            archive: dir.join("libquiescent.a"),
            include: repository().join("include"),
            dir,
            soname,
            workdir,
        }
    }
}

/// The files of package `quiescent` named in cargo's messages (one JSON object a line).
fn artifacts(messages: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for message in messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()) {
        if message["reason"] == "compiler-artifact" && message["target"]["name"] == "quiescent" {
            let names = message["filenames"].as_array().into_iter().flatten();
            files.extend(names.filter_map(|name| name.as_str().map(PathBuf::from)));
        }
    }
    files
}

/// Makes `at` a symbolic link to `to`. Atomic, because every process of a test run does this, all at once.
fn link(to: &Path, at: &Path) {
    if fs::read_link(at).is_ok_and(|already| already == to) {
        return;
    }
    let mut unique = at.as_os_str().to_owned();
    unique.push(format!(".{}", std::process::id()));
    let unique = PathBuf::from(unique);
    let _ = fs::remove_file(&unique);
    symlink(to, &unique)
        .and_then(|()| fs::rename(&unique, at))
        .unwrap_or_else(|error| panic!("cannot link {} to {}: {error}", at.display(), to.display()));
}

/// The `DT_SONAME` of a 64-bit little-endian ELF file. Read here, because `readelf` comes with binutils and may differ.
fn soname(path: &Path) -> String {
    let file = fs::read(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    elf_soname(&file).unwrap_or_else(|| panic!("{} has no soname (or is no 64-bit ELF file)", path.display()))
}

fn elf_soname(file: &[u8]) -> Option<String> {
    const SHT_DYNAMIC: u32 = 6;
    const DT_SONAME: u64 = 14;
    let bytes = |at: u64, n: usize| file.get(usize::try_from(at).ok()?..)?.get(..n);
    let u16_at = |at| Some(u16::from_le_bytes(bytes(at, 2)?.try_into().ok()?));
    let u32_at = |at| Some(u32::from_le_bytes(bytes(at, 4)?.try_into().ok()?));
    let u64_at = |at| Some(u64::from_le_bytes(bytes(at, 8)?.try_into().ok()?));
    if bytes(0, 6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let (sections, size, count) = (u64_at(0x28)?, u64::from(u16_at(0x3a)?), u64::from(u16_at(0x3c)?));
    let section = |index: u64| sections + index * size;
    let dynamic = (0..count).map(section).find(|&at| u32_at(at + 4) == Some(SHT_DYNAMIC))?;
    let (entries, length, strings) = (u64_at(dynamic + 0x18)?, u64_at(dynamic + 0x20)?, u32_at(dynamic + 0x28)?);
    let strings = u64_at(section(u64::from(strings)) + 0x18)?;
    let entry = (0..length / 16).map(|index| entries + index * 16).find(|&at| u64_at(at) == Some(DT_SONAME))?;
    let name = file.get(usize::try_from(strings + u64_at(entry + 8)?).ok()?..)?;
    let end = name.iter().position(|&byte| byte == 0)?;
    String::from_utf8(name[..end].to_vec()).ok()
}
