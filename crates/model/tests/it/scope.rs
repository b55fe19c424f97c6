//! Patterns against a naive reading of what they mean.

use proptest::prelude::*;
use syncline_model::scope::{Condition, Pattern};
use syncline_model::{Instance, Port, ServiceKey};

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

    #[test]
    fn no_text_makes_a_condition_panic(text in condition()) {
        if let Ok(condition) = Condition::parse(&text) {
            let instance = Instance::new("10.0.0.7", Port::new(80).expect("not zero"));
            // Whether there is an answer does not matter here.
            let _answer = condition.holds(&ServiceKey::new("public", "G", "order"), &instance);
            prop_assert_eq!(condition.as_str(), text);
        }
    }
}

/// Texts that are often expressions.
fn condition() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "weight|healthy|metadata|port|cluster|and|or|not|in|is|defined|none|==|!=|<|>|\\||int|lower|\\+|\\*|~",
        "[(){}\\[\\].,'\"0-9a-z]{1,3}",
    ];
    proptest::collection::vec(word, 0..10).prop_map(|words| words.join(" "))
}
