//! Reading a question. Whatever arrives here was sent by anybody.

use crate::name;
use crate::wire::{HEADER, Rcode, class, flag, kind};

/// A question that can be answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) head: Head<'a>,
    /// The name that is asked for, in lower case.
    pub(crate) name: Box<[u8]>,
    pub(crate) kind: u16,
    pub(crate) class: u16,
    pub(crate) edns: Option<Edns>,
}

/// What is repeated in the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Head<'a> {
    pub(crate) id: u16,
    pub(crate) flags: u16,
    /// Name, type and class as they were asked, in the case of the client's
    /// choice; empty where they could not be read.
    pub(crate) question: &'a [u8],
}

/// What a client says of itself in an OPT record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Edns {
    /// How much it takes over UDP.
    pub(crate) size: u16,
    pub(crate) version: u8,
    /// Whether it would like signatures.
    pub(crate) dnssec: bool,
}

/// Why a message is no question for us.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Unanswerable<'a> {
    /// Too short to be answered, or an answer itself: two servers would answer
    /// each other for ever.
    Silence,
    /// It is refused with a code.
    With(Head<'a>, Rcode),
}

/// Reads a message.
pub(crate) fn read(message: &[u8]) -> Result<Request<'_>, Unanswerable<'_>> {
    let word = |at: usize| {
        Some(u16::from_be_bytes([
            *message.get(at)?,
            *message.get(at + 1)?,
        ]))
    };
    let header = || Some([word(0)?, word(2)?, word(4)?, word(6)?, word(8)?, word(10)?]);
    let [id, flags, questions, answers, authorities, additionals] =
        header().ok_or(Unanswerable::Silence)?;
    if flags & flag::RESPONSE != 0 {
        return Err(Unanswerable::Silence);
    }
    let mut head = Head {
        id,
        flags,
        question: &[],
    };
    if flags & flag::OPERATION != 0 {
        return Err(Unanswerable::With(head, Rcode::NotImp));
    }
    let malformed = |head| Unanswerable::With(head, Rcode::FormErr);
    if questions != 1 {
        return Err(malformed(head));
    }
    let asked = || {
        let (length, name) = name::read(message.get(HEADER..)?)?;
        let end = HEADER + length;
        Some((end + 4, name, word(end)?, word(end + 2)?))
    };
    let (end, name, kind, class) = asked().ok_or(malformed(head))?;
    head.question = &message[HEADER..end];
    let before = u32::from(answers) + u32::from(authorities);
    let edns = edns(message, end, before, additionals).ok_or(malformed(head))?;
    if edns.is_some_and(|edns| edns.version != 0) {
        return Err(Unanswerable::With(head, Rcode::BadVers));
    }
    Ok(Request {
        head,
        name,
        kind,
        class,
        edns,
    })
}

/// The OPT record among those that follow the question; `None` where they make
/// no sense. What else is there means nothing to us.
fn edns(message: &[u8], from: usize, before: u32, additionals: u16) -> Option<Option<Edns>> {
    let mut at = from;
    let mut found = None;
    for number in 0..before + u32::from(additionals) {
        let fixed = name::skip(message, at)?;
        let bytes: &[u8; 10] = message.get(fixed..fixed + 10)?.try_into().ok()?;
        let word = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        if word(0) == kind::OPT {
            // It belongs at the root, once, behind all that is no addition.
            let right = message[at] == 0 && number >= before && found.is_none();
            found = Some(Edns {
                size: right.then_some(word(2))?,
                version: bytes[5],
                dnssec: bytes[6] & 0x80 != 0,
            });
        }
        at = fixed + 10 + usize::from(word(8));
    }
    (at <= message.len()).then_some(found)
}

impl Request<'_> {
    /// Whether the question is of the class of the internet.
    pub(crate) fn is_of_internet(&self) -> bool {
        matches!(self.class, class::IN | class::ANY)
    }

    /// Whether something else is asked for than records: transfers and the like.
    pub(crate) fn is_meta(&self) -> bool {
        self.kind == kind::OPT || (self.kind >= kind::FIRST_META && self.kind < kind::ANY)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A question as a client asks it, with an OPT record where it names a size.
    pub(crate) fn question(name: &str, kind: u16, size: Option<u16>) -> Vec<u8> {
        let additionals = u8::from(size.is_some());
        let mut message = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, additionals];
        for label in name.split('.').filter(|label| !label.is_empty()) {
            message.push(label.len() as u8);
            message.extend(label.as_bytes());
        }
        message.push(0);
        message.extend(kind.to_be_bytes());
        message.extend([0, 1]);
        if let Some(size) = size {
            message.extend([0, 0, 41]);
            message.extend(size.to_be_bytes());
            message.extend([0, 0, 0x80, 0, 0, 0]);
        }
        message
    }

    fn refused_with(message: &[u8]) -> Option<Rcode> {
        match read(message) {
            Err(Unanswerable::With(_, rcode)) => Some(rcode),
            _ => None,
        }
    }

    #[test]
    fn a_question_is_read_and_kept_as_it_was() {
        let message = question("Order.Nacos.Internal", kind::SRV, Some(4096));
        let request = read(&message).expect("a question");
        assert_eq!(&*request.name, b"\x05order\x05nacos\x08internal");
        assert_eq!((request.kind, request.class), (kind::SRV, class::IN));
        assert_eq!(request.head.question, &message[12..message.len() - 11]);
        let edns = Edns {
            size: 4096,
            version: 0,
            dnssec: true,
        };
        assert_eq!(request.edns, Some(edns));
    }

    #[test]
    fn what_is_no_question_is_told_so_or_passed_over() {
        let right = question("a.b", kind::A, Some(1232));
        let with = |at: usize, byte: u8| {
            let mut message = right.clone();
            message[at] = byte;
            message
        };
        assert_eq!(read(&right[..11]), Err(Unanswerable::Silence));
        assert_eq!(read(&with(2, 0x81)), Err(Unanswerable::Silence));
        assert_eq!(refused_with(&with(2, 0x28)), Some(Rcode::NotImp));
        assert_eq!(refused_with(&with(5, 2)), Some(Rcode::FormErr));
        assert_eq!(refused_with(&with(12, 0xc0)), Some(Rcode::FormErr));
        assert_eq!(refused_with(&with(11, 2)), Some(Rcode::FormErr));
        let version = right.len() - 5;
        assert_eq!(refused_with(&with(version, 1)), Some(Rcode::BadVers));
        let owner = right.len() - 11;
        assert_eq!(refused_with(&with(owner, 1)), Some(Rcode::FormErr));
        assert_eq!(
            refused_with(&right[..right.len() - 1]),
            Some(Rcode::FormErr)
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn anything_is_read_without_a_panic(message in prop::collection::vec(any::<u8>(), 0..600)) {
            drop(read(&message));
        }

        #[test]
        fn anything_like_a_question_is_read_without_a_panic(
            name in "[a-z.]{0,40}",
            size in prop::option::of(any::<u16>()),
            cut in 0..80_usize,
            changed in prop::collection::vec((0..80_usize, any::<u8>()), 0..6),
        ) {
            let mut message = question(&name.replace("..", "."), kind::A, size);
            for (at, byte) in changed {
                if let Some(place) = message.get_mut(at) {
                    *place = byte;
                }
            }
            message.truncate(message.len().saturating_sub(cut % 20));
            if let Ok(request) = read(&message) {
                prop_assert!(request.head.question.len() == request.name.len() + 5);
            }
        }
    }
}
