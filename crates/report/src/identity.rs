//! How a strategy is recognised in every chart: colour says its family, shape and dash say which one it is.
//!
//! Ten hues cannot be told apart, four and a neutral can; the pairs were chosen to differ under the three common
//! deficiencies of colour vision, on white and on the dark background.

use std::collections::BTreeMap;

use crate::RunDocuments;

/// What a strategy works by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    /// Old answers die of age, in the token.
    TimeBound,
    /// Shared state is read on each request.
    StateCheck,
    /// Shared state is kept near and renewed, or pushed.
    Cache,
    /// Signing keys are changed.
    KeyLevel,
    /// Floor and control.
    Baseline,
}

impl Family {
    /// The family that a strategy's card names.
    fn from_card(word: &str) -> Option<Family> {
        let word = word.to_lowercase();
        let has = |part: &str| word.contains(part);
        match () {
            () if has("time") => Some(Family::TimeBound),
            () if has("state") => Some(Family::StateCheck),
            () if has("cache") || has("push") => Some(Family::Cache),
            () if has("key") => Some(Family::KeyLevel),
            () if has("floor") || has("control") || has("baseline") => Some(Family::Baseline),
            () => None,
        }
    }
}

/// The outline of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shape {
    /// ● ○
    Circle,
    /// ■ □
    Square,
    /// ◆ ◇
    Diamond,
    /// ▲ △
    Triangle,
    /// ✚
    Plus,
    /// ✕
    Cross,
}

/// How a strategy looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Decides the colour.
    pub family: Family,
    /// The mark's outline.
    pub shape: Shape,
    /// Filled or hollow.
    pub filled: bool,
    /// The curve's dashes; empty for a solid line.
    pub dash: &'static str,
}

const DASHES: [&str; 5] = ["", "7 3", "2 3", "9 3 2 3", "4 2"];

/// The looks that are part of the project's language: they must not change from report to report.
const KNOWN: [(&str, Family, Shape, bool, usize); 14] = [
    ("short-ttl", Family::TimeBound, Shape::Circle, true, 0),
    ("refresh-on-change", Family::TimeBound, Shape::Circle, false, 1),
    ("deny-list", Family::StateCheck, Shape::Square, true, 0),
    ("deny-and-refresh", Family::StateCheck, Shape::Triangle, true, 4),
    ("allow-list", Family::StateCheck, Shape::Square, false, 3),
    ("valid-after", Family::StateCheck, Shape::Circle, false, 1),
    ("token-version", Family::StateCheck, Shape::Diamond, true, 1),
    ("lookup", Family::StateCheck, Shape::Diamond, false, 2),
    ("cached-lookup", Family::Cache, Shape::Triangle, true, 0),
    ("push", Family::Cache, Shape::Triangle, false, 1),
    ("key-rotation", Family::KeyLevel, Shape::Plus, true, 0),
    ("lockdown", Family::KeyLevel, Shape::Plus, false, 1),
    ("none", Family::Baseline, Shape::Cross, true, 0),
    ("floor", Family::Baseline, Shape::Circle, false, 2),
];

const SHAPES: [Shape; 6] =
    [Shape::Circle, Shape::Square, Shape::Diamond, Shape::Triangle, Shape::Plus, Shape::Cross];

/// The looks of all strategies of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identities(BTreeMap<String, Identity>);

impl Identities {
    /// Gives every strategy of the run a look of its own, and one for each of its swept values, under the cell's name; those
    /// without a fixed one get a free one of their family.
    pub(crate) fn of(docs: &RunDocuments) -> Identities {
        let mut looks = BTreeMap::new();
        for cell in &docs.summary.cells {
            let name = cell.name();
            if looks.contains_key(&name) {
                continue;
            }
            let card = docs.strategies.iter().find(|card| card.name == cell.strategy);
            let family = card.and_then(|card| Family::from_card(&card.family)).unwrap_or(Family::Baseline);
            let taken: Vec<Identity> = looks.values().copied().collect();
            let fixed = known(&cell.strategy);
            let family = fixed.map_or(family, |look| look.family);
            let look = fixed.filter(|look| !taken.contains(look)).unwrap_or_else(|| free(family, &taken));
            looks.insert(name, look);
        }
        Identities(looks)
    }

    /// The look of a cell, by its name in the run.
    pub(crate) fn get(&self, name: &str) -> Identity {
        let fallback = Identity { family: Family::Baseline, shape: Shape::Circle, filled: true, dash: "" };
        self.0.get(name).copied().unwrap_or(fallback)
    }
}

fn known(strategy: &str) -> Option<Identity> {
    let (_, family, shape, filled, dash) = KNOWN.into_iter().find(|(name, ..)| *name == strategy)?;
    Some(Identity { family, shape, filled, dash: DASHES[dash] })
}

/// The first look of `family` that is neither taken in this run nor fixed for another strategy.
fn free(family: Family, taken: &[Identity]) -> Identity {
    let in_family = taken.iter().filter(|look| look.family == family).count();
    let dash = DASHES[in_family % DASHES.len()];
    let looks = [true, false]
        .into_iter()
        .flat_map(|filled| SHAPES.into_iter().map(move |shape| Identity { family, shape, filled, dash }));
    let same = |a: &Identity, b: &Identity| (a.family, a.shape, a.filled) == (b.family, b.shape, b.filled);
    let is_fixed =
        |look: &Identity| KNOWN.iter().any(|k| (k.1, k.2, k.3) == (look.family, look.shape, look.filled));
    let mut free =
        looks.clone().filter(|look| !is_fixed(look) && !taken.iter().any(|other| same(look, other)));
    let first = looks.clone().next().expect("there are shapes");
    free.next().unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_looks_differ_from_each_other() {
        for (i, a) in KNOWN.iter().enumerate() {
            for b in &KNOWN[i + 1..] {
                assert_ne!((a.1, a.2, a.3), (b.1, b.2, b.3), "{} and {}", a.0, b.0);
            }
        }
    }

    #[test]
    fn each_swept_value_looks_like_itself() {
        let docs = crate::fixture::swept();
        let looks = Identities::of(&docs);
        let of = |value: &str| looks.get(&format!("cached-lookup[cache_ttl={value}]"));
        assert_eq!(Some(of("300ms")), known("cached-lookup"));
        let all = ["300ms", "1s", "3s"].map(of);
        for (i, a) in all.iter().enumerate() {
            assert_eq!(a.family, Family::Cache);
            for b in &all[i + 1..] {
                assert!((a.shape, a.filled) != (b.shape, b.filled) && a.dash != b.dash, "{a:?} and {b:?}");
            }
        }
    }

    #[test]
    fn a_strategy_without_a_fixed_look_gets_a_free_one_of_its_family() {
        let taken = [known("deny-list").expect("known"), known("lookup").expect("known")];
        let look = free(Family::StateCheck, &taken);
        assert_eq!((look.family, look.shape, look.filled), (Family::StateCheck, Shape::Circle, true));
    }
}
