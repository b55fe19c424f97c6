//! After a standstill, as of a machine that slept or a process that was
//! stopped: what was seen before is older than it seems, and whatever waited
//! for a time has not waited for it awake.

use syncline_contract::Purpose;
use syncline_model::{EndpointName, Moment, ServiceKey};

use super::Core;
use super::timers::Timer;

impl Core {
    /// Nothing goes before it was seen again: everything is listed, and what is
    /// on its way out is read. A source that was silent has to be so for as
    /// long again, since nobody listened meanwhile.
    pub(super) fn stood_still(&mut self, now: Moment) {
        for reader in self.readers.values_mut() {
            reader.distrust();
        }
        for link in self.links.values_mut() {
            link.distrust();
        }
        for endpoint in self.readers.keys().cloned().collect::<Vec<_>>() {
            self.listen_anew(now, &endpoint);
            self.want_list(now, &endpoint);
        }
        for (endpoint, service) in self.losing() {
            if let Some(reader) = self.readers.get_mut(&endpoint)
                && reader.want_confirmation(&service, now)
            {
                self.start_read(&endpoint, service, Purpose::ConfirmRemoval);
            }
        }
    }

    /// The silence of a source begins anew.
    fn listen_anew(&mut self, now: Moment, endpoint: &EndpointName) {
        let silent = self.readers.get_mut(endpoint);
        let silent = silent.and_then(|reader| reader.silent_since.take());
        if silent.is_some() {
            for link in self.links.values().filter(|l| l.rules.from == *endpoint) {
                let timer = Timer::SourceLost(link.rules.name.clone());
                self.timers.clear(&timer);
            }
            self.source_silent(now, endpoint);
        }
    }

    /// Source services of which something is on its way out.
    fn losing(&self) -> Vec<(EndpointName, ServiceKey)> {
        let links = self.links.values();
        let losing = links.flat_map(|link| {
            let sources = link.services().flat_map(|(_, state)| &state.from);
            let losing = sources.filter(|source| link.is_losing(source));
            losing.map(|source| (link.rules.from.clone(), source.clone()))
        });
        losing.collect()
    }
}
