//! The documents: their links lead somewhere, README leads to all of them, and their code is compiled and run.

use harness::example;
use harness::markdown::Document;
use harness::repository;
use std::collections::{BTreeSet, HashMap};
use std::path::{Component, Path, PathBuf};

/// Those whose code is tried here. (README, `python/README.md` and `examples/rust-cdylib/README.md` have tests of their own.)
fn has_examples(document: &Document) -> bool {
    document.path.starts_with("docs") || document.path.starts_with("c-examples")
}

#[test]
fn their_code_is_tried() {
    let documents = Document::all();
    let mut blocks = 0;
    for document in documents.iter().filter(|document| has_examples(document)) {
        let programs = example::try_all(document);
        println!("{}: {} blocks, {programs} programs run", document.path.display(), document.blocks.len());
        blocks += document.blocks.len();
    }
    assert!(blocks > 0, "no document has code");
}

/// What a program prints is as wide as it is.
#[test]
fn their_code_is_read_without_scrolling() {
    const COLUMNS: usize = 110;
    let documents = Document::all();
    let blocks = documents.iter().flat_map(|document| document.blocks.iter().map(move |block| (document, block)));
    let code = blocks.filter(|(_, block)| !["", "text"].contains(&block.language.as_str()));
    let wide: Vec<String> = code
        .flat_map(|(document, block)| {
            let lines = block.text.lines().zip(block.line + 1..);
            lines.filter(|(line, _)| line.chars().count() > COLUMNS).map(|(_, line)| document.place(line))
        })
        .collect();
    assert!(wide.is_empty(), "wider than {COLUMNS} columns: {}", wide.join(", "));
}

/// `link` in the document at `from`: the file it leads to, from the repository's root, and the anchor in it.
fn target(from: &Path, link: &str) -> (PathBuf, Option<String>) {
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor.to_owned())));
    if path.is_empty() {
        return (from.to_owned(), anchor);
    }
    let mut target = from.parent().unwrap_or(Path::new("")).to_owned();
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir => assert!(target.pop(), "{link} leads out of the repository"),
            Component::CurDir => {}
            other => target.push(other),
        }
    }
    (target, anchor)
}

/// What is wrong with a document's links.
fn broken(document: &Document, anchors: &HashMap<PathBuf, Vec<String>>) -> Vec<String> {
    let mut broken = Vec::new();
    for (line, link) in document.links.iter().filter(|(_, link)| !link.contains("://")) {
        let (path, anchor) = target(&document.path, link);
        let has_anchor = |anchor: &String| anchors.get(&path).is_some_and(|known| known.contains(anchor));
        if !repository().join(&path).exists() {
            broken.push(format!("{}: there is no {}", document.place(*line), path.display()));
        } else if anchor.as_ref().is_some_and(|anchor| !has_anchor(anchor)) {
            broken.push(format!("{}: there is no heading for {link}", document.place(*line)));
        }
    }
    broken
}

fn anchors_of(documents: &[Document]) -> HashMap<PathBuf, Vec<String>> {
    documents.iter().map(|document| (document.path.clone(), document.anchors.clone())).collect()
}

#[test]
fn their_links_lead_somewhere() {
    let documents = Document::all();
    let anchors = anchors_of(&documents);
    let links: usize = documents.iter().map(|document| document.links.len()).sum();
    assert!(documents.len() >= 8 && links > 30, "{} documents with {links} links", documents.len());
    let broken: Vec<String> = documents.iter().flat_map(|document| broken(document, &anchors)).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn a_link_that_leads_nowhere_is_noticed() {
    let mut document = Document::read("docs/benchmarks/README.md");
    let anchors = anchors_of(&[Document::read("README.md")]);
    let links = ["../../README.md", "../../README.md#two-commands", "../conventions.md", "https://nowhere.invalid/"];
    document.links = links.iter().map(|link| (1, (*link).to_owned())).collect();
    assert_eq!(broken(&document, &anchors), <[String; 0]>::default());
    let wrong = ["README.markdown", "../../README.md#three-commands", "../../LICENCE", "inline.svgz", "#no-such"];
    document.links = wrong.iter().map(|link| (1, (*link).to_owned())).collect();
    assert_eq!(broken(&document, &anchors).len(), wrong.len());
}

/// Nobody reads what nothing leads to.
#[test]
fn readme_leads_to_every_document() {
    let documents = Document::all();
    let (mut reached, mut open) = (BTreeSet::new(), vec![PathBuf::from("README.md")]);
    while let Some(path) = open.pop() {
        let Some(document) = documents.iter().find(|document| document.path == path) else { continue };
        if reached.insert(path.clone()) {
            let inside = document.links.iter().filter(|(_, link)| !link.contains("://"));
            open.extend(inside.map(|(_, link)| target(&path, link).0).map(|to| {
                // A link to a directory shows its README.
                if repository().join(&to).is_dir() { to.join("README.md") } else { to }
            }));
        }
    }
    let missed: Vec<String> = documents.iter().filter(|it| !reached.contains(&it.path)).map(|it| it.place(1)).collect();
    assert!(missed.is_empty(), "README leads nobody to {missed:?}");
}

/// Whatever they call by a name of C's is in the header.
#[test]
fn the_names_of_c_are_those_of_the_header() {
    let header = std::fs::read_to_string(repository().join("include/quiescent.h")).unwrap();
    let known: BTreeSet<&str> = names_of_c(&header).collect();
    assert!(known.len() > 200, "only {} names in the header", known.len());
    let (mut used, mut unknown) = (0, Vec::new());
    for document in Document::all().iter().filter(|it| has_examples(it) || it.path == Path::new("README.md")) {
        for (index, line) in document.text.lines().enumerate() {
            let names = names_of_c(line).filter(|name| name.len() > "qz_".len());
            for name in names.inspect(|_| used += 1).filter(|name| !known.contains(name)) {
                unknown.push(format!("{}: {name}", document.place(index + 1)));
            }
        }
    }
    assert!(used > 100, "they use only {used} names");
    assert!(unknown.is_empty(), "not in the header: {}", unknown.join("\n"));
}

fn names_of_c(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("qz_") || word.starts_with("QZ_"))
}

/// docs/conventions.md has a section for each convention of the header's head, and nothing else is called one there.
#[test]
fn the_conventions_of_the_header_are_all_there() {
    let header = std::fs::read_to_string(repository().join("include/quiescent.h")).unwrap();
    let head = header.split_once(" * Conventions\n").and_then(|(_, rest)| rest.split_once("*/")).expect("its head").0;
    // ` *   Name       text`: what goes on is further to the right.
    let names: Vec<&str> = head
        .lines()
        .filter_map(|line| line.strip_prefix(" *   ").filter(|rest| !rest.starts_with(' ')))
        .filter_map(|rest| rest.split_whitespace().next())
        .collect();
    assert!(names.len() > 9 && names.contains(&"Fork"), "{names:?}");
    let anchors = Document::read("docs/conventions.md").anchors;
    let missed: Vec<&&str> = names.iter().filter(|name| !anchors.contains(&name.to_lowercase())).collect();
    assert!(missed.is_empty(), "docs/conventions.md has no section {missed:?}");
}
