//! What a guard knows, so that its windows and holds outlive the process.
//!
//! Moments belong to one process, so each record says when it was written, on
//! the clock of that process and on the wall's: whoever reads it can tell how
//! long ago its moments were, and puts them as long ago on its own clock.

use std::time::Duration;

use syncline_model::Moment;
use syncline_model::guard::{Freeze, LostDigest, Pending, Record, Ruling, Sample, Samples};

use super::codec::{Decoder, Encoder, RecordError};

const WINDOW: u8 = 4;
const FREEZE: u8 = 5;

const NOT_RULED: u8 = 0;
const APPROVED: u8 = 1;
const DENIED: u8 = 2;

/// When something was written, on both clocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Written {
    /// In milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// On the clock of the process that wrote it, which its moments are on.
    pub at: Moment,
}

/// What a link's guard knows of one service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WindowRecord {
    /// When it was written.
    pub written: Written,
    /// What it is.
    pub record: Record,
}

/// That all losses of a link wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FreezeRecord {
    /// When it was written.
    pub written: Written,
    /// What it is.
    pub freeze: Freeze,
}

impl Written {
    /// What the clock of the process that wrote this would show now. A wall
    /// clock that went back since tells nothing, and no time is taken to have
    /// gone by: windows then last longer rather than shorter.
    fn then(self, now_ms: u64) -> Moment {
        self.at + Duration::from_millis(now_ms.saturating_sub(self.at_ms))
    }
}

impl WindowRecord {
    /// The record on another process's clock.
    pub fn on_clock(self, now: Moment, now_ms: u64) -> Record {
        self.record.rebased(self.written.then(now_ms), now)
    }

    pub(super) fn encode(&self, key: &[u8]) -> Vec<u8> {
        let mut encoder = Encoder::new(WINDOW);
        self.written.encode(&mut encoder);
        let record = &self.record;
        for samples in [&record.peaks, &record.losses, &record.gains] {
            encoder.number(samples.iter().len() as u64);
            for sample in samples.iter() {
                encode_moment(&mut encoder, sample.at);
                encoder.number(u64::from(sample.count));
            }
        }
        encode_maybe(&mut encoder, record.emptied);
        encoder.byte(u8::from(record.pending.is_some()));
        if let Some(pending) = &record.pending {
            encode_pending(&mut encoder, pending);
        }
        encoder.seal(key)
    }

    pub(super) fn decode(key: &[u8], record: &[u8]) -> Result<Self, RecordError> {
        Self::read(Decoder::open(key, WINDOW, record)?)
    }

    fn read(mut body: Decoder<'_>) -> Result<Self, RecordError> {
        let written = Written::decode(&mut body)?;
        let record = Record {
            peaks: decode_samples(&mut body)?,
            losses: decode_samples(&mut body)?,
            gains: decode_samples(&mut body)?,
            emptied: decode_maybe(&mut body)?,
            pending: match body.byte("pending loss")? {
                0 => None,
                1 => Some(decode_pending(&mut body)?),
                _ => return Err(RecordError::Malformed("pending loss")),
            },
        };
        body.end()?;
        Ok(Self { written, record })
    }
}

impl FreezeRecord {
    /// The freeze on another process's clock.
    pub fn on_clock(self, now: Moment, now_ms: u64) -> Freeze {
        self.freeze.rebased(self.written.then(now_ms), now)
    }

    pub(super) fn encode(&self, key: &[u8]) -> Vec<u8> {
        let mut encoder = Encoder::new(FREEZE);
        self.written.encode(&mut encoder);
        encode_moment(&mut encoder, self.freeze.since);
        encoder.number(self.freeze.of);
        encoder.byte(u8::from(self.freeze.denied));
        encoder.seal(key)
    }

    pub(super) fn decode(key: &[u8], record: &[u8]) -> Result<Self, RecordError> {
        let mut body = Decoder::open(key, FREEZE, record)?;
        let written = Written::decode(&mut body)?;
        let freeze = Freeze {
            since: decode_moment(&mut body)?,
            of: body.number("count")?,
            denied: match body.byte("ruling")? {
                0 => false,
                1 => true,
                _ => return Err(RecordError::Malformed("ruling")),
            },
        };
        body.end()?;
        Ok(Self { written, freeze })
    }
}

impl Written {
    fn encode(self, encoder: &mut Encoder<'_>) {
        encoder.number(self.at_ms);
        encode_moment(encoder, self.at);
    }

    fn decode(body: &mut Decoder<'_>) -> Result<Self, RecordError> {
        Ok(Self {
            at_ms: body.number("time")?,
            at: decode_moment(body)?,
        })
    }
}

fn encode_pending(encoder: &mut Encoder<'_>, pending: &Pending) {
    encode_moment(encoder, pending.since);
    for count in [
        pending.has,
        pending.most,
        pending.given,
        pending.moved,
        pending.net,
        pending.views,
        pending.worst,
    ] {
        encoder.number(u64::from(count));
    }
    encoder.number(pending.lost.get());
    encode_maybe(encoder, pending.first_view);
    encode_maybe(encoder, pending.last_view);
    match pending.ruling {
        None => encoder.byte(NOT_RULED),
        Some(Ruling::Approved(lost)) => {
            encoder.byte(APPROVED);
            encoder.number(lost.get());
        }
        Some(Ruling::Denied) => encoder.byte(DENIED),
    }
}

fn decode_pending(body: &mut Decoder<'_>) -> Result<Pending, RecordError> {
    let since = decode_moment(body)?;
    let [has, most, given, moved, net, views, worst] = decode_counts(body)?;
    let lost = LostDigest::new(body.number("digest")?);
    Ok(Pending {
        since,
        has,
        most,
        given,
        moved,
        lost,
        net,
        views,
        first_view: decode_maybe(body)?,
        last_view: decode_maybe(body)?,
        worst,
        ruling: match body.byte("ruling")? {
            NOT_RULED => None,
            APPROVED => Some(Ruling::Approved(LostDigest::new(body.number("digest")?))),
            DENIED => Some(Ruling::Denied),
            _ => return Err(RecordError::Malformed("ruling")),
        },
    })
}

fn decode_counts<const N: usize>(body: &mut Decoder<'_>) -> Result<[u32; N], RecordError> {
    let mut counts = [0; N];
    for count in &mut counts {
        *count = decode_count(body)?;
    }
    Ok(counts)
}

fn decode_count(body: &mut Decoder<'_>) -> Result<u32, RecordError> {
    u32::try_from(body.number("count")?).map_err(|_| RecordError::Malformed("count"))
}

fn decode_samples(body: &mut Decoder<'_>) -> Result<Samples, RecordError> {
    let samples = body.count(2, "number of samples")?;
    (0..samples)
        .map(|_| {
            Ok(Sample {
                at: decode_moment(body)?,
                count: decode_count(body)?,
            })
        })
        .collect()
}

/// In microseconds, shifted by one so that "never" is told from the origin.
fn encode_maybe(encoder: &mut Encoder<'_>, moment: Option<Moment>) {
    encoder.number(moment.map_or(0, |moment| micros(moment).saturating_add(1)));
}

fn decode_maybe(body: &mut Decoder<'_>) -> Result<Option<Moment>, RecordError> {
    let shifted = body.number("moment")?;
    Ok(shifted.checked_sub(1).map(from_micros))
}

fn encode_moment(encoder: &mut Encoder<'_>, moment: Moment) {
    encoder.number(micros(moment));
}

fn decode_moment(body: &mut Decoder<'_>) -> Result<Moment, RecordError> {
    body.number("moment").map(from_micros)
}

fn micros(moment: Moment) -> u64 {
    u64::try_from(moment.since_origin().as_micros()).unwrap_or(u64::MAX)
}

fn from_micros(micros: u64) -> Moment {
    Moment::after_origin(Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    const KEY: &[u8] = b"link\0public\0G\0orders\0";

    fn moment() -> impl Strategy<Value = Moment> {
        (0..1_000_000_000_u64).prop_map(from_micros)
    }

    fn samples() -> impl Strategy<Value = Samples> {
        let sample = (moment(), any::<u32>()).prop_map(|(at, count)| Sample { at, count });
        vec(sample, 0..5).prop_map(|samples| samples.into_iter().collect())
    }

    prop_compose! {
        fn pending()(
            since in moment(),
            [has, most, given, moved, net, views, worst] in any::<[u32; 7]>(),
            lost in any::<u64>(),
            (first_view, last_view) in (proptest::option::of(moment()), proptest::option::of(moment())),
            ruling in prop_oneof![
                Just(None),
                Just(Some(Ruling::Denied)),
                any::<u64>().prop_map(|lost| Some(Ruling::Approved(LostDigest::new(lost)))),
            ],
        ) -> Pending {
            let lost = LostDigest::new(lost);
            Pending {
                since, has, most, given, moved, lost, net, views, first_view, last_view, worst, ruling,
            }
        }
    }

    prop_compose! {
        fn window()(
            (peaks, losses, gains) in (samples(), samples(), samples()),
            emptied in proptest::option::of(moment()),
            pending in proptest::option::of(pending()),
            at_ms in any::<u64>(),
            at in moment(),
        ) -> WindowRecord {
            WindowRecord {
                written: Written { at_ms, at },
                record: Record { peaks, losses, gains, emptied, pending },
            }
        }
    }

    proptest! {
        #[test]
        fn a_window_comes_back_as_it_was(window in window()) {
            let bytes = window.encode(KEY);
            prop_assert_eq!(WindowRecord::decode(KEY, &bytes), Ok(window));
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in vec(any::<u8>(), 0..200)) {
            prop_assert!(WindowRecord::decode(KEY, &bytes).is_err());
            prop_assert!(FreezeRecord::decode(KEY, &bytes).is_err());
            let read = WindowRecord::read(Decoder::unsealed(&bytes));
            prop_assert!(read.is_err() || bytes.len() >= 7);
        }
    }

    #[test]
    fn moments_are_as_long_ago_on_the_next_clock() {
        let at = |seconds| Moment::after_origin(Duration::from_secs(seconds));
        let freeze = Freeze {
            since: at(990),
            of: 100,
            denied: true,
        };
        let written = Written {
            at_ms: 5_000_000,
            at: at(1000),
        };
        let stored = FreezeRecord { written, freeze };
        let read = FreezeRecord::decode(KEY, &stored.encode(KEY)).expect("was written");
        assert_eq!(read, stored);
        // A minute later, on a clock that shows something else.
        let now = at(70_000);
        assert_eq!(
            now.since(read.on_clock(now, 5_060_000).since),
            Duration::from_secs(70)
        );
        // The wall clock went back: no time is taken to have gone by.
        assert_eq!(
            now.since(read.on_clock(now, 0).since),
            Duration::from_secs(10)
        );
    }
}
