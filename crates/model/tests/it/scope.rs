//! Patterns against a naive reading of what they mean.

use proptest::prelude::*;
use syncline_model::scope::Pattern;

/// A glob matches if its first character can be taken away together with some
/// beginning of the name, and the rests match.
fn naive(glob: &[char], name: &[char]) -> bool {
    match glob.split_first() {
        None => name.is_empty(),
        Some(('*', rest)) => (0..=name.len()).any(|taken| naive(rest, &name[taken..])),
        Some(('?', rest)) => !name.is_empty() && naive(rest, &name[1..]),
        Some((one, rest)) => name.first() == Some(one) && naive(rest, &name[1..]),
    }
}

proptest! {
    #[test]
    fn a_glob_means_what_it_says(glob in "[ab:/.@\\\\(\\[单*?\n]{1,8}", name in "[ab:/.@\\\\(\\[单*?\n]{0,8}") {
        let chars = |text: &str| text.chars().collect::<Vec<char>>();
        let pattern = Pattern::parse(&glob).expect("every glob is legal");
        prop_assert_eq!(pattern.matches(&name), naive(&chars(&glob), &chars(&name)));
    }

    #[test]
    fn a_name_made_from_a_glob_matches_it(glob in "[ab:/.@*?]{1,12}", filling in "[ab:/.@]{0,4}") {
        let name = glob.replace('?', "x").replace('*', &filling);
        prop_assert!(Pattern::parse(&glob).expect("legal").matches(&name));
    }

    #[test]
    fn no_text_makes_a_pattern_panic(text in ".{0,40}", name in ".{0,20}") {
        for text in [text.clone(), format!("re:{text}")] {
            if let Ok(pattern) = Pattern::parse(&text) {
                pattern.matches(&name);
                prop_assert_eq!(pattern.as_str(), text);
            }
        }
    }
}
