//! "Did you mean …?" for names out of a small known set.

/// The known name that was most likely meant; `None` where none is close.
pub(crate) fn nearest(given: &str, known: &[&'static str]) -> Option<&'static str> {
    let lower = given.to_lowercase();
    known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&lower, name), *name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The hint as the end of an error message; empty where there is none.
pub(crate) fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let known = ["namespace", "group", "weight"];
        assert_eq!(nearest("namepsace", &known), Some("namespace"));
        assert_eq!(nearest("Group", &known), Some("group"));
        assert_eq!(nearest("wieght", &known), Some("weight"));
        assert_eq!(nearest("colour", &known), None);
        assert_eq!(hint(Some("group")), "; did you mean `group`?");
        assert_eq!(hint(None), "");
    }
}
