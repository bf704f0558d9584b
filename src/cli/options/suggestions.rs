//! What a mistyped name was probably meant to be.
//!
//! Owns the choice of the nearest name. It never accepts one.

/// The nearest of the known names, if it is near enough to be meant.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.map(|one| (strsim::osa_distance(name, one), one));
    let (distance, nearest) = near.min_by_key(|(distance, _)| *distance)?;
    let letters = name.trim_start_matches('-').len();
    (distance <= (letters / 4).clamp(1, 3)).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_near_and_other_words_are_not() {
        let near = |name| nearest(name, ["--listen", "--force-after", "status"].into_iter());
        assert_eq!(near("--lisen"), Some("--listen"));
        assert_eq!(near("--force-aftre"), Some("--force-after"));
        assert_eq!(near("stauts"), Some("status"));
        assert_eq!(near("--frobnicate"), None);
        assert_eq!(near("x"), None);
    }
}
