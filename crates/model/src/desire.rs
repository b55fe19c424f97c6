//! What a link wants at its target: what its source shows, selected, carried,
//! mapped and marked. How far that can be believed stays as it was.

use std::sync::{Arc, LazyLock};

use crate::instance::{Identity, Instance, InstanceKey, Metadata, Seen};
use crate::mapping::{self, Mapping};
use crate::name::ServiceKey;
use crate::ownership::{Carry, Hop, MARK_KEY, Path, Signer, may_carry};
use crate::scope::Scope;
use crate::service::ServiceSet;
use crate::view::View;

/// What a link selects, and how that is named at its target.
#[derive(Clone, Debug)]
pub struct Rules {
    /// What it selects.
    pub scope: Scope,
    /// How that is named at the target.
    pub mapping: Mapping,
    /// What becomes of the health that the source tells.
    pub health: HealthPolicy,
    /// How copies are told from natives; `None` for consumers that hold
    /// nothing else.
    pub marking: Option<Marking>,
}

/// What becomes of the health that the source tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HealthPolicy {
    /// The target is told the same.
    Copy,
    /// The target is told that every instance is healthy.
    Ignore,
}

/// How copies are told from what applications register.
#[derive(Clone, Debug)]
pub struct Marking {
    /// Signs for the install.
    pub signer: Signer,
    /// The registry that the link reads.
    pub from: Hop,
    /// The registry that the link writes.
    pub to: Hop,
    /// Whether copies of what applications registered carry a mark. A registry in
    /// our own process needs none, since the ledger tells what stands there, and
    /// does without its price. A copy of a copy always carries one.
    pub marks: bool,
}

/// What a link wants at its target for one service of its source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Desired {
    /// The wanted instances, in the target's terms.
    pub view: View,
    /// What is left out and should be known.
    pub findings: Vec<Finding>,
}

/// The way of a copy whose mark a registry lost, as the ledger remembers it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Way {
    /// Where it came through.
    pub path: Path,
    /// Whether the copy that came this way was changed since, so that what is
    /// shown may be an old look at it.
    pub may_be_over: bool,
}

/// Something that is left out, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The instance, in the terms of where it was found.
    pub instance: Option<InstanceKey>,
    /// Why it is left out.
    pub why: String,
}

impl Rules {
    /// What the link wants for one service of its source.
    ///
    /// `remembered` tells the way of a copy whose mark the registry lost, where
    /// the ledger knows that one of our links wrote it there.
    pub fn desire(
        &self,
        source: &ServiceKey,
        view: &View,
        remembered: impl Fn(&Instance) -> Option<Way>,
    ) -> Desired {
        let target = self.mapping.map_service(source);
        let mut findings = Vec::new();
        let mut undecided = None;
        let wanted = view.map(|set| {
            if self.takes_as_is(set, &remembered) {
                return Arc::clone(set);
            }
            let mut wanted = Vec::with_capacity(set.len());
            for instance in set.instances() {
                match self.want(source, &target, instance, &remembered) {
                    Ok(Some(instance)) => wanted.push(instance),
                    Ok(None) => {}
                    Err(LeftOut::Finding(finding)) => findings.push(finding),
                    Err(LeftOut::Undecided(why)) => undecided = Some(why),
                }
            }
            Arc::new(ServiceSet::new(wanted))
        });
        let view = match undecided {
            // Whether it belongs to the scope, or is an old look at a copy of ours,
            // is not known, so nothing is known to have left or to be gone.
            Some(why) => wanted.doubted(why),
            None => wanted,
        };
        Desired { view, findings }
    }

    /// Makes what becomes one at the target one.
    pub fn merge(&self, view: View, identity: Identity) -> (View, Vec<Finding>) {
        let mut findings = Vec::new();
        let merged = view.map(|set| {
            let instances = set.instances().to_vec();
            let policy = self.mapping.on_collision();
            let (merged, collisions) = mapping::merge(instances, identity, policy);
            if merged.len() == set.len() && collisions.is_empty() {
                return Arc::clone(set);
            }
            for collision in collisions {
                let kept = collision.kept.key;
                findings.extend(collision.left_out.into_iter().map(|other| Finding {
                    why: format!("it becomes the same instance as {kept}, with other content"),
                    instance: Some(other.key),
                }));
            }
            Arc::new(ServiceSet::new(merged))
        });
        (merged, findings)
    }

    /// What may have been written to the target by this link: for reading the
    /// target itself.
    pub fn scope_at_target(&self) -> Scope {
        if !self.mapping.is_identity() {
            return Scope::everything();
        }
        let mut scope = self.scope.clone();
        // What a condition lets in at the source says nothing of natives.
        scope.condition = None;
        scope
    }

    /// Whether every instance is wanted exactly as it is: then the set itself
    /// is shared, and a replica costs no second copy.
    fn takes_as_is(
        &self,
        set: &ServiceSet,
        remembered: &impl Fn(&Instance) -> Option<Way>,
    ) -> bool {
        let native = |i: &Instance| {
            i.metadata.get(MARK_KEY).is_none()
                && (self.marking.is_none() || remembered(i).is_none())
        };
        self.marking.as_ref().is_none_or(|marking| !marking.marks)
            && self.scope.condition.is_none()
            && self.health == HealthPolicy::Copy
            && self.mapping.is_identity()
            && set.instances().iter().all(native)
    }

    /// An instance as it is wanted at the target, if it is.
    fn want(
        &self,
        source: &ServiceKey,
        target: &ServiceKey,
        instance: &Instance,
        remembered: &impl Fn(&Instance) -> Option<Way>,
    ) -> Result<Option<Instance>, LeftOut> {
        let admitted = self
            .scope
            .admits(source, instance)
            .map_err(|why| LeftOut::Undecided(why.to_string().into()))?;
        if !admitted {
            return Ok(None);
        }
        let path = match &self.marking {
            Some(marking) => {
                let way = marking.way(source, instance, remembered);
                if way.as_ref().is_some_and(|way| way.may_be_over) {
                    return Err(LeftOut::Undecided(Arc::clone(&UNCLEAR)));
                }
                let path = marking.carry(instance, way.map(|way| way.path));
                let Some(path) = path? else { return Ok(None) };
                Some((marking, path))
            }
            None => None,
        };
        let bare = Instance {
            metadata: unmarked(&instance.metadata),
            ..instance.clone()
        };
        let mut mapped = self.mapping.map_instance(source, &bare).map_err(|left| {
            LeftOut::Finding(Finding {
                instance: Some(left.key),
                why: left.reason.to_string(),
            })
        })?;
        if self.health == HealthPolicy::Ignore {
            mapped.healthy = Seen::Known(true);
        }
        let wanted = match path {
            // Where it came from before, nobody but a mark tells.
            Some((marking, path)) if marking.marks || path.hop_count() > 1 => {
                marking.signer.marked(target, &mapped, &path)
            }
            Some(_) | None => mapped,
        };
        Ok(Some(wanted))
    }
}

/// Why a look that may be an old one at a copy of ours adds and takes away nothing:
/// a copy that is made of it would have to go again.
static UNCLEAR: LazyLock<Arc<str>> =
    LazyLock::new(|| "it is not clear yet which copies of ours it shows".into());

enum LeftOut {
    Finding(Finding),
    Undecided(Arc<str>),
}

impl Marking {
    /// Whether an instance is a copy that this install wrote, by its mark.
    pub fn is_ours(&self, service: &ServiceKey, instance: &Instance) -> bool {
        matches!(
            self.signer.read(service, instance),
            crate::ownership::MarkReading::Ours(_)
        )
    }

    /// The way that a copy came, by its mark.
    pub fn path_of(&self, service: &ServiceKey, instance: &Instance) -> Option<Path> {
        self.signer.read(service, instance).path().cloned()
    }

    /// The way of a copy that the ledger says this link wrote: what its mark
    /// tells, or that it came from where the link reads.
    pub fn path_of_written(&self, service: &ServiceKey, written: &Instance) -> Path {
        self.path_of(service, written)
            .unwrap_or_else(|| Path::from_origin(self.from.clone()))
    }

    /// The way that an instance came, if it is a copy.
    fn way(
        &self,
        source: &ServiceKey,
        instance: &Instance,
        remembered: &impl Fn(&Instance) -> Option<Way>,
    ) -> Option<Way> {
        let marked = self.path_of(source, instance).map(|path| Way {
            path,
            may_be_over: false,
        });
        marked.or_else(|| remembered(instance))
    }

    /// The path of the copy, or nothing where a copy would go in a circle.
    fn carry(&self, instance: &Instance, path: Option<Path>) -> Result<Option<Path>, LeftOut> {
        match may_carry(path.as_ref(), &self.from, &self.to) {
            Carry::Yes(path) => Ok(Some(path)),
            Carry::Loop(_) => Ok(None),
            Carry::TooFar => Err(LeftOut::Finding(Finding {
                instance: Some(instance.key.clone()),
                why: "it was copied through too many registries".to_owned(),
            })),
        }
    }
}

/// The metadata without our mark.
pub fn unmarked(metadata: &Metadata) -> Metadata {
    metadata.without(MARK_KEY)
}
