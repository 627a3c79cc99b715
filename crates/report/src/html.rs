//! `report.html`: one file that loads nothing, runs nothing and reads well without its style sheet.

use askama::Template;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::charts::{self, Chart, blocks, latency, staleness, timeline, tradeoff};
use crate::figures::answers;
use crate::finding::finding;
use crate::glossary::{self, Word};
use crate::identity::Identities;
use crate::number::unbroken;
use crate::question::{Question, anchor, fleets, questions};
use crate::table::{Table, printable_lines};
use crate::under_fault::under_fault;
use crate::{
    RunDocuments, ScenarioProse, StrategyCard, burden, noise_floor, reading, sections, sweep, words,
};

/// The style sheet, inlined and allowed by its hash.
pub(crate) const STYLE: &str = include_str!("../templates/report.css");

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    run: String,
    policy: String,
    style: &'static str,
    finding: String,
    tally: String,
    measured: String,
    noise_floor: String,
    warnings: Vec<String>,
    questions: Vec<QuestionView>,
    maps: Vec<Chart>,
    distributions: Vec<Chart>,
    timelines: Vec<Chart>,
    latencies: Vec<Chart>,
    block_by_block: Vec<Chart>,
    fleets: Vec<FleetView>,
    validity: Table,
    reasons: Vec<(String, Vec<String>)>,
    environment: Table,
    command: String,
    seed: u64,
    repetition: String,
    cards: Vec<CardView>,
    scenarios: Vec<ProseView>,
    how_to_read: Vec<&'static str>,
    words: Vec<Word>,
}

/// A question's tables.
struct QuestionView {
    id: String,
    title: String,
    asked: String,
    header: String,
    answers: Table,
    notes: Vec<String>,
    side_by_side: Option<Table>,
    sweeps: Vec<Chart>,
    claims: Table,
    staleness: Table,
    exposure: Table,
    statuses: Table,
    under_fault: Option<Table>,
    recovery: Table,
}

/// What a set of fleets cost.
struct FleetView {
    title: String,
    shared: String,
    costs: Table,
    burdens: Vec<Table>,
}

/// A question with its prose in paragraphs.
struct ProseView {
    name: String,
    question: String,
    paragraphs: Vec<String>,
}

/// A strategy's card: named facts, and its sources, those that are links apart.
struct CardView {
    id: String,
    name: String,
    family: String,
    facts: Vec<(&'static str, String)>,
    sources: Vec<Source>,
}

struct Source {
    text: String,
    is_link: bool,
}

/// The report as a page. The same documents give the same bytes.
pub fn html(docs: &RunDocuments) -> String {
    let page = page(docs).render().expect("rendering into a string cannot fail");
    printable_lines(&page)
}

fn page(docs: &RunDocuments) -> Page {
    let summary = &docs.summary;
    let looks = Identities::of(docs);
    let questions = questions(summary);
    let fleets = fleets(&questions);
    let machine = &summary.machine;
    Page {
        run: summary.run.clone(),
        policy: policy(),
        style: STYLE,
        finding: unbroken(&finding(summary)),
        tally: words::tally(summary),
        measured: unbroken(&format!(
            "Measured {} with revbench {} on {}, {} cores; profile {}{}; {}",
            summary.started,
            summary.version,
            machine.cpu,
            machine.cores,
            summary.profile,
            words::blocks(summary.blocks).map_or_else(String::new, |blocks| format!(", {blocks}")),
            words::stores(summary)
        )),
        noise_floor: noise_floor::sentence(summary).map_or_else(String::new, |floor| unbroken(&floor)),
        warnings: words::warnings(summary),
        maps: questions.iter().filter_map(|question| tradeoff::chart(docs, question, &looks)).collect(),
        distributions: questions
            .iter()
            .filter_map(|question| staleness::chart(docs, question, &looks))
            .collect(),
        timelines: questions.iter().flat_map(|question| timeline::charts(docs, question, &looks)).collect(),
        latencies: fleets.iter().filter_map(|fleets| latency::chart(docs, fleets, &looks)).collect(),
        block_by_block: fleets.iter().filter_map(|fleets| blocks::chart(docs, fleets, &looks)).collect(),
        fleets: fleets.iter().map(fleet_view).collect(),
        questions: questions.iter().map(|question| question_view(docs, question, &looks)).collect(),
        validity: sections::validity(summary),
        reasons: words::reasons(summary),
        environment: sections::environment(summary),
        command: summary.command.clone(),
        seed: summary.seed,
        repetition: words::repetition(summary).map_or_else(String::new, |blocks| format!(" {blocks}.")),
        cards: docs.strategies.iter().map(card_view).collect(),
        scenarios: docs.scenarios.iter().map(prose_view).collect(),
        how_to_read: reading::how_to_read(summary.blocks),
        words: glossary::words(summary),
    }
}

/// Nothing may be loaded, run or sent; only this style sheet counts. A report of an untrusted run stays a page.
fn policy() -> String {
    let hash = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
}

fn question_view(docs: &RunDocuments, question: &Question<'_>, looks: &Identities) -> QuestionView {
    let scenario = docs.scenarios.iter().find(|scenario| scenario.name == question.scenario);
    QuestionView {
        id: question.anchor(),
        title: question.title(),
        asked: scenario.map(|scenario| scenario.question.clone()).unwrap_or_default(),
        header: unbroken(&words::question_header(docs, question)),
        answers: answers(question),
        notes: words::question_notes(question).iter().map(|note| unbroken(note)).collect(),
        side_by_side: sweep::side_by_side(question),
        sweeps: charts::sweep::charts(question, looks),
        claims: sections::claims(question),
        staleness: sections::staleness_details(question),
        exposure: sections::exposure(question),
        statuses: burden::answers(question),
        under_fault: under_fault(question),
        recovery: sections::recovery(question),
    }
}

fn fleet_view(fleets: &Question<'_>) -> FleetView {
    FleetView {
        title: fleets.fleet_title(),
        shared: fleets.shared_words().map_or_else(String::new, |words| format!("One measurement: {words}.")),
        costs: sections::costs(fleets),
        burdens: [burden::per_change(fleets), burden::must_run(fleets), burden::own_counters(fleets)].into(),
    }
}

fn prose_view(scenario: &ScenarioProse) -> ProseView {
    let paragraphs = scenario.prose.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty());
    ProseView {
        name: scenario.name.clone(),
        question: scenario.question.clone(),
        paragraphs: paragraphs.map(str::to_owned).collect(),
    }
}

fn card_view(card: &StrategyCard) -> CardView {
    let facts = [
        ("How it works", &card.summary),
        ("Promises", &card.promises),
        ("Costs", &card.costs),
        ("Needs", &card.needs),
        ("Fails", &card.fails),
    ];
    let is_link = |text: &str| text.starts_with("https://") && !text.contains(char::is_whitespace);
    let source = |text: &String| Source { text: text.clone(), is_link: is_link(text) };
    CardView {
        id: anchor(&card.name),
        name: card.name.clone(),
        family: card.family.clone(),
        facts: facts.into_iter().filter(|(_, text)| !text.is_empty()).map(|(n, t)| (n, t.clone())).collect(),
        sources: card.sources.iter().filter(|text| !text.is_empty()).map(source).collect(),
    }
}
