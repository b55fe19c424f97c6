//! From the tree to typed values, with everything that is wrong on the way.
//!
//! A derived `Deserialize` gives up at the first value it cannot take. So a
//! tree is read in passes: what failed is reported and struck out, and the
//! tree is read again as if it were not there, until a pass finds nothing new.
//! Since a derived `Deserialize` tells us the names of its fields, keys that no
//! one knows are found by the way, with the nearest name that would do.

mod reader;

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{self, DeserializeOwned};

use super::nearest::{did_you_mean, listed};
use super::problem::Problems;
use super::text::Texts;
use super::tree::{Entry, Node, Scalar, Value};
use reader::Reader;

/// The key that says which variant of an enum a mapping is.
pub(super) const TAG: &str = "kind";

/// After so many problems the rest can wait for the next look.
const MOST_PROBLEMS: usize = 100;

/// How much of a value a message repeats.
const LONGEST_QUOTE: usize = 60;

/// What could be read.
pub(super) struct Decoded<T> {
    /// The value without what was struck out; `None` where too little was left.
    pub(super) value: Option<T>,
    struck: HashSet<usize>,
}

impl<T> Decoded<T> {
    /// Whether the value holds what a node says.
    pub(super) fn holds(&self, node: &Node) -> bool {
        !self.struck.contains(&node.id)
    }

    /// Whether the value holds all that a node says, down to the last key.
    pub(super) fn holds_whole(&self, node: &Node) -> bool {
        let entries = node.entries().iter().map(|entry| &entry.value);
        self.holds(node)
            && entries
                .chain(node.items())
                .all(|inner| self.holds_whole(inner))
    }
}

/// Reads a value, leaving out what cannot be read, which is reported, and what
/// was already `struck`, which is not.
pub(super) fn decode<T: DeserializeOwned>(
    root: &Node,
    texts: &Texts,
    struck: Vec<usize>,
    problems: &mut Problems,
) -> Decoded<T> {
    let pass = Pass {
        texts,
        struck: RefCell::new(struck.into_iter().collect()),
        problems: RefCell::new(std::mem::take(problems)),
    };
    let value = loop {
        let struck_before = pass.struck.borrow().len();
        let reader = Reader {
            pass: &pass,
            node: root,
            label: Label::Root,
            tagged: false,
        };
        match T::deserialize(reader) {
            Ok(value) => break Some(value),
            Err(halt) => pass.settle(root, Label::Root, halt),
        };
        let struck = pass.struck.borrow();
        let nothing_new = struck.len() == struck_before;
        if nothing_new || struck.contains(&root.id) || pass.problems.borrow().len() > MOST_PROBLEMS
        {
            break None;
        }
    };
    *problems = pass.problems.into_inner();
    Decoded {
        value,
        struck: pass.struck.into_inner(),
    }
}

/// What the passes over one tree have in common.
struct Pass<'a> {
    texts: &'a Texts,
    struck: RefCell<HashSet<usize>>,
    problems: RefCell<Problems>,
}

/// Why a value was not read.
#[derive(Debug)]
enum Halt {
    /// The value is wrong. The text reads on from the value: "is no address".
    Wrong(String),
    /// A mapping lacks a key.
    Missing(&'static str),
    /// Something in it was struck out; the next pass does without.
    Again,
    /// It cannot be read without what was struck out before.
    Lost,
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong(what) => f.write_str(what),
            Self::Missing(key) => write!(f, "needs the key `{key}`"),
            Self::Again | Self::Lost => f.write_str("was struck out"),
        }
    }
}

impl std::error::Error for Halt {}

impl de::Error for Halt {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Wrong(message.to_string())
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }
}

impl Pass<'_> {
    fn is_struck(&self, node: &Node) -> bool {
        self.struck.borrow().contains(&node.id)
    }

    /// Reports why a node could not be read, strikes it out, and says how the
    /// pass goes on above it.
    fn settle(&self, node: &Node, label: Label<'_>, halt: Halt) -> Halt {
        let message = match halt {
            Halt::Again => return Halt::Again,
            Halt::Lost => {
                self.strike(node);
                return Halt::Again;
            }
            halt => sentence(node, label, &halt.to_string()),
        };
        let mut problems = self.problems.borrow_mut();
        match node.value {
            Value::Scalar(_) => problems.add(self.texts, node.mark, message),
            Value::List(_) | Value::Map(_) => problems.show(self.texts, node.mark, message),
        }
        self.strike(node);
        Halt::Again
    }

    fn strike(&self, node: &Node) {
        self.struck.borrow_mut().insert(node.id);
    }

    fn unknown_key(&self, entry: &Entry, known: &[&str]) {
        let key = &entry.key;
        let mut message = format!("unknown key `{key}`");
        match did_you_mean(key, known.iter().copied()) {
            Some(hint) => message.push_str(&format!(", {hint}")),
            None => message.push_str(&format!("; known here: {}", listed(known))),
        }
        let mut problems = self.problems.borrow_mut();
        problems.show(self.texts, entry.mark, message);
        self.strike(&entry.value);
    }
}

/// What a message calls a node.
#[derive(Clone, Copy)]
enum Label<'a> {
    /// The whole.
    Root,
    /// The value of a key.
    Key(&'a str),
    /// An element of the list under a key.
    Element(&'a str),
}

impl<'a> Label<'a> {
    fn element(self) -> Self {
        match self {
            Self::Root => Self::Root,
            Self::Key(key) | Self::Element(key) => Self::Element(key),
        }
    }
}

/// The value, as the user wrote it, and what is wrong with it.
fn sentence(node: &Node, label: Label<'_>, what: &str) -> String {
    match (&node.value, label) {
        (Value::Scalar(scalar), Label::Key(key)) => format!("`{key}: {}` {what}", quote(scalar)),
        (Value::Scalar(scalar), Label::Element(key)) => {
            format!("`{}` in `{key}` {what}", quote(scalar))
        }
        (_, Label::Key(key)) => format!("`{key}` {what}"),
        (_, Label::Element(key)) => format!("this entry of `{key}` {what}"),
        (_, Label::Root) => format!("the configuration {what}"),
    }
}

fn quote(scalar: &Scalar) -> String {
    let written = scalar.written();
    if written.chars().count() <= LONGEST_QUOTE {
        return written.to_owned();
    }
    written.chars().take(LONGEST_QUOTE).chain(['…']).collect()
}
