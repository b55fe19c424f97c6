//! Taking into the ledger what already stands at a target.
//!
//! What another tool left there, or an application registered, is never ours by
//! itself. An operator may take it over where a link wants exactly that there:
//! from then on it follows the link, its removal included.

use std::fmt;

use crate::desire::unmarked;
use crate::instance::{Instance, Metadata, Seen};
use crate::plan::difference;

/// The keys under which nacos-sync marks its copies (all versions up to 0.5:
/// the target's id, the kind of the source, and the source's id).
const NACOS_SYNC: [&str; 3] = ["destClusterId", "syncSource", "sourceClusterId"];

/// Who put an instance where it stands, as far as its metadata tells.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Publisher {
    /// nacos-sync: it is a copy.
    NacosSync,
    /// Nobody says; an application, as far as anybody knows.
    Unknown,
}

impl Publisher {
    /// Who put an instance where it stands.
    pub fn of(instance: &Instance) -> Self {
        let says = |key: &str| instance.metadata.get(key).is_some();
        match NACOS_SYNC.into_iter().all(says) {
            true => Self::NacosSync,
            false => Self::Unknown,
        }
    }

    /// The same in a word, for the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NacosSync => "nacos-sync",
            Self::Unknown => "unknown",
        }
    }
}

/// What an operator wants to take over.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Wish {
    /// Also what bears nobody's mark, and so may be an application's own.
    pub natives: bool,
    /// Also what has other content, which the link then changes.
    pub differing: bool,
}

/// Why an instance is not taken over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Obstacle {
    /// The link wants nothing there.
    NotWanted,
    /// The link wants it in another cluster.
    OtherCluster(String),
    /// It is persistent and the link's copies are not, or the other way round: a
    /// service has one kind.
    OtherKind {
        /// Whether what stands there is persistent.
        persistent: bool,
    },
    /// Nobody's mark says that it is a copy.
    Native,
    /// It has other content than the link would give it.
    Differs(String),
    /// Its service is being written.
    Busy,
    /// The source has not been read since the start.
    Unread,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotWanted => f.write_str("the source does not show it"),
            Self::OtherCluster(wanted) => write!(f, "the link would put it into cluster {wanted}"),
            Self::OtherKind { persistent: true } => {
                f.write_str("it is persistent, and the link's `hold` is not")
            }
            Self::OtherKind { persistent: false } => {
                f.write_str("it is ephemeral, and the link's `hold` is persistent")
            }
            Self::Native => f.write_str("it bears no mark of a copy; --natives takes it over"),
            Self::Differs(how) => {
                write!(
                    f,
                    "the link would change it ({how}); --differing takes it over"
                )
            }
            Self::Busy => f.write_str("its service is being written; try again"),
            Self::Unread => f.write_str("the source has not been read since the start"),
        }
    }
}

/// Whether an instance that stands at a target may be taken over by a link that
/// wants this there, where it wants anything.
///
/// Health is not compared: what nobody keeps alive any more looks sick, and it
/// is the link that tells its health from then on.
///
/// # Errors
/// With the first reason why not.
pub fn may_adopt(
    stands: &Instance,
    wanted: Option<&Instance>,
    kept_persistent: bool,
    wish: Wish,
) -> Result<(), Obstacle> {
    let Some(wanted) = wanted else {
        return Err(Obstacle::NotWanted);
    };
    if wanted.key.cluster != stands.key.cluster {
        return Err(Obstacle::OtherCluster(wanted.key.cluster.to_string()));
    }
    if stands.ephemeral == Seen::Known(kept_persistent) {
        return Err(Obstacle::OtherKind {
            persistent: !kept_persistent,
        });
    }
    if Publisher::of(stands) == Publisher::Unknown && !wish.natives {
        return Err(Obstacle::Native);
    }
    let plain = |instance: &Instance| Instance {
        healthy: Seen::Unknown,
        metadata: without_marks(&instance.metadata),
        ..instance.clone()
    };
    let (before, after) = (plain(stands), plain(wanted));
    if before.content_differs(&after) && !wish.differing {
        return Err(Obstacle::Differs(difference(&before, &after)));
    }
    Ok(())
}

/// The metadata without the marks of whoever copied it.
fn without_marks(metadata: &Metadata) -> Metadata {
    NACOS_SYNC
        .into_iter()
        .fold(unmarked(metadata), |metadata, key| metadata.without(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::{Port, Weight};
    use crate::ownership::MARK_KEY;

    fn wanted() -> Instance {
        let mut instance = Instance::new("10.0.0.1", Port::new(80).expect("not zero"));
        instance.metadata = Metadata::from_pairs([("zone", "a"), (MARK_KEY, "ours")]);
        instance
    }

    /// What nacos-sync makes of it.
    fn copy() -> Instance {
        let mut copy = wanted();
        copy.metadata = Metadata::from_pairs([
            ("zone", "a"),
            ("destClusterId", "2"),
            ("syncSource", "NACOS"),
            ("sourceClusterId", "1"),
        ]);
        copy
    }

    fn native() -> Instance {
        let mut native = copy();
        native.metadata = Metadata::from_pairs([("zone", "a"), ("syncSource", "mine")]);
        native
    }

    const PLAIN: Wish = Wish {
        natives: false,
        differing: false,
    };

    #[test]
    fn a_copy_of_nacos_sync_is_adopted_whatever_its_health() {
        assert_eq!(Publisher::of(&copy()), Publisher::NacosSync);
        let mut sick = copy();
        sick.healthy = Seen::Known(false);
        sick.ephemeral = Seen::Unknown;
        for stands in [copy(), sick] {
            assert_eq!(may_adopt(&stands, Some(&wanted()), false, PLAIN), Ok(()));
        }
    }

    #[test]
    fn what_bears_no_mark_is_adopted_only_where_that_is_said() {
        let mut plain = native();
        plain.metadata = Metadata::from_pairs([("zone", "a")]);
        assert_eq!(Publisher::of(&native()), Publisher::Unknown);
        let no = may_adopt(&plain, Some(&wanted()), false, PLAIN);
        assert_eq!(no, Err(Obstacle::Native));
        let wish = Wish {
            natives: true,
            ..PLAIN
        };
        assert_eq!(may_adopt(&plain, Some(&wanted()), false, wish), Ok(()));
    }

    #[test]
    fn what_differs_is_adopted_only_where_that_is_said() {
        let mut heavier = copy();
        heavier.weight = Weight::new(5.0).expect("legal");
        let differs = Err(Obstacle::Differs("weight 5 → 1".to_owned()));
        assert_eq!(may_adopt(&heavier, Some(&wanted()), false, PLAIN), differs);
        let wish = Wish {
            differing: true,
            ..PLAIN
        };
        assert_eq!(may_adopt(&heavier, Some(&wanted()), false, wish), Ok(()));
    }

    #[test]
    fn nothing_is_adopted_that_the_link_would_not_write_there() {
        let all = Wish {
            natives: true,
            differing: true,
        };
        assert_eq!(
            may_adopt(&copy(), None, false, all),
            Err(Obstacle::NotWanted)
        );
        let mut elsewhere = wanted();
        elsewhere.key.cluster = "east".into();
        assert_eq!(
            may_adopt(&copy(), Some(&elsewhere), false, all),
            Err(Obstacle::OtherCluster("east".to_owned()))
        );
        assert_eq!(
            may_adopt(&copy(), Some(&wanted()), true, all),
            Err(Obstacle::OtherKind { persistent: false })
        );
        let mut persistent = copy();
        persistent.ephemeral = Seen::Known(false);
        assert_eq!(
            may_adopt(&persistent, Some(&wanted()), false, all),
            Err(Obstacle::OtherKind { persistent: true })
        );
        assert_eq!(may_adopt(&persistent, Some(&wanted()), true, all), Ok(()));
    }
}
