//! What a run's manifest says in words for its page: the questions and the strategies' cards.
//!
//! The runner writes it and the report reads it; a missing part leaves a gap on the page and stops nothing.

use serde::{Deserialize, Serialize};

/// A question in prose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScenarioProse {
    /// The scenario's name.
    pub name: String,
    /// The question in one sentence.
    pub question: String,
    /// What must be revoked, what must survive, the client, the trap.
    pub prose: String,
}

/// A strategy's card.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StrategyCard {
    /// The strategy's name.
    pub name: String,
    /// `time-bound`, `state check`, `cache/push`, `key level` or `baseline`.
    pub family: String,
    /// How it works.
    pub summary: String,
    /// The bound that it claims.
    pub promises: String,
    /// What it costs.
    pub costs: String,
    /// How it fails.
    pub fails: String,
    /// What one must run for it.
    pub needs: String,
    /// Where the mechanism is described: links, the most telling first.
    pub sources: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_with_gaps_is_still_a_card() {
        let card: StrategyCard = serde_json::from_str(r#"{"name":"lookup","later":1}"#).expect("a card");
        assert_eq!((card.name.as_str(), card.sources.len()), ("lookup", 0));
    }
}
