//! The kinds of faults.

use std::fmt;

/// What can go wrong around the core.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Fault {
    /// Lists fail.
    ListFails,
    /// Lists show a part of what there is, and say so.
    ListPartial,
    /// Lists show a part of what there is, and are known to be doubtful.
    ListSuspect,
    /// Lists lack services and claim to be whole.
    ListLoses,
    /// Lists lack a page: some services are short, and the list claims to be whole.
    ListShort,
    /// Lists show how it was before the last changes.
    ListStale,
    /// Reads of a service fail.
    ReadFails,
    /// Reads show a part of a service, and say so.
    ReadPartial,
    /// Reads show a part of a service, since members disagree.
    ReadSuspect,
    /// The registry was restarted: it answers everything, and everything is empty.
    Amnesia,
    /// Nothing is answered, and the watch says so.
    Down,
    /// Answers take long.
    Slow,
    /// Pushes never come.
    PushLost,
    /// Pushes come twice.
    PushTwice,
    /// Pushes come late.
    PushLate,
    /// Pushes show everything as healthy, under the protect threshold.
    PushProtected,
    /// Writes do not land, and that is told.
    WriteRefused,
    /// Writes land, and a failure is told.
    WriteUnheard,
    /// The first half of a write lands, and a failure is told.
    WriteHalved,
    /// Writes take long.
    WriteSlow,
    /// Confirmed copies vanish; the connection that holds them notices later.
    RecordsLost,
    /// The store takes nothing.
    DiskFails,
    /// A crash loses what was not synced.
    DiskForgets,
    /// The process dies and is started again.
    Crash,
    /// The process stands still for a while.
    Freeze,
}

impl Fault {
    /// All kinds, in the order in which they are told.
    pub const ALL: [Self; 25] = [
        Self::ListFails,
        Self::ListPartial,
        Self::ListSuspect,
        Self::ListLoses,
        Self::ListShort,
        Self::ListStale,
        Self::ReadFails,
        Self::ReadPartial,
        Self::ReadSuspect,
        Self::Amnesia,
        Self::Down,
        Self::Slow,
        Self::PushLost,
        Self::PushTwice,
        Self::PushLate,
        Self::PushProtected,
        Self::WriteRefused,
        Self::WriteUnheard,
        Self::WriteHalved,
        Self::WriteSlow,
        Self::RecordsLost,
        Self::DiskFails,
        Self::DiskForgets,
        Self::Crash,
        Self::Freeze,
    ];

    /// Its place in [`ALL`](Self::ALL).
    pub fn place(self) -> usize {
        self as usize
    }

    /// Whether it is of the whole process and not of one registry.
    pub fn is_of_process(self) -> bool {
        matches!(
            self,
            Self::DiskFails | Self::DiskForgets | Self::Crash | Self::Freeze
        )
    }

    /// What it is, in a few words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ListFails => "lists fail",
            Self::ListPartial => "lists are partial",
            Self::ListSuspect => "lists are suspect",
            Self::ListLoses => "lists lack services unsaid",
            Self::ListShort => "lists lack a page unsaid",
            Self::ListStale => "lists are stale",
            Self::ReadFails => "reads fail",
            Self::ReadPartial => "reads are partial",
            Self::ReadSuspect => "reads are suspect",
            Self::Amnesia => "answers are whole and empty",
            Self::Down => "nothing is answered",
            Self::Slow => "answers take long",
            Self::PushLost => "pushes are lost",
            Self::PushTwice => "pushes come twice",
            Self::PushLate => "pushes come late",
            Self::PushProtected => "pushes hide health",
            Self::WriteRefused => "writes are refused",
            Self::WriteUnheard => "writes land unheard",
            Self::WriteHalved => "writes land by half",
            Self::WriteSlow => "writes take long",
            Self::RecordsLost => "confirmed copies vanish",
            Self::DiskFails => "the store takes nothing",
            Self::DiskForgets => "a crash loses what was not synced",
            Self::Crash => "the process is killed",
            Self::Freeze => "the process stands still",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
