//! What a strategy will do before anything was run: the fleet's window and the cost of a request, from the closed
//! forms behind its claim.

use revbench_model::duration::{format_ms, significant};
use revbench_model::{Distribution, Orientation, ScopeKind, Settings};
use revbench_oracle::closed_form::{FleetLaw, cost};
use revbench_runner::profile::Profile;
use revbench_strategies::{Claimed, Family, Question, StrategyKind, claim, time_scale_ms};
use serde::Serialize;

use crate::cmd::run::INSTANCES;
use crate::render::{BAD_VALUE, Mistake};

/// Most resource servers that a prediction is made for; more than a run starts, because nothing is started.
const MAX_INSTANCES: u16 = 10_000;

/// Under which circumstances a strategy is explained.
pub(super) struct Circumstances {
    pub(super) settings: Settings,
    pub(super) instances: u16,
    /// Requests of a subject at one instance in the life of the fact that ages.
    pub(super) lambda_t: f64,
}

impl Default for Circumstances {
    /// Those of a run of which nothing else is said.
    fn default() -> Self {
        let lambda_t = Profile::default().sizes().lambda_t;
        Circumstances { settings: Settings::default(), instances: INSTANCES, lambda_t }
    }
}

impl Circumstances {
    /// One permission of one subject, or everyone for strategies that know nobody else; at this traffic. Where nothing
    /// ages, λT requests come in a second.
    pub(super) fn question(&self, kind: StrategyKind) -> Question {
        let scale_ms = time_scale_ms(kind, &self.settings).unwrap_or(1_000.0);
        Question {
            orientation: Orientation::Revoke,
            is_theft: false,
            scope: if kind.singles_out() { ScopeKind::Subject } else { ScopeKind::All },
            everything: !kind.singles_out(),
            undone: kind == StrategyKind::Lockdown,
            rate_per_s: self.lambda_t * 1_000.0 / scale_ms,
        }
    }
}

/// How many resource servers; what `run` starts, if nobody says.
pub(super) fn instances(text: Option<&str>) -> Result<u16, Mistake> {
    let Some(text) = text else { return Ok(INSTANCES) };
    let number = text.parse::<u16>().ok().filter(|number| (1..=MAX_INSTANCES).contains(number));
    number.ok_or_else(|| {
        let message =
            format!("value '{text}' of --instances is not a whole number from 1 to {MAX_INSTANCES}");
        Mistake::argument(BAD_VALUE, message, "write a number such as --instances 4")
    })
}

/// λT; what `run` plans for changed subjects, if nobody says.
pub(super) fn lambda_t(text: Option<&str>) -> Result<f64, Mistake> {
    let Some(text) = text else { return Ok(Profile::default().sizes().lambda_t) };
    let number = text.parse::<f64>().ok().filter(|number| (1e-6..=1e9).contains(number));
    number.ok_or_else(|| {
        let message = format!("value '{text}' of --lambda-t is not a number of requests per lifetime");
        Mistake::argument(BAD_VALUE, message, "write a number above 0 such as --lambda-t 6")
    })
}

/// The predicted window of a fleet.
#[derive(Serialize)]
pub(super) struct WindowJson {
    law: String,
    instances: u16,
    lambda_t: f64,
    p50_ms: f64,
    p95_ms: f64,
    mean_ms: f64,
    /// `null` where there is no longest window.
    max_ms: Option<f64>,
}

impl WindowJson {
    /// The window behind a claim; `None` where no law of it is known.
    pub(super) fn new(claim: &Claimed, at: &Circumstances) -> Option<WindowJson> {
        let law = FleetLaw::new(law(claim)?, at.instances);
        Some(WindowJson {
            law: law.words(),
            instances: at.instances,
            lambda_t: at.lambda_t,
            p50_ms: law.quantile(0.5),
            p95_ms: law.quantile(0.95),
            mean_ms: law.mean(),
            max_ms: law.max(),
        })
    }

    pub(super) fn text(&self) -> String {
        let max = self.max_ms.map_or("none".to_owned(), format_ms);
        format!(
            "predicted p50 {}, p95 {}, mean {}, longest {max}: {}",
            format_ms(self.p50_ms),
            format_ms(self.p95_ms),
            format_ms(self.mean_ms),
            self.law
        )
    }
}

fn law(claim: &Claimed) -> Option<Distribution> {
    match claim {
        Claimed::Bound { predicted, .. } => *predicted,
        Claimed::NoClaim | Claimed::Cannot { .. } => None,
    }
}

/// The law by which a cache is filled at this rate: messages end the windows of its entries, and age their lives.
fn fills(window: Distribution, rate_per_s: f64) -> Distribution {
    match window {
        Distribution::Push { resync_ms: ttl_ms, .. } | Distribution::ExpireAfterWrite { ttl_ms, .. } => {
            Distribution::ExpireAfterWrite { ttl_ms, rate_per_s }
        }
        Distribution::JitteredExpireAfterWrite { shortest_ms, ttl_ms, .. } => {
            Distribution::JitteredExpireAfterWrite { shortest_ms, ttl_ms, rate_per_s }
        }
        Distribution::RefreshAhead { refresh_ms, ttl_ms, .. } => {
            Distribution::RefreshAhead { refresh_ms, ttl_ms, rate_per_s }
        }
        window => window,
    }
}

/// The predicted cost of the requests of one session. Which way a change points makes no difference to it.
#[derive(Serialize)]
pub(super) struct CostJson {
    /// Of the session over all instances.
    rate_per_s: f64,
    store_ops_per_1k: f64,
    round_trips_on_path: f64,
    tokens_issued_per_1k: f64,
    /// Where nothing is cached, `null`; else the λT from which on a p99 of latency is a hit.
    p99_is_a_hit_from_lambda_t: Option<f64>,
}

impl CostJson {
    /// From the family and the law of a strategy; `None` where neither says what a request costs.
    pub(super) fn new(kind: StrategyKind, at: &Circumstances) -> Option<CostJson> {
        let question = at.question(kind);
        let family = kind.card().family;
        let reads = match family {
            Family::Floor | Family::Control | Family::TimeBound => 0.0,
            Family::StateCheck => 1.0,
            Family::Cache => {
                let window = law(&claim(kind, &at.settings, &question))?;
                cost::store_ops_per_request(fills(window, question.rate_per_s))?
            }
        };
        // A read is a wait for the store; or for the issuer, who reads and waits itself.
        let (operations, round_trips) = if kind.asks_issuer() { (0.0, 2.0 * reads) } else { (reads, reads) };
        let rate_per_s = question.rate_per_s * f64::from(at.instances);
        let renewal_ms = at.settings.refresh_at * at.settings.token_ttl_ms as f64;
        Some(CostJson {
            rate_per_s,
            store_ops_per_1k: 1e3 * operations,
            round_trips_on_path: round_trips,
            tokens_issued_per_1k: 1e3 * cost::tokens_per_request(renewal_ms, rate_per_s),
            p99_is_a_hit_from_lambda_t: (family == Family::Cache).then(|| cost::cliff_lambda_t(0.99).round()),
        })
    }

    pub(super) fn text(&self) -> String {
        let cliff = self.p99_is_a_hit_from_lambda_t.map_or(String::new(), |lambda_t| {
            format!("; the p99 of latency is a miss's until λT = {}", significant(lambda_t))
        });
        format!(
            "{} store operations and {} tokens per 1 000 requests, {} round trips a request, for a session of {} \
             requests/s over the fleet{cliff}",
            significant(self.store_ops_per_1k),
            significant(self.tokens_issued_per_1k),
            significant(self.round_trips_on_path),
            significant(self.rate_per_s),
        )
    }
}
