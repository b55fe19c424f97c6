//! The faults of the catalogue: what each is called, and what happens in it.

use std::pin::Pin;

use syncline_testkit::fault::{Direction, Fault as Network, Reply};

use crate::scene::Stage;
use crate::trial::Trial;
use crate::{cluster, disk, fleet, own, source, target};

/// A fault that can be injected here.
#[derive(Clone, Copy)]
pub(crate) struct Fault {
    /// How it is called on the command line.
    pub(crate) name: &'static str,
    /// Its number in the catalogue.
    pub(crate) number: &'static str,
    /// What happens.
    pub(crate) what: &'static str,
    /// Which servers it takes.
    pub(crate) stage: Stage,
    /// Whether it is part of the short selection.
    pub(crate) quick: bool,
    pub(crate) story: Story,
}

/// What happens in a trial, from injection to healing.
pub(crate) type Story =
    for<'a> fn(&'a mut Trial) -> Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send + 'a>>;

/// A fault of the pair of servers, which is not part of the short selection.
const fn fault(
    name: &'static str,
    number: &'static str,
    what: &'static str,
    story: Story,
) -> Fault {
    Fault {
        name,
        number,
        what,
        stage: Stage::Pair,
        quick: false,
        story,
    }
}

impl Fault {
    /// It is part of the short selection.
    const fn quick(self) -> Self {
        Self {
            quick: true,
            ..self
        }
    }

    /// It takes other servers.
    const fn at(self, stage: Stage) -> Self {
        Self { stage, ..self }
    }
}

/// All of them, in the order in which they run.
pub(crate) const FAULTS: &[Fault] = &[
    fault(
        "source-500",
        "F1",
        "the source answers 500 to everything, and takes no stream",
        |trial| Box::pin(source::answers(trial, Reply::status(500))),
    ),
    fault(
        "source-reset",
        "F1",
        "every connection to the source is reset",
        |trial| Box::pin(source::network(trial, Network::Reset)),
    ),
    fault(
        "start-without-source",
        "F2",
        "killed, and started while the source is away for 75 s",
        |trial| Box::pin(own::starts_without_source(trial)),
    ),
    fault(
        "start-with-nothing",
        "F3",
        "the same for 25 s, and the store is lost",
        |trial| Box::pin(own::starts_with_nothing(trial)),
    ),
    fault(
        "source-empty",
        "F4",
        "the source answers 200 and that there is nothing",
        |trial| Box::pin(source::empty(trial)),
    ),
    fault(
        "source-killed",
        "F4",
        "the source is killed and starts empty; applications come 30 s later",
        |trial| Box::pin(source::killed(trial)),
    ),
    fault(
        "source-frozen",
        "F9",
        "the source is stopped (SIGSTOP) and goes on",
        |trial| Box::pin(source::frozen(trial)),
    ),
    fault(
        "source-page-2",
        "F6",
        "the second page of every list fails",
        |trial| Box::pin(source::second_page(trial)),
    ),
    fault(
        "source-half-answers",
        "F7",
        "every answer of the source ends in the middle, as if that were all",
        |trial| Box::pin(source::answers(trial, Reply::Half)),
    )
    .quick(),
    fault(
        "source-broken-answers",
        "F7",
        "every answer of the source is reset in the middle of its body",
        |trial| Box::pin(source::answers(trial, Reply::Broken)),
    ),
    fault(
        "source-wrong-length",
        "F7",
        "every answer is shorter than its Content-Length",
        |trial| Box::pin(source::wrong_length(trial)),
    ),
    fault(
        "source-login-page",
        "F7",
        "every answer is 200 and a login page",
        |trial| Box::pin(source::answers(trial, Reply::login_page())),
    ),
    fault(
        "source-cut",
        "F7",
        "every connection is reset after 1,000 bytes",
        |trial| Box::pin(source::network(trial, Network::Cut(1_000))),
    ),
    fault("source-403", "F8", "every answer is 403", |trial| {
        Box::pin(source::answers(trial, Reply::status(403)))
    }),
    fault(
        "source-black-hole",
        "F9",
        "the network to the source swallows everything, both ways",
        |trial| Box::pin(source::network(trial, Network::BlackHole)),
    )
    .quick(),
    fault(
        "source-stall",
        "F9",
        "the network to the source swallows the answers only",
        |trial| Box::pin(source::network(trial, Network::Stall(Direction::ToClient))),
    ),
    fault(
        "source-stream",
        "F9",
        "the network swallows the gRPC stream only; lists go on",
        |trial| Box::pin(source::stream(trial)),
    ),
    fault(
        "source-drip",
        "F10",
        "the source answers one byte a second",
        |trial| Box::pin(source::drip(trial)),
    ),
    fault(
        "source-slow",
        "F10",
        "300 ms each way; nothing fails",
        |trial| Box::pin(source::slow(trial)),
    ),
    fault(
        "source-storm",
        "F12",
        "one service changes as often as the source takes it, for 20 s",
        |trial| Box::pin(source::storm(trial)),
    ),
    fault(
        "source-poison",
        "F33",
        "instances that make no sense, beside one that does",
        |trial| Box::pin(source::poison(trial)),
    ),
    fault(
        "target-503",
        "F16",
        "the target answers 503 to everything",
        |trial| Box::pin(target::refuses(trial, Reply::status(503))),
    ),
    fault(
        "target-429",
        "F16",
        "the target answers 429 with Retry-After: 5",
        |trial| {
            Box::pin(target::refuses(
                trial,
                Reply::new(429, &[("Retry-After", "5")], "slow down"),
            ))
        },
    ),
    fault(
        "target-reset",
        "F16",
        "every connection to the target is reset",
        |trial| Box::pin(target::network(trial, Network::Reset)),
    ),
    fault(
        "target-black-hole",
        "F16",
        "the network to the target swallows everything",
        |trial| Box::pin(target::network(trial, Network::BlackHole)),
    )
    .quick(),
    fault(
        "target-frozen",
        "F16",
        "the target is stopped (SIGSTOP) and goes on",
        |trial| Box::pin(target::frozen(trial)),
    ),
    fault(
        "target-slow",
        "F17",
        "every call to the target takes a second",
        |trial| Box::pin(target::slow(trial)),
    ),
    fault(
        "target-reply-lost",
        "F18",
        "the target does what it is asked, and answers are lost",
        |trial| Box::pin(target::reply_lost(trial)),
    ),
    fault(
        "target-half",
        "F19",
        "the target refuses half of the instances of every service",
        |trial| Box::pin(target::half(trial)),
    ),
    fault(
        "target-loses",
        "F20",
        "somebody else deletes one copy in ten at the target",
        |trial| Box::pin(target::loses_records(trial)),
    ),
    fault(
        "target-killed",
        "F20",
        "the target is killed and starts again empty",
        |trial| Box::pin(target::killed(trial)),
    ),
    fault(
        "target-native",
        "F21",
        "an application registers at the target what is copied there",
        |trial| Box::pin(target::native(trial)),
    ),
    fault(
        "killed",
        "F23",
        "Syncline is killed (`kill -9`) and started, five times in a row",
        |trial| Box::pin(own::killed(trial)),
    )
    .quick(),
    fault(
        "suspended",
        "F27",
        "Syncline is stopped (SIGSTOP) for 30 s and goes on",
        |trial| Box::pin(own::suspended(trial)),
    ),
    fault(
        "second-daemon",
        "F31",
        "a second daemon is started with the same state folder",
        |trial| Box::pin(own::second(trial)),
    ),
    fault(
        "descriptors",
        "F39",
        "no more files may be opened, and connections to the source end",
        |trial| Box::pin(own::descriptors(trial)),
    ),
    fault(
        "narrowed",
        "F36",
        "a mistyped scope is loaded (SIGHUP), and mended 45 s later",
        |trial| Box::pin(own::narrowed(trial)),
    ),
    fault(
        "one-goes",
        "F38",
        "one service is truly given up",
        |trial| Box::pin(fleet::one_goes(trial)),
    ),
    fault(
        "many-go",
        "F38",
        "three services in ten are truly given up; approved 45 s later",
        |trial| Box::pin(fleet::many_go(trial)),
    ),
    fault(
        "full-disk",
        "F25",
        "the disk of the state folder is full",
        |trial| Box::pin(disk::state(trial)),
    ),
    fault(
        "full-output",
        "F25",
        "the disk of the file is full",
        |trial| Box::pin(disk::output(trial)),
    ),
    fault(
        "deploy",
        "F37",
        "a rolling deploy: four services in ten get new instances",
        |trial| Box::pin(fleet::deploy(trial)),
    ),
    fault(
        "source-cluster-rolls",
        "F5",
        "the members of the source restart, one after the other",
        |trial| Box::pin(cluster::source_rolls(trial)),
    )
    .at(Stage::FromCluster),
    fault(
        "source-member-killed",
        "F5",
        "the member that is listened to is killed, and back after 30 s",
        |trial| Box::pin(cluster::source_member_dies(trial)),
    )
    .at(Stage::FromCluster),
    fault(
        "source-member-frozen",
        "F5",
        "the member that is listened to hangs (SIGSTOP) for 30 s",
        |trial| Box::pin(cluster::source_member_freezes(trial)),
    )
    .at(Stage::FromCluster),
    fault(
        "target-cluster-rolls",
        "F5",
        "the members of the target restart; each copy is held at two",
        |trial| Box::pin(cluster::target_rolls(trial)),
    )
    .at(Stage::ToCluster),
];

/// Faults of the catalogue that are not injected here: their numbers, what they are, and why, with what tries them
/// instead. What concerns other registries and outputs that do not exist yet is left out.
pub(crate) const ELSEWHERE: &[[&str; 3]] = &[
    [
        "F11",
        "1.x UDP pushes are lost",
        "a TCP proxy does not see them",
    ],
    [
        "F13",
        "an event arrives while its service is in work",
        "no proxy knows when that is: the simulator (`DropsEvents`)",
    ],
    [
        "F14",
        "events twice, or in the wrong order",
        "Nacos's pushes are whole lists over one stream: the simulator (`OldReadWins`)",
    ],
    [
        "F21",
        "an operator changes our copy",
        "it stands, by design, so nothing becomes equal: `syncline --test it verify`",
    ],
    [
        "F22",
        "the target loses metadata",
        "the proxy does not rewrite what it passes: the simulator (`MarksOnly`)",
    ],
    [
        "F24",
        "the power fails: torn pages, lost writes",
        "takes a disk that forgets: `syncline-engine --test it store_open`",
    ],
    [
        "F26",
        "a disk fails once (EIO)",
        "takes a disk that fails: `syncline-engine --test it store_writer`",
    ],
    [
        "F27",
        "the wall clock jumps a day",
        "takes a clock of its own; not tried",
    ],
    ["F28 to F30", "leases", "there are none yet"],
    [
        "F32",
        "rings, with marks stripped",
        "no fault of a network: `syncline --test it loops`, the simulator",
    ],
];
