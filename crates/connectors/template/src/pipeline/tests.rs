//! The steps among crashes: a world that dies between any two of them.

use std::collections::BTreeSet;

use super::*;

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// A disk and a consumer.
#[derive(Clone, Default)]
struct World {
    disk: Disk,
    staged: Option<Digest>,
    /// What the consumer runs with.
    runs: Option<Digest>,
    /// What the check refuses.
    unsound: BTreeSet<String>,
    /// What the consumer refuses though the check does not.
    refused: BTreeSet<String>,
    /// Whether the consumer runs with what it refused all the same.
    half: bool,
    reloads: usize,
}

impl World {
    fn is(set: &BTreeSet<String>, content: Option<Digest>) -> bool {
        set.iter().any(|text| Some(digest(text)) == content)
    }

    /// Takes a step; whether it went well.
    fn take(&mut self, step: Step, commands: Commands, rendered: Digest) -> bool {
        match step {
            Step::Stage => self.staged = Some(rendered),
            Step::Check => {
                let checked = match commands.check {
                    Some(Check::Staged) => self.staged,
                    _ => self.disk.file,
                };
                return !Self::is(&self.unsound, checked);
            }
            Step::KeepFormer => self.disk.good = self.disk.file,
            Step::Note(known) => self.disk.known = known,
            Step::Swap => self.disk.file = self.staged.take(),
            Step::Reload => {
                self.reloads += 1;
                let refuses = Self::is(&self.refused, self.disk.file);
                if !refuses || self.half {
                    self.runs = self.disk.file;
                }
                return !refuses;
            }
            Step::KeepApplied => self.disk.good = Some(rendered),
            Step::Restore => self.disk.file = self.disk.good,
        }
        true
    }

    /// One attempt that dies after so many steps; whether it came to its end.
    fn attempt(&mut self, text: &str, commands: Commands, dies_after: usize) -> bool {
        let rendered = digest(text);
        self.staged = None;
        let mut attempt = Attempt::new(rendered, commands, self.disk);
        for taken in 0.. {
            assert!(taken < 20, "it goes on and on: {attempt:?}");
            let Some(step) = attempt.next() else {
                assert_eq!(
                    attempt.is_applied(),
                    self.disk.known.applied == Some(rendered) && self.disk.file == Some(rendered)
                );
                return true;
            };
            if taken == dies_after {
                return false;
            }
            let went_well = self.take(step, commands, rendered);
            attempt.took(step, went_well, self.disk);
            self.look(commands);
        }
        false
    }

    /// What must be true at every instant.
    fn look(&self, commands: Commands) {
        if commands.check == Some(Check::Staged) {
            assert!(
                !Self::is(&self.unsound, self.disk.file),
                "unchecked in place"
            );
        }
        if commands.check.is_some() {
            assert!(!Self::is(&self.unsound, self.runs), "unchecked in use");
        }
        if let Some(applied) = self.disk.known.applied.filter(|_| commands.reload) {
            assert_eq!(self.runs, Some(applied), "told as applied, and is not");
        }
    }
}

const ALL: [Commands; 6] = [
    commands(None, false),
    commands(None, true),
    commands(Some(Check::Staged), false),
    commands(Some(Check::Staged), true),
    commands(Some(Check::InPlace), false),
    commands(Some(Check::InPlace), true),
];

const fn commands(check: Option<Check>, reload: bool) -> Commands {
    Commands { check, reload }
}

fn former(text: Option<&str>) -> World {
    World {
        disk: Disk {
            file: text.map(digest),
            ..Disk::default()
        },
        runs: text.map(digest),
        unsound: BTreeSet::from(["unsound".to_owned()]),
        refused: BTreeSet::from(["refused".to_owned()]),
        ..World::default()
    }
}

/// Every pair of contents, with a death after any step of the first attempt and
/// of the second: the third makes all well.
#[test]
fn a_crash_between_any_two_steps_is_made_good() {
    let texts = ["one", "two", "refused", "unsound"];
    let mut tried = 0;
    for commands in ALL {
        for half in [false, true] {
            for before in [None, Some("former")] {
                for first in texts {
                    for second in texts {
                        for dies in 0..12 {
                            for dies_again in 0..12 {
                                let mut world = World {
                                    half,
                                    ..former(before)
                                };
                                world.attempt(first, commands, dies);
                                world.attempt(second, commands, dies_again);
                                assert!(world.attempt("last", commands, 99));
                                let last = Some(digest("last"));
                                let all = Known {
                                    rendered: last,
                                    written: last,
                                    applied: last,
                                };
                                assert_eq!(world.disk.file, last);
                                assert_eq!(world.disk.known, all);
                                assert_eq!(world.disk.good, last);
                                if commands.reload {
                                    assert_eq!(world.runs, last);
                                }
                                tried += 1;
                            }
                        }
                    }
                }
            }
        }
    }
    assert_eq!(tried, 6 * 2 * 2 * 4 * 4 * 12 * 12);
}

#[test]
fn what_is_applied_is_left_alone() {
    for commands in ALL {
        let mut world = former(None);
        assert!(world.attempt("one", commands, 99));
        let (disk, reloads) = (world.disk, world.reloads);
        assert!(world.attempt("one", commands, 99));
        assert_eq!((world.disk, world.reloads), (disk, reloads));
    }
}

#[test]
fn a_refused_check_touches_nothing() {
    let commands = commands(Some(Check::Staged), true);
    let mut world = former(None);
    world.attempt("one", commands, 99);
    let (disk, reloads) = (world.disk, world.reloads);
    world.attempt("unsound", commands, 99);
    assert_eq!((world.disk, world.reloads), (disk, reloads));
}

#[test]
fn a_refused_reload_is_undone_and_the_former_version_told_once_more() {
    for half in [false, true] {
        let commands = commands(Some(Check::Staged), true);
        let mut world = World {
            half,
            ..former(Some("former"))
        };
        world.attempt("one", commands, 99);
        world.attempt("refused", commands, 99);
        let one = Some(digest("one"));
        assert_eq!((world.disk.file, world.runs), (one, one));
        assert_eq!(world.disk.known.applied, one);
        assert_eq!(world.reloads, 3);
    }
}

#[test]
fn a_file_that_was_there_before_us_comes_back() {
    let commands = commands(None, true);
    let mut world = former(Some("former"));
    world.attempt("refused", commands, 99);
    assert_eq!(world.disk.file, Some(digest("former")));
    let mut world = former(None);
    world.attempt("refused", commands, 99);
    assert_eq!(world.disk.file, None);
}

/// The bytes are right and the reload failed: it is not forgotten.
#[test]
fn a_missed_reload_is_made_up_for() {
    let commands = commands(None, true);
    let mut world = former(None);
    world.attempt("one", commands, 99);
    world.refused.insert("two".to_owned());
    world.attempt("two", commands, 99);
    world.refused.clear();
    world.attempt("two", commands, 99);
    assert_eq!(world.runs, Some(digest("two")));
    assert_eq!(world.disk.known.applied, Some(digest("two")));
}
