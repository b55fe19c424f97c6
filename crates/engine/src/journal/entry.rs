//! What one line of the journal says.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};
use serde_json::ser::{CompactFormatter, Formatter};
use syncline_model::{Instance, Seen, ServiceKey};

/// One thing that happened, in the words in which it is exported.
///
/// An intent is written before its effect and an outcome after it, with the
/// same `effect` number, so that every effect has its line and every line its
/// effect. What a later version writes beyond this is skipped when it is read
/// here, and exported unchanged.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct JournalEntry {
    /// When, in milliseconds since the Unix epoch. The order of lines is the
    /// order of events, whatever the clock said.
    pub at_ms: u64,
    /// What happened.
    pub kind: Kind,
    /// The change that an intent, an outcome or a hold is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// What joins an intent and its outcome; unique within one run of the
    /// daemon, from a [`Kind::Started`] to the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<u64>,
    /// The link it happened on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// The endpoint it happened at: a target written to, a source lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The service at the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceName>,
    /// The service at the source, where mapping gave it another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_service: Option<ServiceName>,
    /// The instance: `host:port`, followed by `@cluster` where that is not the
    /// default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The hold it is about, as operators call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<String>,
    /// The instances that the hold keeps back, of many the first hundred.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// What the instance was before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Content>,
    /// What it is to be, or is, afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Content>,
    /// What else there is to say: an error, the reason of a hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A change is about to be written.
    Intent,
    /// After a start, a target is about to be given again what it had.
    TakeUp,
    /// The target took it.
    Applied,
    /// The target did not take it, or gave no answer.
    Failed,
    /// It was planned anew before it was begun, and never sent.
    Dropped,
    /// The guard holds it.
    Held,
    /// The guard lets it go, because time or a view proved it.
    Released,
    /// An operator approved a hold.
    Approved,
    /// An operator denied a hold.
    Denied,
    /// A native instance stands where our copy stood.
    Shadowed,
    /// The native instance left.
    Unshadowed,
    /// An instance cannot be taken over as it is.
    Quarantined,
    /// Another's instance stands where ours should, and is left alone.
    Conflict,
    /// A service of the other kind at the target keeps ours out.
    Blocked,
    /// The target shows something else than what was written.
    Drift,
    /// An instance was adopted into the ledger.
    Adopted,
    /// The daemon started.
    Started,
    /// The daemon stopped.
    Stopped,
    /// The configuration changed.
    Reloaded,
    /// An operator paused a link.
    Paused,
    /// An operator let a link go on.
    Resumed,
    /// An operator took copies out of use.
    Evacuated,
    /// An operator put copies back into use.
    Restored,
    /// An instance's health changed at the source, and may yet change back.
    Flipped,
    /// A source can no longer be read.
    SourceLost,
    /// A source can be read again.
    SourceFound,
    /// A target can no longer be written.
    TargetLost,
    /// A target can be written again.
    TargetFound,
    /// A damaged store was set aside.
    StoreRebuilt,
    /// Lines are missing here because they could not be written.
    Gap,
    /// Something that a later version knows.
    #[serde(other)]
    Unknown,
}

/// A change of one instance.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is registered.
    Add,
    /// Its content changes in place.
    Update,
    /// It is deregistered.
    Remove,
    /// It is marked unavailable.
    Mark,
    /// Something that a later version knows.
    #[serde(other)]
    Unknown,
}

impl Kind {
    /// The kind in a word or two, for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::TakeUp => "take up",
            Self::Applied => "applied",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
            Self::Held => "held",
            Self::Released => "released",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Shadowed => "shadowed",
            Self::Unshadowed => "unshadowed",
            Self::Quarantined => "left out",
            Self::Conflict => "conflict",
            Self::Blocked => "blocked",
            Self::Drift => "drift",
            Self::Adopted => "adopted",
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Reloaded => "reloaded",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::Evacuated => "evacuated",
            Self::Restored => "restored",
            Self::Flipped => "flipped",
            Self::SourceLost => "source lost",
            Self::SourceFound => "source found",
            Self::TargetLost => "target lost",
            Self::TargetFound => "target found",
            Self::StoreRebuilt => "store rebuilt",
            Self::Gap => "gap",
            Self::Unknown => "unknown",
        }
    }
}

impl Change {
    /// The change in a word, for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Update => "update",
            Self::Remove => "remove",
            Self::Mark => "mark unavailable",
            Self::Unknown => "unknown",
        }
    }
}

/// A service, as exported.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ServiceName {
    /// Strong isolation.
    pub namespace: String,
    /// Weak isolation.
    pub group: String,
    /// The name within the group.
    pub name: String,
}

impl ServiceName {
    /// Whether that is one of the names the service goes by: its name, its
    /// `group@@name`, or `namespace/group/name`.
    pub fn is_called(&self, name: &str) -> bool {
        name == self.name
            || name.split_once("@@") == Some((&self.group, &self.name))
            || name
                .strip_prefix(self.namespace.as_str())
                .and_then(|rest| rest.strip_prefix('/')?.strip_prefix(self.group.as_str()))
                .and_then(|rest| rest.strip_prefix('/'))
                == Some(&self.name)
    }
}

/// `namespace/group/name`.
impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.namespace, self.group, self.name)
    }
}

impl From<&ServiceKey> for ServiceName {
    fn from(service: &ServiceKey) -> Self {
        Self {
            namespace: service.namespace.to_string(),
            group: service.group.to_string(),
            name: service.name.to_string(),
        }
    }
}

/// Why something was done.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cause {
    /// The endpoint whose view it follows from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What kind of view that was, as `syncline status` names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<String>,
    /// The revision of that view.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// The rule that decided: a policy or setting, by its name in the
    /// configuration, or an operator's command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// What an instance says of itself, as exported.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Content {
    /// Its share of the traffic.
    pub weight: f64,
    /// Whether it is healthy; absent where the view could not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthy: Option<bool>,
    /// Whether it is in rotation.
    pub enabled: bool,
    /// Whether its registration ends with its publisher; absent where the view
    /// could not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ephemeral: Option<bool>,
    /// What its publisher says of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

impl From<&Instance> for Content {
    fn from(instance: &Instance) -> Self {
        let known = |seen| match seen {
            Seen::Known(value) => Some(value),
            Seen::Unknown => None,
        };
        Self {
            weight: instance.weight.get(),
            healthy: known(instance.healthy),
            enabled: instance.enabled,
            ephemeral: known(instance.ephemeral),
            metadata: instance
                .metadata
                .iter()
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        }
    }
}

impl JournalEntry {
    /// An entry that says only what happened; the rest is filled in by hand.
    pub fn new(at_ms: u64, kind: Kind) -> Self {
        Self {
            at_ms,
            kind,
            change: None,
            effect: None,
            link: None,
            endpoint: None,
            service: None,
            source_service: None,
            instance: None,
            hold: None,
            kept: Vec::new(),
            cause: None,
            before: None,
            after: None,
            note: None,
        }
    }

    /// One line of JSON, without its end, of at most `limit` bytes: an entry is
    /// never refused for its size, its details are left out instead.
    pub(super) fn to_line(&self, limit: usize) -> Result<Vec<u8>, serde_json::Error> {
        let line = write_line(self)?;
        if line.len() <= limit {
            return Ok(line);
        }
        let mut short = Self::new(self.at_ms, self.kind);
        short.change = self.change;
        short.effect = self.effect;
        short.link.clone_from(&self.link);
        short.endpoint.clone_from(&self.endpoint);
        short.service.clone_from(&self.service);
        short.instance.clone_from(&self.instance);
        short.hold.clone_from(&self.hold);
        short.note = Some(format!("details of {} bytes were left out", line.len()));
        let line = write_line(&short)?;
        if line.len() <= limit {
            return Ok(line);
        }
        let mut bare = Self::new(self.at_ms, self.kind);
        bare.change = self.change;
        bare.effect = self.effect;
        bare.note = Some("its names were too long to be written".to_owned());
        write_line(&bare)
    }
}

pub(super) fn write_line<T: Serialize>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = Vec::with_capacity(256);
    let mut serializer = serde_json::Serializer::with_formatter(&mut line, Inert);
    value.serialize(&mut serializer)?;
    Ok(line)
}

/// Escapes, beyond what JSON demands, every character by which a name could
/// forge a line or a terminal's output: controls of the second block, line and
/// paragraph separators, and those that turn the direction of the text.
struct Inert;

impl Formatter for Inert {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        let mut written = 0;
        for (at, found) in fragment.match_indices(is_deceptive) {
            CompactFormatter.write_string_fragment(writer, &fragment[written..at])?;
            for unit in found.encode_utf16() {
                write!(writer, "\\u{unit:04x}")?;
            }
            written = at + found.len();
        }
        CompactFormatter.write_string_fragment(writer, &fragment[written..])
    }
}

fn is_deceptive(character: char) -> bool {
    matches!(
        character,
        '\u{7f}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> JournalEntry {
        JournalEntry {
            change: Some(Change::Remove),
            effect: Some(7),
            link: Some("hz-to-sh".into()),
            service: Some(ServiceName::from(&ServiceKey::new("public", "g", "orders"))),
            instance: Some("10.0.0.1:8080".into()),
            ..JournalEntry::new(1, Kind::Intent)
        }
    }

    #[test]
    fn an_entry_reads_as_it_was_written() {
        let line = entry().to_line(usize::MAX).expect("is plain");
        assert_eq!(
            String::from_utf8_lossy(&line),
            r#"{"at_ms":1,"kind":"intent","change":"remove","effect":7,"link":"hz-to-sh","service":{"namespace":"public","group":"g","name":"orders"},"instance":"10.0.0.1:8080"}"#
        );
        let read: JournalEntry = serde_json::from_slice(&line).expect("was written");
        assert_eq!(read, entry());
    }

    #[test]
    fn what_a_later_version_wrote_is_read_as_far_as_it_is_known() {
        let line = r#"{"at_ms":1,"kind":"teleported","change":"swap","moon":true}"#;
        let read: JournalEntry = serde_json::from_str(line).expect("is readable");
        assert_eq!(read.kind, Kind::Unknown);
        assert_eq!(read.change, Some(Change::Unknown));
    }

    #[test]
    fn no_name_can_forge_a_line_or_turn_the_text() {
        let forged =
            "a\r\n{\"kind\":\"applied\"}\u{1b}[2J\u{85}\u{2028}\u{202e}\u{200f}\u{feff}订单";
        let entry = JournalEntry {
            note: Some(forged.into()),
            ..entry()
        };
        let line = entry.to_line(usize::MAX).expect("is plain");
        let text = String::from_utf8(line).expect("is text");
        assert!(!text.chars().any(|c| c.is_control() || is_deceptive(c)));
        assert!(text.contains("订单"));
        let read: JournalEntry = serde_json::from_str(&text).expect("was written");
        assert_eq!(read.note.as_deref(), Some(forged));
    }

    #[test]
    fn an_entry_that_is_too_long_loses_its_details_and_not_its_line() {
        let mut long = entry();
        long.note = Some("x".repeat(1000));
        let line = long.to_line(500).expect("is plain");
        assert!(line.len() <= 500);
        let read: JournalEntry = serde_json::from_slice(&line).expect("was written");
        assert_eq!(read.instance, long.instance);
        assert!(read.note.expect("says so").contains("left out"));

        long.link = Some("y".repeat(1000));
        let line = long.to_line(500).expect("is plain");
        assert!(line.len() <= 500);
        let read: JournalEntry = serde_json::from_slice(&line).expect("was written");
        assert_eq!((read.effect, read.link), (Some(7), None));
    }
}
