//! `revbench explain`: a strategy, a scenario or an error code in words, offline.

pub(crate) mod faults;
mod predict;

use std::fmt::Write as _;

use clap::Args;
use revbench_model::duration::format_ms;
use revbench_model::parameters::Parameter;
use revbench_model::{ChangeActor, Orientation, Scenario};
use revbench_strategies::{Card, Claimed, Question, StrategyKind, claim, claim_to, params};
use serde::Serialize;

use crate::console::Console;
use crate::exit::ExitCode;
use crate::render::{Mistake, Mistakes, UNKNOWN_NAME, explain_code};
use crate::{param_flags, select};

use faults::FaultRow;
use predict::{Circumstances, CostJson, WindowJson};

const EXAMPLES: &str = "\
Examples:
  revbench explain cached-lookup
  revbench explain cached-lookup --param cache_ttl=60s --instances 4 --lambda-t 100
  revbench explain role-demoted
  revbench explain E021";

/// Explain a strategy, a scenario or an error code
///
/// A strategy's card says what it promises, costs and needs and how it fails, with its bound, its predicted window and
/// its predicted cost for the given settings. Nothing is started and nothing is measured.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct ExplainArgs {
    /// Name of a strategy or scenario, a scenario file, or an error code
    #[arg(value_name = "STRATEGY|SCENARIO|CODE")]
    name: String,
    /// A setting, such as cache_ttl=60s; may be repeated. 'revbench list params' has the names
    #[arg(long, value_name = "NAME=VALUE")]
    param: Vec<String>,
    /// Resource servers that a prediction is for; 2 if not given
    #[arg(long, value_name = "N")]
    instances: Option<String>,
    /// Requests of a subject at one resource server in the life of what ages (λT); 6 if not given
    #[arg(long, value_name = "X")]
    lambda_t: Option<String>,
}

/// Prints what is known about a name.
pub(crate) fn execute(args: &ExplainArgs, console: &Console) -> anyhow::Result<ExitCode> {
    let mut mistakes = Mistakes::default();
    let settings = param_flags::single(&args.param, &mut mistakes);
    let instances = mistakes.keep(predict::instances(args.instances.as_deref())).unwrap_or(1);
    let lambda_t = mistakes.keep(predict::lambda_t(args.lambda_t.as_deref())).unwrap_or(1.0);
    let at = Circumstances { settings, instances, lambda_t };
    match find(&args.name) {
        Ok(found) if mistakes.0.is_empty() => found.print(&at, console)?,
        Ok(_) => return Err(mistakes.into()),
        Err(more) => {
            mistakes.0.extend(more);
            return Err(mistakes.into());
        }
    }
    Ok(ExitCode::Done)
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
    let names = [select::strategy_names(), select::scenario_names(), select::stress_names()].concat();
    if names.contains(&name) || name.ends_with(".toml") || name.contains('/') {
        return select::scenario(name).map(|(_, scenario)| Found::Scenario(Box::new(scenario)));
    }
    let message = format!("unknown strategy, scenario or code '{name}'");
    Err(vec![Mistake::argument(UNKNOWN_NAME, message, select::suggest(name, &names))])
}

impl Found {
    fn print(&self, at: &Circumstances, console: &Console) -> anyhow::Result<()> {
        match self {
            Found::Code(code, meaning) if console.json => {
                console.json_data(&serde_json::json!({ "code": code, "meaning": meaning }))
            }
            Found::Code(code, meaning) => Ok(console.data(&format!("{code}: {meaning}\n"))?),
            Found::Strategy(kind) if console.json => console.json_data(&StrategyJson::new(*kind, at)),
            Found::Strategy(kind) => Ok(console.data(&strategy_text(*kind, at))?),
            Found::Scenario(scenario) if console.json => console.json_data(&scenario_json(scenario, at)),
            Found::Scenario(scenario) => Ok(console.data(&scenario_text(scenario, at))?),
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

#[derive(Serialize)]
struct StrategyJson {
    name: &'static str,
    #[serde(flatten)]
    card: &'static Card,
    settings: std::collections::BTreeMap<String, serde_json::Value>,
    claims: Vec<ClaimJson>,
    under_faults: Vec<FaultRow>,
    /// Values of `on_store_down` that it cannot follow, and why.
    cannot_follow: std::collections::BTreeMap<&'static str, &'static str>,
    cost: Option<CostJson>,
}

impl StrategyJson {
    fn new(kind: StrategyKind, at: &Circumstances) -> StrategyJson {
        let ask = |orientation| {
            let question = Question { orientation, ..at.question(kind) };
            claim_json(kind, at, &question, false)
        };
        StrategyJson {
            name: kind.name(),
            card: kind.card(),
            settings: params(kind, &at.settings),
            claims: [Orientation::Revoke, Orientation::Grant].map(ask).into(),
            under_faults: faults::rows(kind, &at.settings, &at.question(kind)),
            cannot_follow: faults::cannot_follow(kind),
            cost: CostJson::new(kind, at),
        }
    }
}

fn claim_json(kind: StrategyKind, at: &Circumstances, question: &Question, stream: bool) -> ClaimJson {
    let claim = claim_to(kind, &at.settings, question, stream);
    let window = WindowJson::new(&claim, at);
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
        let _ = write!(text, "\n           {}", window.text());
    }
    text
}

fn strategy_text(kind: StrategyKind, at: &Circumstances) -> String {
    let StrategyJson { name, card, claims, cost, under_faults, .. } = StrategyJson::new(kind, at);
    let mut text = format!("{name}: {}\n\n", card.summary);
    for (label, line) in
        [("promises", card.promises), ("costs", card.costs), ("fails", card.fails), ("needs", card.needs)]
    {
        let _ = writeln!(text, "  {label:<8} {line}");
    }
    for json in &claims {
        let _ = writeln!(text, "  {:<8} {}", json.orientation.name(), claim_text(json));
    }
    if let Some(cost) = cost {
        let _ = writeln!(text, "  {:<8} {}", "predicts", cost.text());
    }
    let as_given = |parameter: &Parameter| format!("{}={}", parameter.name, parameter.value(&at.settings));
    let settings: Vec<String> =
        card.params.iter().filter_map(|name| Parameter::from_name(name)).map(as_given).collect();
    if !settings.is_empty() {
        let _ = writeln!(text, "  {:<8} {}", "settings", settings.join(", "));
    }
    for url in card.source_urls {
        let _ = writeln!(text, "  {:<8} {url}", "source");
    }
    text += "\nunder a fault, and what requests are answered meanwhile:\n";
    text + &faults::text(kind, &under_faults)
}

/// What a strategy claims about a scenario at the default settings.
pub(crate) fn claim_about(scenario: &Scenario, kind: StrategyKind) -> Claimed {
    let at = Circumstances::default();
    claim_to(kind, &at.settings, &question_of(scenario, kind, &at), scenario.stream)
}

/// What a strategy claims about one permission of a subject under faults, at the default settings.
pub(crate) fn usual_under_faults(kind: StrategyKind) -> Vec<FaultRow> {
    let at = Circumstances::default();
    faults::rows(kind, &at.settings, &at.question(kind))
}

/// What a strategy claims about one permission of a subject at the default settings.
pub(crate) fn usual_claim(kind: StrategyKind, orientation: Orientation) -> Claimed {
    let at = Circumstances::default();
    claim(kind, &at.settings, &Question { orientation, ..at.question(kind) })
}

fn question_of(scenario: &Scenario, kind: StrategyKind, at: &Circumstances) -> Question {
    Question {
        orientation: scenario.orientation,
        scope: scenario.scope,
        everything: scenario.changed.is_none(),
        is_theft: scenario.actor == ChangeActor::Thief,
        undone: scenario.undone_after_ms.is_some(),
        ..at.question(kind)
    }
}

fn scenario_text(scenario: &Scenario, at: &Circumstances) -> String {
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
            ChangeActor::Thief => "nobody: a thief uses a stolen refresh token",
        }
    );
    let how = match (scenario.stream, scenario.write) {
        (true, _) => "listens to",
        (false, true) => "writes (POST)",
        (false, false) => "reads",
    };
    let _ = writeln!(
        text,
        "  traffic  {how} '{}', {} changes/s beside it",
        scenario.asked, scenario.changes_per_s
    );
    let _ = writeln!(text, "\nWhat each strategy claims here:");
    for kind in StrategyKind::ALL {
        let json = claim_json(kind, at, &question_of(scenario, kind, at), scenario.stream);
        let claim = claim_text(&ClaimJson { window: None, ..json });
        let _ = writeln!(text, "  {:<22} {claim}", kind.name());
    }
    text
}

/// The serde name of a plain enum.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn scenario_json(scenario: &Scenario, at: &Circumstances) -> serde_json::Value {
    let claims: serde_json::Map<String, serde_json::Value> = StrategyKind::ALL
        .into_iter()
        .map(|kind| {
            let json = claim_json(kind, at, &question_of(scenario, kind, at), scenario.stream);
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
        "stream": scenario.stream,
        "honest_survives": scenario.honest_survives,
        "stands_for": scenario.stands_for,
        "claims": claims,
    })
}
