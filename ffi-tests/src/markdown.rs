//! The documents: which there are, and their code, headings and links.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use crate::repository;

/// A Markdown file of the repository.
#[derive(Debug)]
pub struct Document {
    /// From the repository's root.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
    /// Its fenced code, from the top.
    pub blocks: Vec<Block>,
    /// What its links and pictures lead to, each with its line.
    pub links: Vec<(usize, String)>,
    /// Its headings, as links name them.
    pub anchors: Vec<String>,
}

/// One fenced piece of code.
#[derive(Clone, Debug)]
pub struct Block {
    /// The first word behind the fence: `c`, `rust`, `text`, ….
    pub language: String,
    /// The other words: what the tests are to do with it.
    pub remark: String,
    /// The code.
    pub text: String,
    /// The line of the fence, from 1.
    pub line: usize,
}

impl Document {
    /// The document at `path`, relative to the repository's root.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn read(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_owned();
        let text = fs::read_to_string(repository().join(&path))
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        let mut document =
            Self { path, text: String::new(), blocks: Vec::new(), links: Vec::new(), anchors: Vec::new() };
        document.parse(&text);
        document.text = text;
        document
    }

    /// Every document of the repository, but not what builds and tools leave there.
    ///
    /// # Panics
    /// If a directory cannot be read.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut found = Vec::new();
        find(Path::new(""), &mut found);
        found.sort();
        found.into_iter().map(Self::read).collect()
    }

    /// `path:line`, for messages.
    #[must_use]
    pub fn place(&self, line: usize) -> String {
        format!("{}:{line}", self.path.display())
    }

    fn parse(&mut self, text: &str) {
        let mut seen = HashMap::new();
        let (mut heading, mut block): (Option<String>, Option<Block>) = (None, None);
        for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
            let line = text[..range.start].matches('\n').count() + 1;
            match event {
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    self.links.push((line, dest_url.into_string()));
                }
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => self.anchors.extend(heading.take().map(|it| anchor(&it, &mut seen))),
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                    let (language, remark) = info.split_once(' ').unwrap_or((&info, ""));
                    let (language, remark) = (language.to_owned(), remark.to_owned());
                    block = Some(Block { language, remark, text: String::new(), line });
                }
                Event::End(TagEnd::CodeBlock) => self.blocks.extend(block.take()),
                Event::Text(piece) | Event::Code(piece) => {
                    if let Some(block) = &mut block {
                        block.text.push_str(&piece);
                    }
                    if let Some(heading) = &mut heading {
                        heading.push_str(&piece);
                    }
                }
                _ => {}
            }
        }
    }
}

fn find(dir: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(repository().join(dir)).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    for entry in entries {
        let entry = entry.expect("a directory can be listed");
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = dir.join(&name);
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if !name.starts_with('.') && name != "target" {
                find(&path, found);
            }
        } else if Path::new(&name).extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// A heading as GitHub's links name it.
fn anchor(heading: &str, seen: &mut HashMap<String, usize>) -> String {
    let kept = heading.to_lowercase().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>();
    let name = kept.replace(' ', "-");
    let count = seen.entry(name.clone()).or_insert(0);
    *count += 1;
    if *count == 1 { name } else { format!("{name}-{}", *count - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_links_and_headings_are_found() {
        let text = "# A `b()`: c\n\n# A `b()`: c\n\n[x](y.md#z) ![p](q.svg) `[no](link)`\n\n| [t](u) |\n|---|\n\n```c crashes now\n[no](link)\n```\n";
        let mut document =
            Document { path: PathBuf::new(), text: String::new(), blocks: vec![], links: vec![], anchors: vec![] };
        document.parse(text);
        assert_eq!(document.anchors, ["a-b-c", "a-b-c-1"]);
        let links: Vec<&str> = document.links.iter().map(|(_, link)| link.as_str()).collect();
        assert_eq!(links, ["y.md#z", "q.svg", "u"]);
        assert_eq!(document.links[0].0, 5);
        let [block] = &document.blocks[..] else { panic!("{:?}", document.blocks) };
        assert_eq!((block.language.as_str(), block.remark.as_str(), block.line), ("c", "crashes now", 10));
        assert_eq!(block.text, "[no](link)\n");
    }
}
