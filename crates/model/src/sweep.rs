//! Several values of a setting in one run: each combination of them is a point, and every strategy that has the settings
//! is measured at each.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A setting of which a run measures several values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sweep {
    /// The setting, without unit.
    pub name: String,
    /// Its values in the order asked for, each as [`Parameter::value`](crate::parameters::Parameter::value) prints it.
    pub values: Vec<String>,
}

/// One value of each swept setting that a strategy has; empty where it has none.
pub type Point = BTreeMap<String, String>;

/// Every combination of the values, the last setting's changing fastest; without a sweep the one empty point.
pub fn points<'a>(sweeps: impl IntoIterator<Item = &'a Sweep>) -> Vec<Point> {
    sweeps.into_iter().fold(vec![Point::new()], |points, sweep| {
        let with_each = |point: Point| {
            let with = |value: &String| {
                let mut point = point.clone();
                point.insert(sweep.name.clone(), value.clone());
                point
            };
            sweep.values.iter().map(with).collect::<Vec<_>>()
        };
        points.into_iter().flat_map(with_each).collect()
    })
}

/// What a strategy is called at a point: `cached-lookup[cache_ttl=300ms]`, its name alone where nothing is swept. The
/// settings stand in the order of their names, so that a point has one name.
pub fn named(strategy: &str, point: &Point) -> String {
    if point.is_empty() {
        return strategy.to_owned();
    }
    let settings: Vec<String> = point.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{strategy}[{}]", settings.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_swept_settings_give_their_product() {
        let check = |sweeps: &[(&str, &[&str])], expected: &[&str]| {
            let sweeps: Vec<Sweep> = sweeps
                .iter()
                .map(|(name, values)| Sweep {
                    name: (*name).to_owned(),
                    values: values.iter().map(|&value| value.to_owned()).collect(),
                })
                .collect();
            let names: Vec<String> = points(&sweeps).iter().map(|point| named("x", point)).collect();
            assert_eq!(names, expected);
        };
        check(&[], &["x"]);
        check(&[("cache_ttl", &["3s", "300ms"])], &["x[cache_ttl=3s]", "x[cache_ttl=300ms]"]);
        check(
            &[("stale_for", &["1s", "2s"]), ("cache_ttl", &["3s", "5s"])],
            &[
                "x[cache_ttl=3s,stale_for=1s]",
                "x[cache_ttl=5s,stale_for=1s]",
                "x[cache_ttl=3s,stale_for=2s]",
                "x[cache_ttl=5s,stale_for=2s]",
            ],
        );
    }
}
