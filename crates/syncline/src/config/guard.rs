//! What holds a plan that takes too much away.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use syncline_contract::Period;
use syncline_model::guard::{self, Percent, Settings};

/// The bounds beyond which losses wait. A loss is whatever takes an instance
/// out of use: its removal, its health, its weight, or leaving the scope.
/// Additions are never held, and offset losses of the same service.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Guard {
    /// How often the loss of a whole service, or of a large share of it, has to
    /// be seen before it passes.
    pub zero: Confirmation,
    /// What is a large share of one service.
    pub service_share: ServiceShare,
    /// When all losses of a link freeze until someone approves.
    pub link_share: LinkShare,
    /// The same, counted in services that lose their last instance.
    pub zero_services: ZeroServices,
}

/// How often a loss has to be seen before it passes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Confirmation {
    /// Complete views that agree.
    #[schemars(range(min = 1))]
    pub views: u32,
    /// The least time from the first of them to the last.
    pub over: Period,
}

/// When the loss of a part of a service is large.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceShare {
    /// More than this share of the service, in percent.
    pub above: Share,
    /// Only for services of at least so many instances.
    pub from: u32,
    /// Lost within this time.
    pub within: Period,
}

/// When the loss of a part of a link is large.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LinkShare {
    /// More than this share of the link's instances, in percent.
    pub above: Share,
    /// And at least so many instances.
    pub at_least: u32,
    /// Lost within this time.
    pub within: Period,
}

/// When too many services of a link lose their last instance.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ZeroServices {
    /// More than so many services.
    pub more_than: u32,
    /// Lost within this time.
    pub within: Period,
}

impl Guard {
    /// The bounds in the guard's own terms.
    pub fn settings(&self) -> Settings {
        Settings {
            zero: guard::Confirmation {
                views: self.zero.views,
                over: self.zero.over.get(),
            },
            service_share: guard::ServiceShare {
                above: self.service_share.above.0,
                from: self.service_share.from,
                within: self.service_share.within.get(),
            },
            link_share: guard::LinkShare {
                above: self.link_share.above.0,
                at_least: self.link_share.at_least,
                within: self.link_share.within.get(),
            },
            zero_services: guard::ZeroServices {
                more_than: self.zero_services.more_than,
                within: self.zero_services.within.get(),
            },
        }
    }
}

// Where nothing is said, the guard's own defaults hold.

impl Default for Confirmation {
    fn default() -> Self {
        let guard::Confirmation { views, over } = Settings::default().zero;
        Self {
            views,
            over: over.into(),
        }
    }
}

impl Default for ServiceShare {
    fn default() -> Self {
        let share = Settings::default().service_share;
        Self {
            above: Share(share.above),
            from: share.from,
            within: share.within.into(),
        }
    }
}

impl Default for LinkShare {
    fn default() -> Self {
        let share = Settings::default().link_share;
        Self {
            above: Share(share.above),
            at_least: share.at_least,
            within: share.within.into(),
        }
    }
}

impl Default for ZeroServices {
    fn default() -> Self {
        let services = Settings::default().zero_services;
        Self {
            more_than: services.more_than,
            within: services.within.into(),
        }
    }
}

/// A share from 0 to 100 percent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Share(Percent);

/// What is wrong with a share, as it reads on from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be a whole number of percent from 0 to 100")]
pub struct BadShare;

impl TryFrom<String> for Share {
    type Error = BadShare;

    fn try_from(text: String) -> Result<Self, BadShare> {
        let number = text.strip_suffix('%').unwrap_or(&text).trim_end();
        let percent = number.parse().ok().and_then(Percent::new);
        percent.map(Self).ok_or(BadShare)
    }
}

impl JsonSchema for Share {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Share".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": 0, "maximum": 100 },
                { "type": "string", "pattern": r"^\d{1,3} ?%$" },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_guards_own() {
        assert_eq!(Guard::default().settings(), Settings::default());
    }

    #[test]
    fn shares_are_whole_percents() {
        let share = |text: &str| Share::try_from(text.to_owned()).map(|share| share.0.get());
        assert_eq!(share("15"), Ok(15));
        assert_eq!(share("15 %"), Ok(15));
        for text in ["", "101", "-1", "1.5", "half"] {
            assert_eq!(share(text), Err(BadShare), "{text}");
        }
    }
}
