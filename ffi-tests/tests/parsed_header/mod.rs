//! `include/quiescent.h` as the tests see it: what it declares, and what the comments promise.

use std::collections::{BTreeMap, BTreeSet};

/// One declared function.
pub struct Function {
    pub name: String,
    pub returns_status: bool,
    /// How many arguments it takes.
    pub arguments: usize,
    /// The contract above it, without the slashes.
    pub comment: String,
}

/// The header's text.
pub fn text() -> String {
    let path = harness::repository().join("include/quiescent.h");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every function the header declares, in its order.
pub fn functions() -> Vec<Function> {
    let (mut comment, mut declaration, mut all) = (String::new(), String::new(), Vec::new());
    // Functions come after the last typedef: inside it, `void (*on_close)(…);` looks like one.
    let text = text();
    let (_, declarations) = text.split_once("extern \"C\" {").expect("the header has an extern \"C\" block");
    for line in declarations.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix("///") {
            comment.push_str(words);
            comment.push('\n');
        } else if !line.is_empty() && !line.starts_with('#') && !line.starts_with('}') {
            declaration.push_str(line);
            declaration.push(' ');
            if line.ends_with(';') {
                all.push(function(&declaration, std::mem::take(&mut comment)));
                declaration.clear();
            }
        }
    }
    assert!(all.len() >= 30, "only {} functions found: the header's shape has changed", all.len());
    all
}

fn function(declaration: &str, comment: String) -> Function {
    let (head, rest) = declaration.split_once('(').unwrap_or_else(|| panic!("not a function: {declaration}"));
    let name = head.rsplit([' ', '*']).next().unwrap_or_default();
    assert!(name.starts_with("qz_"), "{declaration}: the function's name does not begin with qz_");
    let (inside, _) = rest.rsplit_once(')').unwrap_or_else(|| panic!("no argument list: {declaration}"));
    let returns_status = head.starts_with("enum qz_status ") || head.starts_with("qz_status ");
    Function { name: name.to_owned(), returns_status, arguments: argument_count(inside), comment }
}

/// Commas that are not inside the argument list of a function pointer, plus one; `void` is none.
fn argument_count(inside: &str) -> usize {
    if inside.trim() == "void" {
        return 0;
    }
    let mut depth = 0;
    let commas = inside.chars().filter(|&letter| {
        depth += i32::from(letter == '(') - i32::from(letter == ')');
        letter == ',' && depth == 0
    });
    commas.count() + 1
}

/// The names and values of an enum, or of all `#define`s that are integers.
pub fn constants() -> BTreeMap<String, i64> {
    let text = text();
    let enumerated = text.lines().filter_map(|line| line.trim().trim_end_matches(',').split_once(" = "));
    let defined = text.lines().filter_map(|line| line.strip_prefix("#define ")?.split_once(' '));
    enumerated
        .chain(defined)
        .filter_map(|(name, value)| {
            let value = value.trim().trim_start_matches('(').trim_end_matches(')').parse().ok()?;
            name.starts_with("QZ_").then(|| (name.to_owned(), value))
        })
        .collect()
}

/// The statuses that a function's contract names, with those of the function it refers to ("as qz_handle_enter").
pub fn promised_statuses(function: &Function, all: &[Function]) -> BTreeSet<String> {
    let words = words(&function.comment);
    let statuses = constants();
    let is_status = |word: &str| {
        let succeeds = ["QZ_OK", "QZ_FREE_PENDING", "QZ_ALREADY_FREED"].contains(&word);
        statuses.contains_key(word) && (succeeds || word.starts_with("QZ_ERR_"))
    };
    let mut promised: BTreeSet<String> =
        words.iter().filter(|word| is_status(word)).map(|word| (*word).to_owned()).collect();
    for pair in words.windows(2).filter(|pair| pair[0].eq_ignore_ascii_case("as")) {
        promised.extend(statuses_of(pair[1], function, all));
    }
    promised
}

/// What a function may answer: what it promises, and the refusals of each part ("each as of qz_handle_free").
pub fn allowed_statuses(function: &Function, all: &[Function]) -> BTreeSet<String> {
    let mut allowed = promised_statuses(function, all);
    for triple in words(&function.comment).windows(3).filter(|triple| triple[0] == "as" && triple[1] == "of") {
        allowed.extend(statuses_of(triple[2], function, all));
    }
    allowed
}

fn statuses_of(name: &str, referring: &Function, all: &[Function]) -> BTreeSet<String> {
    let other = all.iter().find(|other| other.name == name && other.name != referring.name);
    other.map(|other| promised_statuses(other, all)).unwrap_or_default()
}

fn words(comment: &str) -> Vec<&str> {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    comment.split(|letter| !is_name(letter)).filter(|word| !word.is_empty()).collect()
}
