//! Generates the C header, and gives the shared library its name.
//!
//! An ordinary build writes into `OUT_DIR` only; a test compares that with the committed
//! `include/quiescent.h`. With `QUIESCENT_UPDATE_HEADER=1` in the environment the build writes the
//! committed one too.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// The binary interface's number: the soname is `libquiescent.so.<ABI>`. The one place that says it. It
/// rises whenever a program built against an older header could misbehave with this library; a function
/// or enumerator that is only added does not raise it.
const ABI: u32 = 1;

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    for watched in ["build.rs", "cbindgen.toml", "src"] {
        println!("cargo::rerun-if-changed={watched}");
    }
    println!("cargo::rerun-if-env-changed=QUIESCENT_UPDATE_HEADER");
    println!("cargo::rustc-env=QUIESCENT_ABI={ABI}");
    name_shared_library();
    say_what_is_missing();

    let header = generate(&root);
    fs::write(out.join("quiescent.h"), &header).expect("OUT_DIR is writable");
    if env::var_os("QUIESCENT_UPDATE_HEADER").is_some_and(|value| value == "1") {
        fs::write(root.join("include/quiescent.h"), &header)
            .expect("include/ is writable when the header is to be updated");
    }
}

/// The soname, and that `dlclose` does not unload it: threads still run our code when they end.
fn name_shared_library() {
    if matches!(env::var("CARGO_CFG_TARGET_OS").as_deref(), Ok("linux" | "android")) {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libquiescent.so.{ABI}");
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}

/// What this target gets less of than others: see DESIGN.md, "What other platforms get".
fn say_what_is_missing() {
    let target = |key: &str| env::var(format!("CARGO_CFG_TARGET_{key}")).unwrap_or_default();
    if target("POINTER_WIDTH") != "64" {
        println!("cargo::warning=quiescent: handles need 64 bits; on this target only guards and run-down work");
    }
    if !matches!(target("OS").as_str(), "linux" | "android") {
        println!(
            "cargo::warning=quiescent: no asymmetric barrier on this target: every operation takes the counter lane"
        );
    } else if target("ENV") != "gnu" || target("ARCH") != "x86_64" {
        println!("cargo::warning=quiescent: on this target an operation finds its thread's record through a call");
    }
}

/// The header, from the files in the order in which a reader meets them.
fn generate(root: &Path) -> String {
    let mut config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml is valid");
    let version = |part: &str| env::var(format!("CARGO_PKG_VERSION{part}")).expect("cargo sets it");
    config.after_includes = Some(format!(
        "{}\n\
         /// The version of this header; qz_version() and qz_abi_version() tell the library's.\n\
         #define QZ_VERSION \"{}\"\n\
         /// The first number of QZ_VERSION.\n#define QZ_VERSION_MAJOR {}\n\
         /// The second.\n#define QZ_VERSION_MINOR {}\n\
         /// The third.\n#define QZ_VERSION_PATCH {}\n\
         /// The binary interface that this header describes.\n#define QZ_ABI_VERSION {ABI}",
        config.after_includes.unwrap_or_default(),
        version(""),
        version("_MAJOR"),
        version("_MINOR"),
        version("_PATCH"),
    ));
    let mut builder = cbindgen::Builder::new().with_config(config);
    let mut sections = Vec::new();
    for stem in [
        "status",
        "version",
        "kind",
        "handle",
        "free",
        "hold",
        "report",
        "stats",
        "misuse",
        "guard",
        "rundown",
        "cache_aware_rundown",
        "cancel",
        "mutex",
        "semaphore",
        "barrier",
        "notify",
        "rwlock",
        "once",
        "pool",
        "filelock",
        "backend",
    ] {
        let path = root.join(format!("src/{stem}.rs"));
        sections.push(Section::of(&fs::read_to_string(&path).expect("the source is there")));
        builder = builder.with_src(path);
    }
    let mut header = Vec::new();
    builder.generate().expect("the sources of the C surface are understood").write(&mut header);
    arrange(&String::from_utf8(header).expect("cbindgen writes UTF-8"), &sections)
}

/// What one file of `src/` becomes in the header: a title, before its first function.
struct Section {
    title: String,
    first_function: String,
}

impl Section {
    fn of(source: &str) -> Section {
        let title =
            source.lines().next().and_then(|line| line.strip_prefix("//! ")).expect("a file begins with its title");
        let function = source.split_once("extern \"C\" fn ").expect("a file has a function").1;
        let name = function.split_once('(').expect("a function has parameters").0;
        Section { title: title.to_owned(), first_function: name.to_owned() }
    }
}

/// Gives each section its title, writes types by their names alone (`qz_status`, not `enum qz_status`), and puts
/// neighbours that not every platform has between one `#if` and one `#endif`.
fn arrange(header: &str, sections: &[Section]) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut column = 0;
    let mut condition = "";
    for line in header.lines() {
        if line.starts_with("#if ") {
            if line == condition && out.ends_with(&["#endif".to_owned(), String::new()]) {
                out.remove(out.len() - 2);
                continue;
            }
            condition = line;
        }
        if line.starts_with("typedef") || line.trim_start().starts_with("//") || line.starts_with(" *") {
            out.push(line.to_owned());
            continue;
        }
        let mut line = line.replace("struct qz_", "qz_").replace("enum qz_", "qz_");
        if let Some((head, _)) = line.split_once('(').filter(|_| line.starts_with(|first: char| first.is_alphabetic()))
        {
            column = head.len() + 1;
            let name = head.rsplit([' ', '*']).next().unwrap_or_default();
            if let Some(section) = sections.iter().find(|section| section.first_function == name) {
                // Before the comment that belongs to the function.
                let comment = out.iter().rposition(|above| !above.starts_with("///")).map_or(0, |above| above + 1);
                out.insert(comment, format!("/* ---- {} {}*/\n", section.title, "-".repeat(96 - section.title.len())));
            }
        } else if line.starts_with("      ") {
            // A further parameter, below the first.
            line = format!("{}{}", " ".repeat(column), line.trim_start());
        }
        out.push(line);
    }
    out.join("\n") + "\n"
}
