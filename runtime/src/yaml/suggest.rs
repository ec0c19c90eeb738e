//! "Did you mean".

/// The known name that is most like `name`, if one is like it at all.
#[must_use]
pub fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    known
        .into_iter()
        .map(|candidate| {
            // Options that differ only in `_`, `-` and `.` are the same word to their writer.
            let plain = |text: &str| text.to_lowercase().replace(['_', '-'], ".");
            let likeness = if plain(candidate) == plain(&wanted) {
                1.0
            } else {
                strsim::jaro_winkler(&wanted, &candidate.to_lowercase())
                    .min(strsim::normalized_damerau_levenshtein(&wanted, candidate) + 0.25)
            };
            (candidate, likeness)
        })
        .filter(|(_, likeness)| *likeness >= 0.8)
        .max_by(|(_, one), (_, other)| one.total_cmp(other))
        .map(|(candidate, _)| candidate)
}

/// Help for an unknown name: the closest known one, else all of them.
#[must_use]
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    match closest(name, known.iter().copied()) {
        Some(candidate) => Some(format!("did you mean `{candidate}`?")),
        None if known.is_empty() => None,
        None => Some(format!("known here: {}", listed(known))),
    }
}

/// Names in backquotes with commas between; of very many, the first.
#[must_use]
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN_MAX: usize = 20;
    let names: Vec<&str> = names.into_iter().collect();
    let mut text =
        names.iter().take(SHOWN_MAX).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN_MAX {
        text.push_str(&format!(" and {} more", names.len() - SHOWN_MAX));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_finds_its_neighbour_and_a_strange_one_does_not() {
        let known = ["connector.class", "tasks.max", "topics"];
        assert_eq!(closest("conector.class", known), Some("connector.class"));
        assert_eq!(closest("tasks_max", known), Some("tasks.max"));
        assert_eq!(closest("topic", known), Some("topics"));
        assert_eq!(closest("colour", known), None);
    }
}
