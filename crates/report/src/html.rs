//! `report.html`: one file that loads nothing, runs nothing and reads well without its style sheet.

use askama::Template;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::block::{Block, anchor, blocks};
use crate::charts::{Chart, latency, staleness, timeline, tradeoff};
use crate::documents::StrategyCard;
use crate::figures::answers;
use crate::glossary::{WORDS, Word};
use crate::identity::Identities;
use crate::number::unbroken;
use crate::table::{Table, printable_lines};
use crate::{RunDocuments, sections, words};

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
    validity: Table,
    reasons: Vec<(String, Vec<String>)>,
    environment: Table,
    command: String,
    seed: u64,
    cards: Vec<CardView>,
    scenarios: Vec<ProseView>,
    how_to_read: [&'static str; 7],
    words: [Word; 20],
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
    costs: Table,
    exposure: Table,
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
    let machine = &summary.machine;
    Page {
        run: summary.run.clone(),
        policy: policy(),
        style: STYLE,
        finding: unbroken(&words::finding(summary)),
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
        maps: blocks.iter().filter_map(|block| tradeoff::chart(block, &looks)).collect(),
        distributions: blocks.iter().filter_map(|block| staleness::chart(docs, block, &looks)).collect(),
        timelines: blocks.iter().flat_map(|block| timeline::charts(docs, block, &looks)).collect(),
        latencies: blocks.iter().filter_map(|block| latency::chart(docs, block, &looks)).collect(),
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
        header: unbroken(&words::block_header(&docs.summary, block)),
        answers: answers(block),
        notes: words::block_notes(block),
        claims: sections::claims(block),
        costs: sections::costs(block),
        exposure: sections::exposure(block),
    }
}

fn prose_view(scenario: &crate::ScenarioProse) -> ProseView {
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
    let is_link = |text: &str| text.starts_with("https://") || text.starts_with("http://");
    let words = card.source.split_whitespace();
    let sources = if card.source.split_whitespace().any(is_link) {
        words.map(|word| Source { text: word.to_owned(), is_link: is_link(word) }).collect()
    } else {
        vec![Source { text: card.source.clone(), is_link: false }]
    };
    CardView {
        id: anchor(&card.name),
        name: card.name.clone(),
        family: card.family.clone(),
        facts: facts.into_iter().filter(|(_, text)| !text.is_empty()).map(|(n, t)| (n, t.clone())).collect(),
        sources: sources.into_iter().filter(|source| !source.text.is_empty()).collect(),
    }
}
