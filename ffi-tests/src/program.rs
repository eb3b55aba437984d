//! Compiling one C or C++ program against the library.

use std::ffi::{OsStr, OsString};
use std::iter;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{Library, repository, scratch_dir};

/// Which of the two libraries a program is linked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// `libquiescent.so`, found at run time through an rpath.
    Shared,
    /// `libquiescent.a`.
    Static,
    /// Neither: a program that does without the library.
    None,
}

/// A C or C++ program to be compiled.
#[derive(Clone, Debug)]
pub struct Program {
    name: String,
    is_cpp: bool,
    std: String,
    compiler: Option<OsString>,
    sources: Vec<PathBuf>,
    flags: Vec<OsString>,
    last: Vec<OsString>,
    link: Link,
}

impl Program {
    /// A C11 program, linked with the shared library.
    #[must_use]
    pub fn c(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            is_cpp: false,
            std: "c11".to_owned(),
            compiler: None,
            sources: Vec::new(),
            flags: Vec::new(),
            last: Vec::new(),
            link: Link::Shared,
        }
    }

    /// A C++17 program, linked with the shared library.
    #[must_use]
    pub fn cpp(name: &str) -> Self {
        Self { is_cpp: true, std: "c++17".to_owned(), ..Self::c(name) }
    }

    /// The language standard, such as `c99` or `c++20`.
    #[must_use]
    pub fn std(mut self, std: &str) -> Self {
        std.clone_into(&mut self.std);
        self
    }

    /// One more source file (or object), absolute or relative to the repository's root.
    #[must_use]
    pub fn source(mut self, path: impl AsRef<Path>) -> Self {
        self.sources.push(repository().join(path));
        self
    }

    /// What to link with.
    #[must_use]
    pub const fn link(mut self, link: Link) -> Self {
        self.link = link;
        self
    }

    /// One more argument for the compiler, before the sources.
    #[must_use]
    pub fn flag(mut self, flag: impl AsRef<OsStr>) -> Self {
        self.flags.push(flag.as_ref().to_owned());
        self
    }

    /// One more argument for the linker, after the sources: `-lm`, or an archive.
    #[must_use]
    pub fn last_flag(mut self, flag: impl AsRef<OsStr>) -> Self {
        self.last.push(flag.as_ref().to_owned());
        self
    }

    /// `-D<name>=<value>`.
    #[must_use]
    pub fn define(self, name: &str, value: &str) -> Self {
        self.flag(format!("-D{name}={value}"))
    }

    /// A compiler by name or path, such as `clang-19`, in place of the one that the `cc` crate picks (`CC`, `CXX`,
    /// else `cc`, `c++`).
    #[must_use]
    pub fn compiler(mut self, compiler: impl AsRef<OsStr>) -> Self {
        self.compiler = Some(compiler.as_ref().to_owned());
        self
    }

    /// Compiles and links into [`scratch_dir`].
    ///
    /// # Panics
    /// With the compiler's messages if that fails.
    #[must_use]
    #[track_caller]
    pub fn build(&self) -> PathBuf {
        self.try_build().unwrap_or_else(|messages| panic!("{messages}"))
    }

    /// As [`build`](Self::build).
    ///
    /// # Errors
    /// The command and the compiler's messages, where a program is expected not to compile.
    pub fn try_build(&self) -> Result<PathBuf, String> {
        // A number, because one process may build the same program in two ways at once.
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = scratch_dir().join(format!("{}-{number}", self.name));
        self.build_at(&path).map(|()| path)
    }

    /// As [`try_build`](Self::try_build), into a file of the caller's choice.
    pub(crate) fn build_at(&self, path: &Path) -> Result<(), String> {
        let library = Library::built();
        let mut command = self.compiler_command();
        command.arg(format!("-std={}", self.std)).args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-g", "-pthread"]);
        command.arg("-I").arg(&library.include);
        command.args(&self.flags).args(&self.sources).arg("-o").arg(path);
        match self.link {
            Link::Shared => {
                let mut rpath = OsString::from("-Wl,-rpath,");
                rpath.push(&library.dir);
                command.arg("-L").arg(&library.dir).arg("-lquiescent").arg(rpath);
            }
            // What `rustc --print native-static-libs` says, less those that are part of any glibc program.
            Link::Static => {
                command.arg(&library.archive).args(["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl"]);
            }
            Link::None => {}
        }
        command.args(&self.last);
        compile(&mut command)
    }

    fn compiler_command(&self) -> Command {
        if let Some(compiler) = &self.compiler {
            let mut command = Command::new(compiler);
            command.arg("-O2");
            return command;
        }
        compiler(self.is_cpp)
    }
}

/// The compiler that the `cc` crate finds, with its usual flags for an optimised build.
pub(crate) fn compiler(is_cpp: bool) -> Command {
    let target = env!("HARNESS_TARGET");
    cc::Build::new()
        .cpp(is_cpp)
        .target(target)
        .host(target)
        .opt_level(2)
        .cargo_metadata(false)
        .cargo_warnings(false)
        .get_compiler()
        .to_command()
}

/// Runs one compiler command.
pub(crate) fn compile(command: &mut Command) -> Result<(), String> {
    let line = command_line(command);
    let output = command.output().map_err(|error| format!("cannot start {line}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let messages = String::from_utf8_lossy(&output.stderr);
    Err(format!("{line}: {}\n{messages}", output.status))
}

/// The program and its arguments. Unlike what `Debug` shows it has no environment: the `cc` crate hands its compilers
/// all of the caller's, and there may be secrets in it.
fn command_line(command: &Command) -> String {
    let words: Vec<String> =
        iter::once(command.get_program()).chain(command.get_args()).map(|word| format!("{word:?}")).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_compilation_tells_the_command_line_and_nothing_of_the_environment() {
        let mut command = compiler(false);
        let messages =
            compile(command.env("SECRET", "hunter2").arg("no-such-file.c")).expect_err("there is no such file");
        // Not told themselves: they would be the environment.
        assert!(messages.contains("\"no-such-file.c\": exit status"), "it does not tell the command line");
        assert!(!messages.contains("hunter2"), "it tells the environment");
    }
}
