//! `revbench explain`: a strategy, a scenario or an error code in words, offline.

use std::fmt::Write as _;

use clap::Args;
use revbench_model::duration::format_ms;
use revbench_model::{ChangeActor, Orientation, Scenario, ScopeKind, Settings};
use revbench_oracle::closed_form::FleetLaw;
use revbench_strategies::{Card, Claimed, Question, StrategyKind, claim, params, time_scale_ms};
use serde::Serialize;

use crate::cmd::run::param;
use crate::console::Console;
use crate::exit::ExitCode;
use crate::render::{Mistake, Mistakes, UNKNOWN_NAME, explain_code};
use crate::select;

const EXAMPLES: &str = "\
Examples:
  revbench explain cached-lookup
  revbench explain cached-lookup --param cache_ttl=60s
  revbench explain role-demoted
  revbench explain E021";

/// Requests per lifetime of the fact that a prediction assumes, as `run` plans them for changed subjects.
const LAMBDA_T: f64 = 6.0;
/// Resource servers that a prediction assumes.
const INSTANCES: u16 = 2;

/// Explain a strategy, a scenario or an error code
///
/// A strategy's card says what it promises, costs and needs and how it fails, with its bound and predicted window for
/// the given settings. Nothing is started and nothing is measured.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct ExplainArgs {
    /// Name of a strategy or scenario, a scenario file, or an error code
    #[arg(value_name = "STRATEGY|SCENARIO|CODE")]
    name: String,
    /// A setting, such as cache_ttl=60s; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_delimiter = ',')]
    param: Vec<String>,
}

/// Prints what is known about a name.
pub(crate) fn execute(args: &ExplainArgs, console: &Console) -> anyhow::Result<ExitCode> {
    let mut settings = Settings::default();
    let (_, mut mistakes): (Vec<_>, Vec<Mistake>) =
        partition(args.param.iter().map(|text| param(text, &mut settings)));
    match find(&args.name) {
        Ok(found) if mistakes.is_empty() => found.print(&settings, console)?,
        Ok(_) => return Err(Mistakes(mistakes).into()),
        Err(more) => {
            mistakes.extend(more);
            return Err(Mistakes(mistakes).into());
        }
    }
    Ok(ExitCode::Done)
}

fn partition<T, E>(results: impl Iterator<Item = Result<T, E>>) -> (Vec<T>, Vec<E>) {
    let (mut kept, mut failed) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(value) => kept.push(value),
            Err(error) => failed.push(error),
        }
    }
    (kept, failed)
}

/// What a name stands for.
enum Found {
    Strategy(StrategyKind),
    Scenario(Box<Scenario>),
    Code(String, &'static str),
}

fn find(name: &str) -> Result<Found, Vec<Mistake>> {
    if let Some(kind) = StrategyKind::from_name(name) {
        return Ok(Found::Strategy(kind));
    }
    if let Some(meaning) = explain_code(name) {
        return Ok(Found::Code(name.to_uppercase(), meaning));
    }
    let names = [select::strategy_names(), select::scenario_names()].concat();
    if names.contains(&name) || name.ends_with(".toml") || name.contains('/') {
        return select::scenario(name).map(|(_, scenario)| Found::Scenario(Box::new(scenario)));
    }
    let message = format!("unknown strategy, scenario or code '{name}'");
    Err(vec![Mistake::argument(UNKNOWN_NAME, message, select::suggest(name, &names))])
}

impl Found {
    fn print(&self, settings: &Settings, console: &Console) -> anyhow::Result<()> {
        match self {
            Found::Code(code, meaning) if console.json => {
                console.json_data(&serde_json::json!({ "code": code, "meaning": meaning }))
            }
            Found::Code(code, meaning) => Ok(console.data(&format!("{code}: {meaning}\n"))?),
            Found::Strategy(kind) if console.json => console.json_data(&StrategyJson::new(*kind, settings)),
            Found::Strategy(kind) => Ok(console.data(&strategy_text(*kind, settings))?),
            Found::Scenario(scenario) if console.json => {
                console.json_data(&scenario_json(scenario, settings))
            }
            Found::Scenario(scenario) => Ok(console.data(&scenario_text(scenario, settings))?),
        }
    }
}

/// A claim with the closed form that it predicts.
#[derive(Serialize)]
struct ClaimJson {
    orientation: Orientation,
    #[serde(flatten)]
    claim: Claimed,
    window: Option<WindowJson>,
}

/// The predicted window of a fleet.
#[derive(Serialize)]
struct WindowJson {
    law: String,
    instances: u16,
    p50_ms: f64,
    p95_ms: f64,
    mean_ms: f64,
}

#[derive(Serialize)]
struct StrategyJson {
    name: &'static str,
    #[serde(flatten)]
    card: &'static Card,
    settings: std::collections::BTreeMap<String, serde_json::Value>,
    claims: Vec<ClaimJson>,
}

impl StrategyJson {
    fn new(kind: StrategyKind, settings: &Settings) -> StrategyJson {
        let ask = |orientation| {
            let question = Question { orientation, ..one_permission(kind, settings) };
            claim_json(kind, settings, &question)
        };
        StrategyJson {
            name: kind.name(),
            card: kind.card(),
            settings: params(kind, settings),
            claims: [Orientation::Revoke, Orientation::Grant].map(ask).into(),
        }
    }
}

/// One permission of one subject, at the traffic that predictions assume.
fn one_permission(kind: StrategyKind, settings: &Settings) -> Question {
    let scale_ms = time_scale_ms(kind, settings);
    Question {
        orientation: Orientation::Revoke,
        scope: ScopeKind::Subject,
        everything: false,
        rate_per_s: scale_ms.map_or(LAMBDA_T, |scale_ms| LAMBDA_T * 1_000.0 / scale_ms),
    }
}

fn claim_json(kind: StrategyKind, settings: &Settings, question: &Question) -> ClaimJson {
    let claim = claim(kind, settings, question);
    let law = match &claim {
        Claimed::Bound { predicted, .. } => *predicted,
        Claimed::NoClaim | Claimed::Cannot { .. } => None,
    };
    let window = law.map(|law| {
        let law = FleetLaw::new(law, INSTANCES);
        WindowJson {
            law: law.words(),
            instances: INSTANCES,
            p50_ms: law.quantile(0.5),
            p95_ms: law.quantile(0.95),
            mean_ms: law.mean(),
        }
    });
    ClaimJson { orientation: question.orientation, claim, window }
}

fn claim_text(json: &ClaimJson) -> String {
    let mut text = match &json.claim {
        Claimed::Bound { bound_ms: 0.0, .. } => "with the acknowledgement".to_owned(),
        Claimed::Bound { formula, bound_ms, .. } => format!("within {} = {formula}", format_ms(*bound_ms)),
        Claimed::NoClaim => "claims nothing".to_owned(),
        Claimed::Cannot { why } => format!("cannot: {why}"),
    };
    if let Some(window) = &json.window {
        let _ = write!(
            text,
            "\n           predicted p50 {}, p95 {}, mean {}: {}",
            format_ms(window.p50_ms),
            format_ms(window.p95_ms),
            format_ms(window.mean_ms),
            window.law
        );
    }
    text
}

fn strategy_text(kind: StrategyKind, settings: &Settings) -> String {
    let StrategyJson { name, card, settings, claims } = StrategyJson::new(kind, settings);
    let mut text = format!("{name}: {}\n\n", card.summary);
    for (label, line) in
        [("promises", card.promises), ("costs", card.costs), ("fails", card.fails), ("needs", card.needs)]
    {
        let _ = writeln!(text, "  {label:<8} {line}");
    }
    for json in &claims {
        let _ = writeln!(text, "  {:<8} {}", json.orientation.name(), claim_text(json));
    }
    let settings: Vec<String> = settings.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    if !settings.is_empty() {
        let _ = writeln!(text, "  {:<8} {}", "settings", settings.join(", "));
    }
    for url in card.source_urls {
        let _ = writeln!(text, "  {:<8} {url}", "source");
    }
    text
}

fn question_of(scenario: &Scenario, kind: StrategyKind, settings: &Settings) -> Question {
    Question {
        orientation: scenario.orientation,
        scope: scenario.scope,
        everything: scenario.changed.is_none(),
        ..one_permission(kind, settings)
    }
}

fn scenario_text(scenario: &Scenario, settings: &Settings) -> String {
    let mut text = format!("{}: {}\n\n{}\n\n", scenario.name, scenario.question, scenario.prose);
    let what =
        scenario.changed.as_ref().map_or("everything".to_owned(), |permission| format!("'{permission}'"));
    let _ = writeln!(
        text,
        "  change   {} {what}, scope {}, made by {}",
        scenario.orientation.name(),
        word(&scenario.scope),
        match scenario.actor {
            ChangeActor::Admin => "an administrator",
            ChangeActor::Subject => "the subject itself",
        }
    );
    let how = if scenario.write { "writes (POST)" } else { "reads" };
    let _ = writeln!(
        text,
        "  traffic  {how} '{}', {} changes/s beside it",
        scenario.asked, scenario.changes_per_s
    );
    let _ = writeln!(text, "\nWhat each strategy claims here:");
    for kind in StrategyKind::ALL {
        let json = claim_json(kind, settings, &question_of(scenario, kind, settings));
        let claim = claim_text(&ClaimJson { window: None, ..json });
        let _ = writeln!(text, "  {:<14} {claim}", kind.name());
    }
    text
}

/// The serde name of a plain enum.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn scenario_json(scenario: &Scenario, settings: &Settings) -> serde_json::Value {
    let claims: serde_json::Map<String, serde_json::Value> = StrategyKind::ALL
        .into_iter()
        .map(|kind| {
            let json = claim_json(kind, settings, &question_of(scenario, kind, settings));
            (kind.name().to_owned(), serde_json::to_value(json).unwrap_or_default())
        })
        .collect();
    serde_json::json!({
        "name": scenario.name,
        "question": scenario.question,
        "prose": scenario.prose,
        "reason": scenario.reason,
        "orientation": scenario.orientation,
        "scope": scenario.scope,
        "actor": scenario.actor,
        "changed": scenario.changed,
        "asked": scenario.asked,
        "write": scenario.write,
        "honest_survives": scenario.honest_survives,
        "stands_for": scenario.stands_for,
        "claims": claims,
    })
}
