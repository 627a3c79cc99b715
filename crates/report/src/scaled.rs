//! Scaled time in words: a run's short durations stand for long ones, and both are always named together.

use revbench_model::summary::Cell;

use crate::number::{self, duration_ms, plain};

/// A setting that stands for another.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scaled {
    /// `token_ttl`.
    pub setting: String,
    /// As measured, milliseconds.
    pub here_ms: f64,
    /// What it stands for, milliseconds.
    pub stands_for_ms: f64,
}

impl Scaled {
    /// What lives that long, where the name of the setting says so.
    pub(crate) fn noun(&self) -> String {
        match self.setting.strip_suffix("_ttl") {
            Some(what) => format!("{what} life"),
            None => self.setting.replace('_', " "),
        }
    }

    /// Does the setting decide how often tokens are issued?
    pub(crate) fn is_of_tokens(&self) -> bool {
        self.setting.starts_with("token_")
    }

    /// `3 s here, standing for 15 min`.
    pub(crate) fn words(&self) -> String {
        format!("{} here, standing for {}", duration_ms(self.here_ms), duration_ms(self.stands_for_ms))
    }
}

/// The durations of a cell that stand for others.
pub(crate) fn scaled(cell: &Cell) -> Vec<Scaled> {
    let pair = |(name, value): (&String, &serde_json::Value)| {
        Some(Scaled {
            setting: name.strip_suffix("_ms")?.to_owned(),
            here_ms: cell.params.get(name)?.as_f64()?,
            stands_for_ms: value.as_f64()?,
        })
    };
    cell.stands_for.iter().filter_map(pair).filter(|scaled| scaled.here_ms > 0.0).collect()
}

/// `token_ttl 15 min (3 s here)`; nothing where every setting is meant as it is.
pub(crate) fn column(cell: &Cell) -> String {
    let write = |(name, value): (&String, &serde_json::Value)| {
        let meant = number::setting(name, value);
        match cell.params.get(name) {
            Some(here) => {
                let here = number::setting(name, here);
                format!("{meant} ({} here)", here.split_once(' ').map_or(here.as_str(), |(_, value)| value))
            }
            None => meant,
        }
    };
    cell.stands_for.iter().map(write).collect::<Vec<_>>().join(", ")
}

/// What the settings stand for and what λT means there, in words.
pub(crate) fn note(cell: &Cell) -> Option<String> {
    let stands_for = column(cell);
    if stands_for.is_empty() {
        return None;
    }
    let load = cell.lambda_t.zip(scaled(cell).into_iter().next()).map(|(lambda_t, scaled)| {
        let every = |ms: f64| duration_ms(ms / lambda_t);
        format!(
            "; λT = {} for the changed subjects: here one request per {} and instance, at {} one per {} and instance",
            plain(lambda_t),
            every(scaled.here_ms),
            duration_ms(scaled.stands_for_ms),
            every(scaled.stands_for_ms)
        )
    });
    let others = cell.params.iter().filter(|(name, _)| !cell.stands_for.contains_key(*name));
    let others: Vec<String> = others.map(|(name, value)| number::setting(name, value)).collect();
    let others = if others.is_empty() { String::new() } else { format!("; as it is: {}", others.join(", ")) };
    Some(format!("stands for {stands_for}{}{others}", load.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn lambda_t_is_said_as_requests_at_both_scales() {
        let mut cell = fixture::stale_cell("role-demoted", "cached-lookup", 1500.0, &[500.0]);
        assert_eq!(note(&cell), None);
        cell.params.insert("cache_ttl_ms".into(), 1000.into());
        cell.stands_for.insert("cache_ttl_ms".into(), 60_000.into());
        cell.lambda_t = Some(6.0);
        assert_eq!(
            note(&cell).expect("scaled"),
            "stands for cache_ttl 60 s (1 s here); λT = 6 for the changed subjects: here one request per 167 ms and instance, at 60 s one per 10 s and instance"
        );
        cell.params.insert("on_store_down".into(), "refuse".into());
        assert!(note(&cell).expect("scaled").ends_with("and instance; as it is: on_store_down refuse"));
        assert_eq!(scaled(&cell)[0].noun(), "cache life");
    }
}
