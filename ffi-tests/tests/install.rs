//! What scripts/install lays out, used as by somebody who has nothing else: programs built out of the tree with
//! pkg-config, CMake and meson, with the shared library and the static one.
//!
//! There are two trees: one that lies where it was meant to, and one that was laid out for `/usr` and lies elsewhere, as
//! one that was moved.

#[allow(dead_code, reason = "each test uses a part of it")]
mod parsed_header;

use harness::{Link, Program, repository, run, scratch_dir, skip};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;
use std::{env, fs};

/// For what takes seconds; the limit is for a hang.
const LIMIT: Duration = Duration::from_secs(300);

fn install(options: &[&str]) {
    run(Command::new(repository().join("scripts/install")).args(options), LIMIT).expect_success();
}

/// One installed tree.
struct Tree {
    prefix: PathBuf,
    libdir: &'static str,
}

impl Tree {
    fn in_place() -> &'static Self {
        static TREE: OnceLock<Tree> = OnceLock::new();
        TREE.get_or_init(|| {
            let tree = Self { prefix: scratch_dir().join("in place"), libdir: "lib64" };
            install(&["--prefix", path(&tree.prefix), "--libdir", tree.libdir]);
            tree
        })
    }

    fn moved() -> &'static Self {
        static TREE: OnceLock<Tree> = OnceLock::new();
        TREE.get_or_init(|| {
            let destdir = scratch_dir().join("moved");
            install(&["--prefix=/usr", "--destdir", path(&destdir)]);
            Self { prefix: destdir.join("usr"), libdir: "lib" }
        })
    }

    fn lib(&self) -> PathBuf {
        self.prefix.join(self.libdir)
    }

    /// What `command` needs to find the tree; and what cargo sets for tests would lead it elsewhere.
    fn shown_to<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("PKG_CONFIG_PATH", self.lib().join("pkgconfig")).env_remove("LD_LIBRARY_PATH")
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path of UTF-8")
}

/// Whether `tools` are here; where not, says so.
fn have(tools: &[&str]) -> bool {
    let is_missing = |tool: &&&str| !Command::new(tool).arg("--version").output().is_ok_and(|out| out.status.success());
    let missing: Vec<_> = tools.iter().filter(is_missing).collect();
    if !missing.is_empty() {
        skip(&format!("not here: {missing:?}"));
    }
    missing.is_empty()
}

fn version() -> String {
    let header = fs::read_to_string(repository().join("include/quiescent.h")).unwrap();
    let (_, version) = header.split_once("#define QZ_VERSION \"").expect("the header has a version");
    version.split_once('"').unwrap().0.to_owned()
}

/// Runs a program, which prints the library's version, and looks whether it needs the shared library.
fn check(program: &Path, is_shared: bool) {
    let outcome = run(Command::new(program).env_remove("LD_LIBRARY_PATH"), LIMIT);
    assert_eq!(outcome.expect_success().stdout.trim(), version(), "{}", program.display());
    let dynamic = run(Command::new("readelf").env("LC_ALL", "C").args(["-d", "-W"]).arg(program), LIMIT);
    let needs = dynamic.expect_success().stdout.contains("(NEEDED)             Shared library: [libquiescent.so.");
    assert_eq!(needs, is_shared, "{}: {}", program.display(), dynamic.stdout);
}

/// Every file and link below `dir`, relative to it.
fn files(dir: &Path) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut directories = vec![dir.to_path_buf()];
    while let Some(next) = directories.pop() {
        for entry in fs::read_dir(&next).unwrap_or_else(|error| panic!("{}: {error}", next.display())) {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                directories.push(entry.path());
            } else {
                all.insert(path(entry.path().strip_prefix(dir).unwrap()).to_owned());
            }
        }
    }
    all
}

#[test]
fn the_tree() {
    let tree = Tree::in_place();
    let found = files(&tree.prefix);
    let abi = harness::Library::built().soname.strip_prefix("libquiescent.so.").expect("a number").to_owned();
    let version = version();
    let (major_minor, _) = version.rsplit_once('.').expect("a version has three numbers");
    let real = format!("libquiescent.so.{abi}.{major_minor}");
    let fixed =
        ["libquiescent.a", "libquiescent.so", &format!("libquiescent.so.{abi}"), &real, "pkgconfig/quiescent.pc"];
    let mut expected: BTreeSet<String> = fixed.iter().map(|name| format!("lib64/{name}")).collect();
    expected.extend(files(&repository().join("include")).iter().map(|name| format!("include/{name}")));
    expected.extend(files(&repository().join("cmake")).iter().map(|name| format!("lib/cmake/Quiescent/{name}")));
    assert_eq!(found, expected, "(Cargo.toml's [package.metadata.capi.library] has the number in the file's name)");
    for link in ["libquiescent.so", &format!("libquiescent.so.{abi}")] {
        assert_eq!(
            fs::read_link(tree.lib().join(link)).unwrap(),
            Path::new(&real),
            "relative, so that it can be moved"
        );
    }
    // Nothing says where it was laid out.
    for name in found.iter().filter(|name| !name.contains("/libquiescent.")) {
        let text = fs::read_to_string(tree.prefix.join(name)).unwrap();
        assert!(!text.contains(path(scratch_dir())), "{name} names the directory it was installed in");
    }
}

#[test]
fn what_is_installed_can_be_uninstalled_and_nothing_else() {
    let prefix = scratch_dir().join("uninstalled");
    let options = ["--prefix", path(&prefix), "--libdir", "lib/x86_64-linux-gnu"];
    install(&options);
    install(&options); // over itself
    let own = prefix.join("include/own.h");
    fs::write(&own, "").unwrap();
    install(&[&options[..], &["--uninstall"]].concat());
    assert_eq!(files(&prefix), BTreeSet::from(["include/own.h".to_owned()]));
    assert!(!prefix.join("lib").exists(), "empty directories stay behind");
}

/// The archive's list of libraries is that of rustc, but for what compilers add themselves.
#[test]
fn pkg_config_answers() {
    if !have(&["pkg-config"]) {
        return;
    }
    let tree = Tree::moved();
    let ask = |question: &[&str]| {
        let outcome = run(tree.shown_to(&mut Command::new("pkg-config")).args(question).arg("quiescent"), LIMIT);
        outcome.expect_success().stdout.trim().to_owned()
    };
    assert_eq!(ask(&["--modversion"]), version());
    assert_eq!(ask(&["--libs-only-l"]), "-lquiescent");
    assert_eq!(ask(&["--static", "--libs-only-l"]), "-lquiescent -lutil -lrt -lpthread -lm -ldl");
    let libdir = ask(&["--variable=libdir"]);
    assert_eq!(fs::canonicalize(libdir).unwrap(), fs::canonicalize(tree.lib()).unwrap());
}

/// Compiles ffi-tests/install/`source` with what pkg-config answers to `asked`. Through a shell, as in a makefile: what
/// has a blank comes quoted.
fn compile_with_pkg_config(tree: &Tree, source: &str, compiler: &str, asked: &str) -> PathBuf {
    let program = scratch_dir().join(format!("pkg-config-{}-{asked}", tree.libdir));
    let line =
        format!("eval {compiler} '\"$1\"' -o '\"$2\"' '\"-Wl,-rpath,$3\"' $(pkg-config --cflags {asked} quiescent)");
    let mut shell = Command::new("sh");
    shell.args(["-c", &line, "sh"]).arg(repository().join("ffi-tests/install").join(source));
    run(tree.shown_to(shell.arg(&program).arg(tree.lib())), LIMIT).expect_success();
    program
}

#[test]
fn pkg_config_in_place() {
    if have(&["pkg-config"]) {
        check(&compile_with_pkg_config(Tree::in_place(), "app.cpp", "c++ -std=c++14", "--libs"), true);
    }
}

#[test]
fn pkg_config_moved() {
    if have(&["pkg-config"]) {
        check(&compile_with_pkg_config(Tree::moved(), "app.c", "cc", "--libs"), true);
        if !links_statically() {
            return skip("this system has no static libc");
        }
        check(&compile_with_pkg_config(Tree::moved(), "app.c", "cc -static", "--libs --static"), false);
    }
}

fn links_statically() -> bool {
    let source = scratch_dir().join("empty.c");
    fs::write(&source, "int main(void) { return 0; }\n").unwrap();
    Program::c("links-statically").link(Link::None).flag("-static").source(source).try_build().is_ok()
}

/// Configures and builds ffi-tests/install by `setup`, and checks its programs.
fn with_build_system(name: &str, tree: &Tree, setup: impl FnOnce(&Path) -> Command) {
    let dir = scratch_dir().join(format!("{name}-{}", tree.libdir));
    run(tree.shown_to(&mut setup(&dir)), LIMIT).expect_success();
    run(Command::new("ninja").arg("-C").arg(&dir), LIMIT).expect_success();
    for (program, is_shared) in [("c_shared", true), ("c_static", false), ("cpp_shared", true)] {
        check(&dir.join(program), is_shared);
    }
}

fn with_cmake(tree: &Tree) {
    if have(&["cmake", "ninja"]) {
        with_build_system("cmake", tree, |dir| {
            let mut cmake = Command::new("cmake");
            cmake.args(["-G", "Ninja", "-S"]).arg(repository().join("ffi-tests/install")).arg("-B").arg(dir);
            cmake.arg(format!("-DVERSION={}", version())).arg(format!("-DCMAKE_PREFIX_PATH={}", path(&tree.prefix)));
            cmake
        });
    }
}

#[test]
fn cmake_in_place() {
    with_cmake(Tree::in_place());
}

#[test]
fn cmake_moved() {
    with_cmake(Tree::moved());
}

/// By way of pkg-config: once will do.
#[test]
fn meson() {
    let tree = Tree::moved();
    if have(&["meson", "ninja", "pkg-config"]) {
        with_build_system("meson", tree, |dir| {
            let mut meson = Command::new("meson");
            meson.arg("setup").arg(dir).arg(repository().join("ffi-tests/install"));
            meson.arg(format!("-Dversion={}", version()));
            meson
        });
    }
}

/// The library's own parts, and those of Rust's std, are nobody else's business.
#[test]
fn the_archive_shows_the_headers_functions_only() {
    let archive = Tree::moved().lib().join("libquiescent.a");
    let shown = run(Command::new("nm").args(["-g", "--defined-only"]).arg(archive), LIMIT);
    let shown = shown.expect_success().stdout.lines().filter(|line| line.contains(' '));
    let shown: BTreeSet<_> = shown.map(|line| line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")).collect();
    let functions = parsed_header::functions();
    assert_eq!(shown, functions.iter().map(|function| format!("T {}", function.name)).collect());
}

/// With another library made with Rust in the same program. All of both is linked, so that what both define clashes, as
/// it does without that if they come from different compilers.
#[test]
fn two_rust_libraries_in_one_program() {
    let other = scratch_dir().join("libother.a");
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--edition=2024", "--crate-type=staticlib", "-o"]).arg(&other);
    run(rustc.arg(repository().join("ffi-tests/install/other.rs")), LIMIT).expect_success();
    let program = Program::c("two-rust-libraries").link(Link::None).source("ffi-tests/install/two_rust_libraries.c");
    let whole = program.last_flag("-Wl,--whole-archive").last_flag(Tree::moved().lib().join("libquiescent.a"));
    let built = whole.last_flag(&other).last_flag("-Wl,--no-whole-archive").last_flag("-ldl").last_flag("-lm").build();
    run(&mut Command::new(built), LIMIT).expect_success();
}

/// A plugin with a copy of the library inside, for itself, in a program that uses the shared library.
#[test]
fn a_static_plugin_in_a_program_with_the_shared_library() {
    let archive = Tree::moved().lib().join("libquiescent.a");
    let plugin =
        Program::c("static_plugin.so").flag("-shared").flag("-fPIC").source("ffi-tests/install/static_plugin.c");
    let plugin = plugin.link(Link::None).last_flag(archive).last_flag("-Wl,--exclude-libs,libquiescent.a").build();
    let host = Program::c("static_plugin_host").source("ffi-tests/install/static_plugin_host.c").last_flag("-ldl");
    run(Command::new(host.build()).arg(plugin), LIMIT).expect_success();
}

/// It compiles everything anew, in a minute or more: with `QUIESCENT_THOROUGH` only (scripts/nightly).
#[test]
fn cargo_c_lays_out_the_same() {
    if env::var_os("QUIESCENT_THOROUGH").is_none() {
        return println!("skipped: scripts/nightly compares with cargo-c");
    }
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(repository()).arg("cinstall");
    if !Command::new(cargo.get_program()).args(["cinstall", "--version"]).output().is_ok_and(|out| out.status.success())
    {
        return skip("cargo-c is not here");
    }
    let destdir = scratch_dir().join("cargo-c");
    cargo.args(["--release", "--prefix=/usr", "--libdir=lib", "--destdir"]).arg(&destdir);
    run(&mut cargo, Duration::from_secs(1200)).expect_success();
    assert_eq!(files(&destdir.join("usr")), files(&Tree::moved().prefix));
    with_cmake(&Tree { prefix: destdir.join("usr"), libdir: "lib" });
}
