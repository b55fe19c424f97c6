//! Numbers of the protocol (RFC 1035, 2782, 3596, 6891).

/// How long a header is.
pub(crate) const HEADER: usize = 12;

/// What every client takes over UDP without saying so.
pub(crate) const PLAIN_UDP: usize = 512;

/// What we send over UDP at most, whatever a client says: more would be cut
/// into fragments on the way.
pub(crate) const MOST_UDP: u16 = 1232;

/// What a message over TCP holds at most.
pub(crate) const MOST_TCP: usize = 65_535;

/// Types of records.
pub(crate) mod kind {
    pub(crate) const A: u16 = 1;
    pub(crate) const NS: u16 = 2;
    pub(crate) const SOA: u16 = 6;
    pub(crate) const HINFO: u16 = 13;
    pub(crate) const AAAA: u16 = 28;
    pub(crate) const SRV: u16 = 33;
    pub(crate) const OPT: u16 = 41;
    /// Questions with a meaning of their own begin here: transfers, signatures.
    pub(crate) const FIRST_META: u16 = 128;
    pub(crate) const ANY: u16 = 255;
}

/// Classes.
pub(crate) mod class {
    pub(crate) const IN: u16 = 1;
    pub(crate) const ANY: u16 = 255;
}

/// Bits of the two bytes of flags.
pub(crate) mod flag {
    pub(crate) const RESPONSE: u16 = 0x8000;
    pub(crate) const AUTHORITATIVE: u16 = 0x0400;
    pub(crate) const TRUNCATED: u16 = 0x0200;
    pub(crate) const RECURSION_DESIRED: u16 = 0x0100;
    pub(crate) const CHECKING_DISABLED: u16 = 0x0010;
    /// Where the operation stands.
    pub(crate) const OPERATION: u16 = 0x7800;
}

/// How a question was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rcode {
    /// With an answer, or with the certainty that there is none of that type.
    NoError,
    /// Not understood.
    FormErr,
    /// Not answerable now.
    ServFail,
    /// There is no such name, nor any below it.
    NxDomain,
    /// Not a question.
    NotImp,
    /// Not ours to answer, or not for this client.
    Refused,
    /// A version of EDNS that does not exist yet.
    BadVers,
}

impl Rcode {
    /// All twelve bits: the upper eight travel in the OPT record.
    pub(crate) fn bits(self) -> u16 {
        match self {
            Self::NoError => 0,
            Self::FormErr => 1,
            Self::ServFail => 2,
            Self::NxDomain => 3,
            Self::NotImp => 4,
            Self::Refused => 5,
            Self::BadVers => 16,
        }
    }
}
