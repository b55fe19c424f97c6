//! Suggestions: the known name that someone most likely meant.

/// `did you mean ...?` for a name that is close to one of those known.
pub(crate) fn did_you_mean<'a>(
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    nearest(name, known).map(|nearest| format!("did you mean `{nearest}`?"))
}

/// The known name that is nearest, if it is near enough to be meant.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace(['_', ' '], "-");
    let meant = plain(name);
    // One slip in three letters, as in `shangai` or `namespace`.
    let allowed = (name.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(&meant, &plain(known)), known))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// Names with commas between them.
pub(crate) fn listed(names: &[&str]) -> String {
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let known = ["namespaces", "groups", "services", "grpc_port"];
        assert_eq!(nearest("namespace", known), Some("namespaces"));
        assert_eq!(nearest("grpc-port", known), Some("grpc_port"));
        assert_eq!(nearest("Service", known), Some("services"));
        assert_eq!(nearest("weather", known), None);
        assert_eq!(nearest("x", known), None);
    }
}
