//! `report.html`: one file that loads nothing, runs nothing and reads well without its style sheet.

use askama::Template;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::block::{Block, anchor, blocks, fleets};
use crate::charts::{Chart, latency, staleness, timeline, tradeoff};
use crate::figures::answers;
use crate::finding::finding;
use crate::glossary::{WORDS, Word};
use crate::identity::Identities;
use crate::number::unbroken;
use crate::table::{Table, printable_lines};
use crate::{RunDocuments, ScenarioProse, StrategyCard, sections, words};

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
    warnings: Vec<String>,
    blocks: Vec<BlockView>,
    maps: Vec<Chart>,
    distributions: Vec<Chart>,
    timelines: Vec<Chart>,
    latencies: Vec<Chart>,
    fleets: Vec<FleetView>,
    validity: Table,
    reasons: Vec<(String, Vec<String>)>,
    environment: Table,
    command: String,
    seed: u64,
    cards: Vec<CardView>,
    scenarios: Vec<ProseView>,
    how_to_read: &'static [&'static str],
    words: &'static [Word],
}

/// A block's tables.
struct BlockView {
    id: String,
    title: String,
    question: String,
    header: String,
    answers: Table,
    notes: Vec<String>,
    claims: Table,
    staleness: Table,
    exposure: Table,
}

/// What a set of fleets cost.
struct FleetView {
    title: String,
    shared: String,
    costs: Table,
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
    let blocks = blocks(summary);
    let fleets = fleets(&blocks);
    let machine = &summary.machine;
    Page {
        run: summary.run.clone(),
        policy: policy(),
        style: STYLE,
        finding: unbroken(&finding(summary)),
        tally: words::tally(summary),
        measured: unbroken(&format!(
            "Measured {} with revbench {} on {}, {} cores; profile {}; {}",
            summary.started,
            summary.version,
            machine.cpu,
            machine.cores,
            summary.profile,
            words::store(&summary.store)
        )),
        warnings: words::warnings(summary),
        maps: blocks.iter().filter_map(|block| tradeoff::chart(docs, block, &looks)).collect(),
        distributions: blocks.iter().filter_map(|block| staleness::chart(docs, block, &looks)).collect(),
        timelines: blocks.iter().flat_map(|block| timeline::charts(docs, block, &looks)).collect(),
        latencies: fleets.iter().filter_map(|fleets| latency::chart(docs, fleets, &looks)).collect(),
        fleets: fleets.iter().map(fleet_view).collect(),
        blocks: blocks.iter().map(|block| block_view(docs, block)).collect(),
        validity: sections::validity(summary),
        reasons: words::reasons(summary),
        environment: sections::environment(summary),
        command: summary.command.clone(),
        seed: summary.seed,
        cards: docs.strategies.iter().map(card_view).collect(),
        scenarios: docs.scenarios.iter().map(prose_view).collect(),
        how_to_read: words::HOW_TO_READ,
        words: WORDS,
    }
}

/// Nothing may be loaded, run or sent; only this style sheet counts. A report of an untrusted run stays a page.
fn policy() -> String {
    let hash = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
}

fn block_view(docs: &RunDocuments, block: &Block<'_>) -> BlockView {
    let scenario = docs.scenarios.iter().find(|scenario| scenario.name == block.scenario);
    BlockView {
        id: block.anchor(),
        title: block.title(),
        question: scenario.map(|scenario| scenario.question.clone()).unwrap_or_default(),
        header: unbroken(&words::block_header(docs, block)),
        answers: answers(block),
        notes: words::block_notes(block).iter().map(|note| unbroken(note)).collect(),
        claims: sections::claims(block),
        staleness: sections::staleness_details(block),
        exposure: sections::exposure(block),
    }
}

fn fleet_view(fleets: &Block<'_>) -> FleetView {
    FleetView {
        title: fleets.fleet_title(),
        shared: fleets.shared_words().map_or_else(String::new, |words| format!("One measurement: {words}.")),
        costs: sections::costs(fleets),
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
