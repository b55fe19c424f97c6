//! YAML as a tree that knows where each value stands.
//!
//! A typed parser stops at the first thing it cannot use. Here the text is
//! first read into a tree, so that everything wrong with it can be said at once.

use std::collections::HashMap;

use serde_saphyr::granit_parser::{
    self, Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput,
};

use super::problem::Problems;
use super::shield::{shielded, unshielded};
use super::text::{Mark, Texts};

/// Deeper than any configuration; a limit against hostile files.
const DEEPEST: usize = 32;

/// How many values a file may have after its aliases are expanded.
const MOST_NODES: usize = 200_000;

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Its number; copies made by an alias share it.
    pub(super) id: usize,
    /// Where it stands.
    pub(super) mark: Mark,
    /// What it is.
    pub(super) value: Value,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A text, number, truth value or nothing: types are given by who reads it.
    Scalar(Scalar),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in the order of the file.
    Map(Vec<Entry>),
}

/// A single value.
#[derive(Clone, Debug)]
pub(super) struct Scalar {
    /// The text, with its references resolved.
    pub(super) text: String,
    /// The text as it stands in the file where that is different.
    pub(super) written: Option<String>,
    /// Whether it stands without quotes, so that it may be a number.
    pub(super) plain: bool,
}

/// A key of a mapping with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The key.
    pub(super) key: String,
    /// Where the key stands.
    pub(super) mark: Mark,
    /// The value.
    pub(super) value: Node,
}

impl Node {
    /// Whether nothing was written.
    pub(super) fn is_null(&self) -> bool {
        match &self.value {
            Value::Scalar(scalar) => {
                scalar.plain
                    && scalar.written.is_none()
                    && matches!(scalar.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            Value::List(_) | Value::Map(_) => false,
        }
    }

    /// The entries of a mapping; none of anything else.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            Value::Scalar(_) | Value::List(_) => &[],
        }
    }

    /// The entry of a mapping with that key.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The value below a key.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The values of a list; none of anything else.
    pub(super) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            Value::Scalar(_) | Value::Map(_) => &[],
        }
    }

    /// The text of a scalar.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            Value::List(_) | Value::Map(_) => None,
        }
    }
}

impl Scalar {
    /// What the user sees in the file.
    pub(super) fn written(&self) -> &str {
        self.written.as_deref().unwrap_or(&self.text)
    }
}

/// Numbers that tell nodes apart, over all files of a configuration.
#[derive(Debug, Default)]
pub(super) struct Numbering(usize);

impl Numbering {
    /// A number that was not given before.
    pub(super) fn next(&mut self) -> usize {
        self.0 += 1;
        self.0
    }
}

/// Reads one file. `None` where it is no YAML, which is then reported.
pub(super) fn parse(
    texts: &Texts,
    file: usize,
    numbering: &mut Numbering,
    problems: &mut Problems,
) -> Option<Node> {
    let content = shielded(&texts.file(file).content);
    let options = granit_parser::options! {
        emit_comments: false,
        block_nesting_limit: DEEPEST,
        flow_nesting_limit: DEEPEST,
    };
    let mut builder = Builder {
        events: Parser::new_from_str_with_options(&content, options),
        texts,
        file,
        numbering,
        problems,
        anchors: HashMap::new(),
        left: MOST_NODES,
    };
    match builder.document() {
        Ok(node) => node,
        Err(error) => {
            let mark = mark_at(file, error.marker());
            let what = error.info();
            problems.show(texts, mark, format!("this is not YAML: {what}"));
            None
        }
    }
}

struct Builder<'a> {
    events: Parser<'a, StrInput<'a>>,
    texts: &'a Texts,
    file: usize,
    numbering: &'a mut Numbering,
    problems: &'a mut Problems,
    anchors: HashMap<usize, Node>,
    left: usize,
}

/// A file without any value.
fn nothing(id: usize, mark: Mark) -> Node {
    let value = Value::Scalar(Scalar {
        text: String::new(),
        written: None,
        plain: true,
    });
    Node { id, mark, value }
}

impl<'a> Builder<'a> {
    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, ScanError> {
        self.events.next_event().transpose()
    }

    fn document(&mut self) -> Result<Option<Node>, ScanError> {
        let mut root = None;
        while let Some((event, span)) = self.next()? {
            match event {
                Event::DocumentStart(..) if root.is_some() => {
                    let mark = mark_at(self.file, &span.start);
                    let message = "a file holds one document; put the rest into a file of its own";
                    self.problems.show(self.texts, mark, message);
                    return Ok(root);
                }
                Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentStart(..)
                | Event::DocumentEnd => {}
                event => root = Some(self.node(event, span)?),
            }
        }
        let start = Marker::new(0, 1, 0);
        Ok(Some(root.unwrap_or_else(|| {
            nothing(self.numbering.next(), mark_at(self.file, &start))
        })))
    }

    fn node(&mut self, event: Event<'a>, span: Span) -> Result<Node, ScanError> {
        let mark = self.mark(&span);
        self.spend(1, mark)?;
        if let Some(tag) = event.tag().filter(|tag| !tag.is_yaml_core_schema()) {
            let message = format!("the tag `{}` means nothing here", tag.original());
            self.problems.show(self.texts, mark, message);
        }
        let id = self.numbering.next();
        let (anchor, value) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let scalar = Scalar {
                    text: unshielded(&text),
                    written: None,
                    plain: style == ScalarStyle::Plain && tag.is_none(),
                };
                (anchor, Value::Scalar(scalar))
            }
            Event::SequenceStart(_, anchor, _) => (anchor, self.list()?),
            Event::MappingStart(_, anchor, _) => (anchor, self.map()?),
            Event::Alias(target) => return self.alias(target, id, mark),
            // Comments, anchors and unresolved aliases are not asked for, and
            // the ends are taken by `list` and `map`.
            _ => return Ok(nothing(id, mark)),
        };
        let node = Node { id, mark, value };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self) -> Result<Value, ScanError> {
        let mut items = Vec::new();
        while let Some((event, span)) = self.next()? {
            if event == Event::SequenceEnd {
                break;
            }
            items.push(self.node(event, span)?);
        }
        Ok(Value::List(items))
    }

    fn map(&mut self) -> Result<Value, ScanError> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut merged = Vec::new();
        while let Some((event, span)) = self.next()? {
            if event == Event::MappingEnd {
                break;
            }
            let key = self.node(event, span)?;
            let Some((event, span)) = self.next()? else {
                break;
            };
            let value = self.node(event, span)?;
            let mark = key.mark;
            match key.text() {
                None => {
                    let message = "a key must be text";
                    self.problems.show(self.texts, mark, message);
                }
                Some("<<") => merged.push(value),
                Some(name) => match entries.iter().find(|entry| entry.key == name) {
                    Some(first) => self.twice(name, mark, first.mark),
                    None => entries.push(Entry {
                        key: name.to_owned(),
                        mark,
                        value,
                    }),
                },
            }
        }
        for node in merged {
            self.merge(node, &mut entries);
        }
        Ok(Value::Map(entries))
    }

    /// `<<`: takes over what is not said here. Of several, the first wins.
    fn merge(&mut self, from: Node, entries: &mut Vec<Entry>) {
        match from.value {
            Value::Map(more) => {
                for entry in more {
                    if !entries.iter().any(|e| e.key == entry.key) {
                        entries.push(entry);
                    }
                }
            }
            Value::List(items) => {
                for item in items {
                    self.merge(item, entries);
                }
            }
            Value::Scalar(_) => {
                let message = "`<<` takes a mapping, such as *name of one with &name";
                self.problems.show(self.texts, from.mark, message);
            }
        }
    }

    fn twice(&mut self, name: &str, mark: Mark, first: Mark) {
        let first = self.texts.place(first);
        let message = format!("`{name}` stands here a second time; the first is at {first}");
        self.problems.add(self.texts, mark, message);
    }

    fn alias(&mut self, target: usize, id: usize, mark: Mark) -> Result<Node, ScanError> {
        let Some(node) = self.anchors.get(&target).cloned() else {
            let message = "an alias cannot stand within what it refers to";
            self.problems.show(self.texts, mark, message);
            return Ok(nothing(id, mark));
        };
        self.spend(size(&node), mark)?;
        Ok(node)
    }

    fn spend(&mut self, nodes: usize, mark: Mark) -> Result<(), ScanError> {
        match self.left.checked_sub(nodes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(ScanError::new(
                Marker::new(0, mark.line, mark.column - 1),
                format!("more than {MOST_NODES} values, with aliases written out"),
            )),
        }
    }

    fn mark(&self, span: &Span) -> Mark {
        Mark {
            width: span.end.index().saturating_sub(span.start.index()),
            ..mark_at(self.file, &span.start)
        }
    }
}

fn mark_at(file: usize, marker: &Marker) -> Mark {
    Mark {
        file,
        line: marker.line().max(1),
        column: marker.col() + 1,
        width: 1,
    }
}

fn size(node: &Node) -> usize {
    match &node.value {
        Value::Scalar(_) => 1,
        Value::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Map(entries) => 1 + entries.iter().map(|e| 1 + size(&e.value)).sum::<usize>(),
    }
}
