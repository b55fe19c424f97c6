//! What happens to the world from outside: applications, operators and faults.

use std::fmt;
use std::time::Duration;

use syncline_model::{Instance, InstanceKey, Moment, ServiceKey};

use crate::fault::Fault;
use crate::setup::Setup;

/// A deed and its moment.
#[derive(Clone, Debug)]
pub struct Timed {
    /// When.
    pub at: Moment,
    /// What.
    pub deed: Deed,
}

/// Something that is done to the world.
#[derive(Clone, Debug)]
pub enum Deed {
    /// An application registers, or registers again with other content.
    Register {
        /// Where.
        registry: usize,
        /// Which service.
        service: ServiceKey,
        /// What.
        instance: Instance,
    },
    /// An application leaves.
    Deregister {
        /// Where.
        registry: usize,
        /// Which service.
        service: ServiceKey,
        /// Who.
        key: InstanceKey,
    },
    /// A registry cannot tell what one address of a service is, for good.
    Poison {
        /// Where.
        registry: usize,
        /// Which service.
        service: ServiceKey,
        /// Who.
        key: InstanceKey,
    },
    /// Something goes wrong for a while.
    Fault {
        /// What.
        fault: Fault,
        /// Where, for what is not of the whole process.
        registry: usize,
        /// For how long.
        lasts: Duration,
    },
    /// Somebody asks for a look at everything.
    Trigger,
    /// An operator decides on the first hold there is.
    Decide {
        /// Whether the losses may go through.
        approve: bool,
    },
    /// An operator stops a link for a while.
    Pause {
        /// Which link.
        link: usize,
        /// For how long.
        lasts: Duration,
    },
}

impl Deed {
    /// Whether it is something that goes wrong, and not what users do.
    pub fn is_fault(&self) -> bool {
        matches!(self, Self::Fault { .. } | Self::Poison { .. })
    }

    /// The deed as a sentence, in the words of a setup.
    pub fn told(&self, setup: &Setup) -> String {
        let name = |registry: &usize| setup.endpoints[*registry].name.clone();
        match self {
            Self::Register {
                registry,
                service,
                instance,
            } => {
                let (registry, service) = (name(registry), &service.name);
                format!("{registry}: {service} registers {}", Content(instance))
            }
            Self::Deregister {
                registry,
                service,
                key,
            } => format!("{}: {} loses {key}", name(registry), service.name),
            Self::Poison {
                registry,
                service,
                key,
            } => {
                let (registry, service) = (name(registry), &service.name);
                format!("{registry}: {service} shows {key} as nonsense from now on")
            }
            Self::Fault { fault, lasts, .. } if fault.is_of_process() => {
                format!("{fault}, for {lasts:?}")
            }
            Self::Fault {
                fault,
                registry,
                lasts,
            } => format!("{}: {fault}, for {lasts:?}", name(registry)),
            Self::Trigger => "somebody asks for a look at everything".to_owned(),
            Self::Decide { approve: true } => "an operator approves a hold".to_owned(),
            Self::Decide { approve: false } => "an operator denies a hold".to_owned(),
            Self::Pause { link, lasts } => {
                format!("{} is paused for {lasts:?}", setup.links[*link].name)
            }
        }
    }
}

/// An instance in a few words.
pub struct Content<'a>(pub &'a Instance);

impl fmt::Display for Content<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Instance {
            key,
            weight,
            healthy,
            enabled,
            metadata,
            ..
        } = self.0;
        write!(f, "{key}")?;
        if weight.get().to_bits() != 1f64.to_bits() {
            write!(f, " weight {weight}")?;
        }
        if !healthy.or(true) {
            f.write_str(" unhealthy")?;
        }
        if !enabled {
            f.write_str(" disabled")?;
        }
        for (key, value) in metadata.iter() {
            write!(f, " {key}={value}")?;
        }
        Ok(())
    }
}
