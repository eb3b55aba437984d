//! `docs/coverage.md` is true: every home it names defines the item it is said to, and no name is forgotten.

use std::collections::BTreeSet;
use std::fs;

use harness::repository;

/// The names that the table must have, whatever else it has.
const REQUIRED: &[&str] = &[
    "HandleGuard",
    "HandleGuard::new",
    "HandleGuard::try_enter",
    "HandleGuard::begin_free",
    "HandleGuard::begin_free_detailed",
    "HandleOp",
    "BeginFree",
    "BeginFree::Drained",
    "BeginFree::AlreadyFreeing",
    "BeginFree::TimedOut",
    "FFI_HANDLE_FREE_DEADLINE",
    "RundownRef",
    "RundownRef::new",
    "RundownRef::try_acquire",
    "RundownRef::release",
    "RundownRef::wait_for_rundown",
    "RundownRef::re_init",
    "RundownGuard",
    "RundownGuard::new",
    "RundownError",
    "RundownError::RundownInProgress",
    "RundownFlags",
    "CancelToken",
    "Barrier",
    "BarrierWaitResult",
    "BarrierWaitError",
    "ContendedMutex",
    "ContendedMutexGuard",
    "LockMetricsSnapshot",
    "GenericPool",
    "Pool",
    "PoolConfig",
    "PoolStats",
    "PooledResource",
    "PoolError",
    "PoolFuture",
    "AsyncResourceFactory",
    "DestroyReason",
    "WarmupStrategy",
    "Mutex",
    "MutexGuard",
    "OwnedMutexGuard",
    "LockError",
    "TryLockError",
    "Notify",
    "Notified",
    "OnceCell",
    "OnceCellError",
    "RwLock",
    "RwLockReadGuard",
    "RwLockWriteGuard",
    "OwnedRwLockReadGuard",
    "OwnedRwLockWriteGuard",
    "RwLockError",
    "TryReadError",
    "TryWriteError",
    "Semaphore",
    "SemaphorePermit",
    "OwnedSemaphorePermit",
    "AcquireError",
    "TryAcquireError",
    "PoolReturn",
    "PackLock",
    "PackLock::open",
    "PackLock::acquire",
    "PackLock::acquire_async",
    "PackLock::acquire_cancellable",
    "PackLock::try_acquire",
    "PackLockHold",
    "PackLockError",
    "PackLockErrorOrCancelled",
];

#[test]
fn every_home_exists_and_no_name_is_missing() {
    let table = fs::read_to_string(repository().join("docs/coverage.md")).expect("docs/coverage.md can be read");
    let problems = check(&table, REQUIRED, |path| fs::read_to_string(repository().join(path)).ok());
    assert!(problems.is_empty(), "docs/coverage.md:\n{}", problems.join("\n"));
}

/// What is wrong with `table`, each with the name of its row. `read` answers the text of a file.
fn check(table: &str, required: &[&str], read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut names = BTreeSet::new();
    for row in table.lines().filter(|line| line.starts_with('|') && !line.starts_with("|---")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let &[name, origin, home, remark] = cells.as_slice() else {
            problems.push(format!("not four cells: {row}"));
            continue;
        };
        if name == "name" {
            continue;
        }
        let Some(name) = code(name).filter(|_| !origin.is_empty()) else {
            problems.push(format!("not a name in backticks and where it came from: {row}"));
            continue;
        };
        if !names.insert(name) {
            problems.push(format!("{name}: listed twice"));
        }
        if home == "–" {
            if remark.is_empty() {
                problems.push(format!("{name}: has no home, and no reason for that"));
            }
            continue;
        }
        let found = home.split_once(": ").and_then(|(file, item)| Some((code(file)?, code(item)?)));
        match found {
            None => problems.push(format!("{name}: its home is not \"`file`: `item`\" or a dash, but {home}")),
            Some((file, item)) => match read(file) {
                None => problems.push(format!("{name}: its home {file} does not exist")),
                Some(source) if !defines(&source, item) => {
                    problems.push(format!("{name}: its home {file} does not define {item}"));
                }
                Some(_) => {}
            },
        }
    }
    problems.extend(required.iter().filter(|name| !names.contains(*name)).map(|name| format!("{name}: is not listed")));
    problems
}

/// The text between two backticks.
fn code(cell: &str) -> Option<&str> {
    cell.strip_prefix('`')?.strip_suffix('`').filter(|text| !text.is_empty())
}

/// Whether `source`, formatted as rustfmt does, publicly defines `item`: `Name`, or `Type::name` in a block of `Type`'s
/// (a method, a variant, an associated constant).
fn defines(source: &str, item: &str) -> bool {
    let Some((owner, name)) = item.split_once("::") else {
        return source.lines().any(|line| is_public_definition(line, item));
    };
    let mut block = None;
    for line in source.lines() {
        if line == "}" {
            block = None;
        } else if let Some(header) = line.strip_suffix('{').filter(|_| !line.starts_with(' ')) {
            block = Block::of(header, owner);
        } else if block.is_some_and(|block| block.defines(line, name)) {
            return true;
        }
    }
    false
}

/// A block at the left margin that belongs to a type.
#[derive(Clone, Copy)]
enum Block {
    Inherent,
    TraitImpl,
    Trait,
    Enum,
}

impl Block {
    fn of(header: &str, owner: &str) -> Option<Block> {
        let first = |text: &str| text.split(|c: char| !is_identifier(c)).next() == Some(owner);
        if let Some(name) = header.strip_prefix("pub enum ") {
            return first(name).then_some(Block::Enum);
        }
        if let Some(name) = header.strip_prefix("pub trait ").or_else(|| header.strip_prefix("pub unsafe trait ")) {
            return first(name).then_some(Block::Trait);
        }
        let implementation = header.strip_prefix("unsafe ").unwrap_or(header).strip_prefix("impl")?;
        match implementation.split_once(" for ") {
            Some((_, name)) => first(name).then_some(Block::TraitImpl),
            None => first(without_parameters(implementation)).then_some(Block::Inherent),
        }
    }

    fn defines(self, line: &str, name: &str) -> bool {
        let line = line.trim_start();
        match self {
            Block::Inherent => is_public_definition(line, name),
            Block::TraitImpl | Block::Trait => is_definition(line, name),
            Block::Enum => line.strip_prefix(name).is_some_and(|rest| rest.starts_with([',', ' ', '(', '{'])),
        }
    }
}

/// What follows the generic parameters of an `impl`.
fn without_parameters(text: &str) -> &str {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '<' => depth += 1,
            '>' => depth -= 1,
            ' ' if depth == 0 => return &text[at + 1..],
            _ => {}
        }
    }
    text
}

fn is_public_definition(line: &str, name: &str) -> bool {
    line.trim_start().strip_prefix("pub ").is_some_and(|rest| is_definition(rest, name))
}

fn is_definition(line: &str, name: &str) -> bool {
    const KEYWORDS: [&str; 6] = ["fn", "struct", "enum", "const", "type", "trait"];
    const QUALIFIERS: [&str; 5] = ["const", "async", "unsafe", "extern", "\"C\""];
    let mut before = "";
    for word in line.split_whitespace() {
        if KEYWORDS.contains(&before) && word.split(|c: char| !is_identifier(c)).next() == Some(name) {
            return true;
        }
        if !KEYWORDS.contains(&word) && !QUALIFIERS.contains(&word) {
            return false;
        }
        before = word;
    }
    false
}

fn is_identifier(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[test]
fn a_wrong_table_is_noticed_by_name() {
    let source = "pub struct Guard {\n    word: u64,\n}\nimpl Guard {\n    pub const fn new() -> Guard {\n    }\n    pub(crate) fn look(&self) {\n    }\n}\nimpl Drop for Guard {\n    fn drop(&mut self) {\n    }\n}\npub enum Found {\n    One,\n}\nimpl<T: Into<u8>> Boxed<T> {\n    pub unsafe fn open<R>(&self) {\n    }\n}\n";
    let problem = |row: &str| {
        let read = |path: &str| (path == "a.rs").then(|| source.to_owned());
        check(&format!("| name | came from | home | remark |\n|---|---|---|---|\n{row}\n"), &[], read).join("; ")
    };
    for right in ["Guard", "Guard::new", "Guard::drop", "Found", "Found::One", "Boxed::open"] {
        assert_eq!(problem(&format!("| `{right}` | older | `a.rs`: `{right}` | |")), "", "{right} is defined");
    }
    for wrong in
        ["Guar", "Guards", "word", "look", "Guard::look", "Guard::open", "Found::new", "Found::On", "One", "drop"]
    {
        let told = problem(&format!("| `{wrong}` | older | `a.rs`: `{wrong}` | |"));
        assert_eq!(told, format!("{wrong}: its home a.rs does not define {wrong}"));
    }
    assert_eq!(problem("| `x` | older | `b.rs`: `Guard` | |"), "x: its home b.rs does not exist");
    assert_eq!(problem("| `x` | older | – | |"), "x: has no home, and no reason for that");
    assert_eq!(problem("| `x` | older | – | not wanted |"), "");
    assert_eq!(problem("| `x` | older | a.rs | |"), "x: its home is not \"`file`: `item`\" or a dash, but a.rs");
    assert_eq!(problem("| `x` | older | – |"), "not four cells: | `x` | older | – |");
    assert_eq!(problem("| `x` | older | – | why |\n| `x` | older | – | why |"), "x: listed twice");
    assert_eq!(check("", &["Guard"], |_| None), ["Guard: is not listed"]);
}
