//! Reading a story.
//!
//! | line | says |
//! |---|---|
//! | `# …` | anything, for people |
//! | `policy: delete`, `policy: delete after 10s` | what happens to what went away |
//! | `policy: mark unavailable`, `… after 10s`, `…, expire after 60s` | the same |
//! | `policy: keep` | the same |
//! | `identity: address` | the target tells instances apart without their cluster |
//! | `unavailable: weight alone` | how the target is told |
//! | `health dwell: 3s` | how long a change of health has to last |
//! | `guard: holds losses`, `guard: lets losses pass` | from here on |
//! | `held:` | what the target was given before, an instance a line |
//! | `natives:` | who registers natively at the target, an address a line |
//! | `at 5s a complete raw view shows:` | a look, an instance a line |
//! | `at 5s a complete consumer's view shows:` | the same |
//! | `at 5s a partial view shows (why):`, `… suspect …` | the same |
//! | `at 5s the look fails (why)` | a look |
//! | `plan:` | what is planned; this is what is compared |
//!
//! An instance is `10.0.0.1:80@cluster weight 5 unhealthy disabled key=value`,
//! with `health unknown`, `persistent` or `kind unknown` where that matters.

use std::sync::Arc;
use std::time::Duration;

use syncline_model::plan::{Losses, Natives, RemovalPolicy, Standing, UnavailableAs};
use syncline_model::{
    ClusterName, Host, Identity, Instance, Moment, Port, Seen, ServiceSet, Truth, View, Weight,
};

/// A story, line by line; the plans are left out.
pub(super) struct Story {
    pub(super) lines: Vec<Line>,
}

/// One line, or one block with its heading: first as it stands, then what it
/// says.
pub(super) enum Line {
    Text(String),
    Held(Vec<Instance>),
    Natives(Natives),
    Identity(Identity),
    Policy(RemovalPolicy),
    Unavailable(UnavailableAs),
    Losses(Losses),
    Dwell(Duration),
    Look(Moment, View),
}

impl Story {
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut lines = Vec::new();
        let mut rest = text.lines().enumerate().peekable();
        while let Some((at, line)) = rest.next() {
            let mut block = Vec::new();
            while let Some((at, line)) = rest.next_if(|(_, line)| line.starts_with("  ")) {
                block.push((at, line.trim()));
            }
            if line == "plan:" {
                continue;
            }
            lines.push(Line::Text(line.to_owned()));
            let written = block.iter().map(|(_, line)| format!("  {line}"));
            lines.extend(written.map(Line::Text));
            let says = says(line, &block).map_err(|why| match why {
                Wrong::Here(why) => format!("line {}: {why}", at + 1),
                Wrong::At(at, why) => format!("line {}: {why}", at + 1),
            })?;
            lines.extend(says);
        }
        Ok(Self { lines })
    }
}

enum Wrong {
    Here(String),
    At(usize, String),
}

impl From<String> for Wrong {
    fn from(why: String) -> Self {
        Self::Here(why)
    }
}

fn says(line: &str, block: &[(usize, &str)]) -> Result<Option<Line>, Wrong> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    if let Some(look) = line.strip_prefix("at ") {
        return self::look(look, block).map(Some);
    }
    Ok(Some(match line {
        "held:" => Line::Held(instances(block)?),
        "natives:" => Line::Natives(natives(block)?),
        "identity: address" => Line::Identity(Identity::Address),
        "unavailable: weight alone" => Line::Unavailable(UnavailableAs::Weight),
        "guard: holds losses" => Line::Losses(Losses::Held),
        "guard: lets losses pass" => Line::Losses(Losses::Pass),
        _ => {
            if let Some(policy) = line.strip_prefix("policy: ") {
                Line::Policy(self::policy(policy)?)
            } else if let Some(dwell) = line.strip_prefix("health dwell: ") {
                Line::Dwell(duration(dwell)?)
            } else {
                return Err(format!("`{line}` is no part of a story").into());
            }
        }
    }))
}

fn policy(text: &str) -> Result<RemovalPolicy, String> {
    let (text, expire_after) = match text.split_once(", expire after ") {
        Some((text, wait)) => (text, Some(duration(wait)?)),
        None => (text, None),
    };
    let (text, grace) = match text.split_once(" after ") {
        Some((text, wait)) => (text, duration(wait)?),
        None => (text, Duration::ZERO),
    };
    match text {
        "delete" => Ok(RemovalPolicy::Delete { grace }),
        "mark unavailable" => Ok(RemovalPolicy::MarkUnavailable {
            grace,
            expire_after,
        }),
        "keep" => Ok(RemovalPolicy::Keep),
        other => Err(format!("`{other}` is no policy")),
    }
}

fn look(text: &str, block: &[(usize, &str)]) -> Result<Line, Wrong> {
    let (time, says) = text.split_once(' ').unwrap_or((text, ""));
    let now = Moment::after_origin(duration(time)?);
    let (says, why) = match says.split_once(" (") {
        Some((says, why)) => (says, why.trim_end_matches([')', ':'])),
        None => (says.trim_end_matches(':'), ""),
    };
    let why: Arc<str> = why.into();
    let shown = || Ok::<_, Wrong>(Arc::new(ServiceSet::new(instances(block)?)));
    let view = match says {
        "a complete raw view shows" => View::Complete(Truth::Raw, shown()?),
        "a complete consumer's view shows" => View::Complete(Truth::Consumer, shown()?),
        "a partial view shows" => View::Partial(shown()?, why),
        "a suspect view shows" => View::Suspect(shown()?, why),
        "the look fails" => View::Failed(why),
        other => return Err(format!("`{other}` is no view").into()),
    };
    Ok(Line::Look(now, view))
}

fn duration(text: &str) -> Result<Duration, String> {
    let seconds = text.strip_suffix('s').and_then(|n| n.parse().ok());
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| format!("`{text}` is no time"))
}

fn natives(block: &[(usize, &str)]) -> Result<Natives, Wrong> {
    let natives = instances(block)?.into_iter();
    Ok(natives
        .map(|i| ((i.key.host, i.key.port), Standing::Beside))
        .collect())
}

fn instances(block: &[(usize, &str)]) -> Result<Vec<Instance>, Wrong> {
    block
        .iter()
        .filter(|(_, line)| *line != "nothing")
        .map(|(at, line)| instance(line).map_err(|why| Wrong::At(*at, why)))
        .collect()
}

fn instance(text: &str) -> Result<Instance, String> {
    let mut words = text.split(' ');
    let key = words.next().unwrap_or_default();
    let (address, cluster) = key.split_once('@').unwrap_or((key, ClusterName::DEFAULT));
    let (host, port) = address
        .rsplit_once(':')
        .and_then(|(host, port)| Some((Host::new(host), port.parse::<Port>().ok()?)))
        .ok_or_else(|| format!("`{key}` is no address and port"))?;
    let mut instance = Instance::new(host, port);
    instance.key.cluster = cluster.into();
    while let Some(word) = words.next() {
        match word {
            "weight" => instance.weight = weight(words.next().unwrap_or_default())?,
            "unhealthy" => instance.healthy = Seen::Known(false),
            "health" => instance.healthy = unknown(words.next())?,
            "persistent" => instance.ephemeral = Seen::Known(false),
            "kind" => instance.ephemeral = unknown(words.next())?,
            "disabled" => instance.enabled = false,
            pair => {
                let (key, value) = pair
                    .split_once('=')
                    .ok_or_else(|| format!("`{pair}` says nothing of an instance"))?;
                instance.metadata = instance.metadata.with(key, value);
            }
        }
    }
    Ok(instance)
}

fn weight(text: &str) -> Result<Weight, String> {
    let weight = text.parse().ok().and_then(Weight::new);
    weight.ok_or_else(|| format!("`{text}` is no weight"))
}

fn unknown(word: Option<&str>) -> Result<Seen<bool>, String> {
    match word {
        Some("unknown") => Ok(Seen::Unknown),
        other => Err(format!("`{}` is not `unknown`", other.unwrap_or_default())),
    }
}
