//! When a paged list is whole. Pure: pages in, verdicts out.
//!
//! Nacos pages lists that it orders anew for every request, by hash, so a list
//! that changes while it is read shifts: entries come twice or not at all. The
//! counts that come along mean different things by version, or are absent. So
//! these rules go by content, and whoever cannot prove that it saw everything
//! says so.

use std::collections::HashSet;

use crate::version::FirstPage;

/// Pages after which a list is given up: a server that invents entries for ever
/// must not be followed for ever.
const MAX_PAGES: u32 = 100_000;

/// What to do after a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// Ask for the next page.
    Page,
    /// That was the last one. `at_once`: it was the first one as well, so the
    /// list is what the server saw in one moment.
    End { at_once: bool },
    /// There is no end to it.
    Endless,
}

/// Walks through the pages of a list that comes without a total, as
/// `catalog/services?withInstances=true` does.
///
/// Up to 2.5 every page holds everything where all fits on one page, and what
/// comes first is page 0 on 1.x and page 1 from 2.0 on, where page 0 is the
/// same as page 1.
#[derive(Debug)]
pub(crate) struct Walk {
    page_size: usize,
    first: FirstPage,
    page: u32,
    pages: u32,
}

impl Walk {
    pub(crate) fn new(page_size: usize, first: FirstPage) -> Self {
        let page = match first {
            FirstPage::One => 1,
            FirstPage::Zero | FirstPage::Unknown => 0,
        };
        Self {
            page_size,
            first,
            page,
            pages: 0,
        }
    }

    /// The page to ask for.
    pub(crate) fn page(&self) -> u32 {
        self.page
    }

    /// Takes notice of a page of so many entries, so many of them not on any
    /// page before it.
    pub(crate) fn received(&mut self, entries: usize, new: usize) -> Next {
        self.pages += 1;
        self.page += 1;
        let first_page = self.pages == 1;
        if entries < self.page_size {
            return Next::End {
                at_once: first_page,
            };
        }
        // Where page 0 and page 1 may be the same page, page 1 ends nothing.
        let repeats_by_right = self.first == FirstPage::Unknown && self.pages == 2;
        if new == 0 && !repeats_by_right && !first_page {
            return Next::End { at_once: false };
        }
        if self.pages == MAX_PAGES {
            return Next::Endless;
        }
        Next::Page
    }
}

/// One reading of a paged list of names that comes with a count.
///
/// The count is the total, or the length of the page (gRPC and official 2.0.0
/// to 2.0.3), so it ends a reading only on a page that is not full.
#[derive(Debug)]
pub(crate) struct Round<T> {
    entries: Vec<T>,
    seen: HashSet<String>,
    pages: u32,
    twice: bool,
    total: Option<u64>,
    varied: bool,
}

impl<T> Default for Round<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            seen: HashSet::new(),
            pages: 0,
            twice: false,
            total: None,
            varied: false,
        }
    }
}

impl<T> Round<T> {
    /// Takes in a page, each entry with its name, and the page's count.
    pub(crate) fn received(
        &mut self,
        page: Vec<(String, T)>,
        count: u64,
        page_size: usize,
    ) -> Next {
        self.pages += 1;
        let length = page.len();
        let mut new = 0;
        for (name, entry) in page {
            if self.seen.insert(name) {
                self.entries.push(entry);
                new += 1;
            } else {
                self.twice = true;
            }
        }
        // An empty page past the end has a count of 0 on some versions.
        if length > 0 {
            self.varied |= self.total.is_some_and(|total| total != count);
            self.total = Some(count);
        }
        let all = self.entries.len() as u64 >= count;
        if new == 0 || (length < page_size && all) {
            return Next::End {
                at_once: self.pages == 1,
            };
        }
        if self.pages == MAX_PAGES {
            return Next::Endless;
        }
        Next::Page
    }

    /// Takes notice that the page asked for last is past the end (an error on
    /// 1.1 to 1.3).
    pub(crate) fn past_end(&mut self) {
        self.pages += 1;
    }

    /// Whether the reading shows the list as it was at one moment, as far as
    /// the pages themselves can tell.
    pub(crate) fn is_whole(&self) -> bool {
        let counted = self.total.unwrap_or(0) == self.entries.len() as u64;
        self.pages <= 1 || (counted && !self.twice && !self.varied)
    }

    /// Whether two readings saw the same names.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        self.seen == other.seen
    }

    /// The page to ask for next; these lists count from 1 in every version.
    pub(crate) fn page(&self) -> u32 {
        self.pages + 1
    }

    /// The entries, each once, in the order in which they came.
    pub(crate) fn into_entries(self) -> Vec<T> {
        self.entries
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A server with so many services that pages as that version does; `page`
    /// as asked for.
    fn serve(total: usize, size: usize, page: u32, first: FirstPage, fills: bool) -> Vec<usize> {
        if fills && total < size || (first == FirstPage::Zero && size >= total) {
            return (0..total).collect();
        }
        let index = match first {
            FirstPage::Zero => page as usize,
            _ => (page as usize).saturating_sub(1),
        };
        (0..total).skip(index * size).take(size).collect()
    }

    /// Reads all of it, knowing `known` of where pages begin.
    fn read(
        total: usize,
        size: usize,
        real: FirstPage,
        known: FirstPage,
        fills: bool,
    ) -> (usize, u32, bool) {
        let mut walk = Walk::new(size, known);
        let mut seen = HashSet::new();
        let mut calls = 0;
        loop {
            let page = serve(total, size, walk.page(), real, fills);
            calls += 1;
            let new = page.iter().filter(|n| seen.insert(**n)).count();
            match walk.received(page.len(), new) {
                Next::Page => assert!(calls < 1000, "no end"),
                Next::End { at_once } => return (seen.len(), calls, at_once),
                Next::Endless => panic!("endless"),
            }
        }
    }

    #[test]
    fn what_fits_on_one_page_is_read_by_one_call() {
        for first in [FirstPage::Zero, FirstPage::One] {
            for known in [first, FirstPage::Unknown] {
                assert_eq!(read(7, 10, first, known, true), (7, 1, true));
                assert_eq!(read(0, 10, first, known, true), (0, 1, true));
            }
        }
    }

    #[test]
    fn a_page_that_is_just_full_is_followed_by_one_that_ends_it() {
        // 1.x shows everything again on each page, 2.x shows nothing.
        assert_eq!(
            read(10, 10, FirstPage::Zero, FirstPage::Zero, true),
            (10, 2, false)
        );
        assert_eq!(
            read(10, 10, FirstPage::One, FirstPage::One, true),
            (10, 2, false)
        );
    }

    proptest! {
        #[test]
        fn every_service_is_read_whatever_the_version(
            total in 0usize..200,
            size in 1usize..40,
            zero in any::<bool>(),
            knows in any::<bool>(),
            fills in any::<bool>(),
        ) {
            let real = if zero { FirstPage::Zero } else { FirstPage::One };
            let known = if knows { real } else { FirstPage::Unknown };
            let (seen, calls, _) = read(total, size, real, known, fills);
            prop_assert_eq!(seen, total);
            prop_assert!(calls as usize <= total / size + 3);
        }
    }

    fn names(range: std::ops::Range<usize>) -> Vec<(String, usize)> {
        range.map(|n| (n.to_string(), n)).collect()
    }

    #[test]
    fn a_total_ends_the_reading_and_proves_it_whole() {
        let mut round = Round::default();
        assert_eq!(round.received(names(0..10), 25, 10), Next::Page);
        assert_eq!(round.received(names(10..20), 25, 10), Next::Page);
        assert_eq!(
            round.received(names(20..25), 25, 10),
            Next::End { at_once: false }
        );
        assert!(round.is_whole());
        assert_eq!(round.into_entries(), (0..25).collect::<Vec<_>>());
    }

    #[test]
    fn a_count_that_is_only_the_pages_length_proves_nothing() {
        let mut round = Round::default();
        assert_eq!(round.received(names(0..10), 10, 10), Next::Page);
        assert_eq!(
            round.received(names(10..15), 5, 10),
            Next::End { at_once: false }
        );
        assert!(!round.is_whole());
        let mut again = Round::default();
        again.received(names(0..10), 10, 10);
        again.received(names(10..15), 5, 10);
        assert!(again.same_as(&round));
    }

    #[test]
    fn a_page_that_the_server_cut_is_not_taken_for_the_last() {
        // Asked for 1,000, got 500 of 700: v2 caps pages at 500.
        let mut round = Round::default();
        assert_eq!(round.received(names(0..500), 700, 1000), Next::Page);
    }

    #[test]
    fn shifts_are_noticed() {
        let mut twice = Round::default();
        twice.received(names(0..10), 20, 10);
        twice.received(names(9..19), 20, 10);
        twice.received(Vec::new(), 0, 10);
        assert!(!twice.is_whole());

        let mut fewer = Round::default();
        fewer.received(names(0..10), 20, 10);
        fewer.received(names(11..20), 19, 10);
        assert!(!fewer.is_whole());
    }

    #[test]
    fn an_error_past_the_end_ends_a_reading_of_1_x() {
        let mut round = Round::default();
        assert_eq!(round.received(names(0..10), 10, 10), Next::Page);
        round.past_end();
        assert!(round.is_whole());
    }
}
