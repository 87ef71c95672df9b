//! The name that somebody who mistyped one most likely meant.
//!
//! For error messages: "did you mean …?". Knows text only; it does not matter what the names are of.

/// Names longer than this are not compared: nobody mistypes them, and comparing takes time.
const COMPARED_CHARACTERS_MAX: usize = 64;

/// Of the `known` names the one that is nearest to `name`, if one is near enough to have been meant: at most one in
/// three characters is wrong, missing, too many, or swapped with its neighbour. Capitals are as good as small letters.
/// Of several that are equally near the first.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = folded(name)?;
    let distances = known.into_iter().filter_map(|candidate| {
        let compared = folded(candidate)?;
        let allowed = wanted.len().max(compared.len()).div_ceil(3);
        if wanted.len().abs_diff(compared.len()) > allowed {
            return None;
        }
        let distance = distance(&wanted, &compared);
        (distance <= allowed && distance < wanted.len()).then_some((distance, candidate))
    });
    distances.min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}

fn folded(name: &str) -> Option<Vec<char>> {
    let folded: Vec<char> =
        name.chars().flat_map(char::to_lowercase).take(COMPARED_CHARACTERS_MAX + 1).collect();
    (!folded.is_empty() && folded.len() <= COMPARED_CHARACTERS_MAX).then_some(folded)
}

/// How many characters must be changed, added, taken away or swapped with their neighbour (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut two_back: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let changed = previous[j] + usize::from(from != to);
            let mut least = changed.min(previous[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *from == b[j - 1] && a[i - 1] == *to {
                least = least.min(two_back[j - 1] + 1);
            }
            row.push(least);
        }
        two_back = std::mem::replace(&mut previous, row);
    }
    previous.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_name_finds_the_one_that_was_meant() {
        let known = ["vault", "attic", "offsite-2024", "v"];
        for (name, expected) in [
            ("vault", Some("vault")),
            ("VAULT", Some("vault")),
            ("valut", Some("vault")),
            ("vualt2", Some("vault")),
            ("atic", Some("attic")),
            ("offsite-2025", Some("offsite-2024")),
            ("offsite", None),
            ("x", None),
            ("", None),
            ("cellar", None),
        ] {
            assert_eq!(nearest(name, known), expected, "{name}");
        }
    }

    #[test]
    fn the_nearest_of_many_wins_and_of_equals_the_first() {
        assert_eq!(
            nearest("VLT010L8", ["VLT001L8", "VLT010L6", "VLT011L8"]),
            Some("VLT001L8"),
            "a swap is one"
        );
        assert_eq!(nearest("VLT010L8", ["VLT0100L8", "VLT010L8"]), Some("VLT010L8"));
        assert_eq!(nearest("a", std::iter::empty()), None);
        let long = "x".repeat(1 << 20);
        assert_eq!(nearest(&long, [long.as_str()]), None, "not compared");
    }
}
