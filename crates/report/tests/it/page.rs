//! The page: safe, complete, small, and the same figures as `summary.json`.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use revbench_model::summary::{Cell, IntervalMs, Outcome};
use revbench_report::{RunDocuments, fixture, html};

use crate::markup::{Tag, table, tags};

fn everything() -> Vec<(&'static str, RunDocuments)> {
    vec![
        ("typical", fixture::typical()),
        ("hostile", fixture::hostile()),
        ("tiny", fixture::tiny()),
        ("censored", fixture::censored()),
        ("invalid", fixture::invalid()),
        ("embedded", fixture::embedded()),
        ("large", fixture::large()),
        ("ten_blocks", fixture::ten_blocks()),
        ("two_blocks", fixture::two_blocks()),
        ("swept", fixture::swept()),
    ]
}

const ELEMENTS: &[&str] = &[
    "a",
    "article",
    "body",
    "caption",
    "circle",
    "code",
    "dd",
    "desc",
    "details",
    "div",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "footer",
    "g",
    "h1",
    "h2",
    "h3",
    "head",
    "header",
    "html",
    "li",
    "link",
    "main",
    "meta",
    "nav",
    "p",
    "path",
    "pre",
    "rect",
    "section",
    "span",
    "strong",
    "style",
    "summary",
    "svg",
    "table",
    "tbody",
    "td",
    "text",
    "th",
    "thead",
    "title",
    "tr",
    "ul",
];
const VOID: &[&str] = &["link", "meta", "circle", "path", "rect"];

#[test]
fn text_never_becomes_markup() {
    for (name, docs) in everything() {
        let mut open: Vec<String> = Vec::new();
        for tag in tags(&html(&docs)) {
            let element = tag.name.trim_start_matches('/');
            assert!(ELEMENTS.contains(&element), "{name}: <{}>", tag.name);
            for (key, _) in &tag.attributes {
                assert!(
                    !key.starts_with("on") && key != "style" && key != "src",
                    "{name}: {key} in <{element}>"
                );
            }
            if tag.name.starts_with('/') {
                assert_eq!(open.pop().as_deref(), Some(element), "{name}: {open:?}");
            } else if !VOID.contains(&element) {
                open.push(element.to_owned());
            }
        }
        assert!(open.is_empty(), "{name}: left open: {open:?}");
    }
}

#[test]
fn nothing_is_loaded_and_only_sources_are_linked() {
    for (name, docs) in everything() {
        for tag in tags(&html(&docs)) {
            let Some(href) = tag.attribute("href") else { continue };
            let is_source =
                tag.name == "a" && tag.attribute("rel") == Some("noreferrer") && href.starts_with("https://");
            assert!(href.starts_with('#') || href == "data:," || is_source, "{name}: {href}");
        }
    }
}

#[test]
fn anchors_lead_somewhere_and_ids_are_unique() {
    for (name, docs) in everything() {
        let tags = tags(&html(&docs));
        let ids: Vec<&str> = tags.iter().filter_map(|tag| tag.attribute("id")).collect();
        let unique: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len(), "{name}: an id stands twice");
        for tag in &tags {
            if let Some(target) = tag.attribute("href").and_then(|href| href.strip_prefix('#')) {
                assert!(unique.contains(target), "{name}: #{target} leads nowhere");
            }
            for label in tag.attribute("aria-labelledby").unwrap_or_default().split_whitespace() {
                assert!(unique.contains(label), "{name}: nothing is called {label}");
            }
        }
    }
}

#[test]
fn the_policy_allows_this_style_sheet_and_nothing_else() {
    let page = html(&fixture::typical());
    let (_, rest) = page.split_once("<style>").expect("a style sheet");
    let (style, _) = rest.split_once("</style>").expect("its end");
    let hash = base64::engine::general_purpose::STANDARD.encode(digest(&SHA256, style.as_bytes()));
    let tags = tags(&page);
    let policy = tags.iter().find(|tag| tag.attribute("http-equiv") == Some("Content-Security-Policy"));
    let policy = policy.and_then(|tag| tag.attribute("content")).expect("a policy").replace("&#39;", "'");
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    assert!(policy.contains(&format!("style-src 'sha256-{hash}';")), "{policy}");
    assert!(!policy.contains("script-src"), "{policy}");
}

/// The text between a tag and the next one.
fn text_after<'a>(page: &'a str, tag: &Tag) -> &'a str {
    page[tag.end..].split('<').next().expect("a text")
}

#[test]
fn every_drawing_has_a_title_and_a_description_with_a_number() {
    for (name, docs) in everything() {
        let page = html(&docs);
        let tags = tags(&page);
        let drawings: Vec<usize> = (0..tags.len()).filter(|&i| tags[i].name == "svg").collect();
        for &at in &drawings {
            assert!(tags[at].attribute("viewBox").is_some());
            assert_eq!((tags[at + 1].name.as_str(), tags[at + 3].name.as_str()), ("title", "desc"), "{name}");
            assert!(!text_after(&page, &tags[at + 1]).is_empty(), "{name}");
            let description = text_after(&page, &tags[at + 3]);
            assert!(description.chars().any(|c| c.is_ascii_digit()), "{name}: {description:?}");
        }
        assert_eq!(drawings.is_empty(), name == "invalid", "{name}: {} drawings", drawings.len());
    }
}

#[test]
fn every_table_has_a_caption_and_every_heading_a_scope() {
    for (name, docs) in everything() {
        let tags = tags(&html(&docs));
        for pair in tags.windows(2).filter(|pair| pair[0].name == "table") {
            assert_eq!(pair[1].name, "caption", "{name}");
        }
        for heading in tags.iter().filter(|tag| tag.name == "th") {
            assert!(heading.attribute("scope").is_some(), "{name}");
        }
        let figures = tags.iter().filter(|tag| tag.name == "figure").count();
        let captions = tags.iter().filter(|tag| tag.name == "figcaption").count();
        assert_eq!(figures, captions, "{name}");
    }
}

#[test]
fn pages_stay_within_their_budgets() {
    for (name, docs) in everything() {
        let page = html(&docs);
        assert!(page.len() <= 1_000_000, "{name}: {} bytes", page.len());
        let largest = page.split("<svg").skip(1).map(|rest| rest.find("</svg>").expect("its end")).max();
        assert!(largest.unwrap_or(0) <= 35_000, "{name}: a drawing of {largest:?} bytes");
    }
}

#[test]
fn the_same_documents_give_the_same_bytes() {
    for (_, docs) in everything() {
        assert_eq!(html(&docs), html(&docs.clone()));
    }
}

/// Every number of a text with the factor of its unit in milliseconds: `940 ms (910–970)` is 940, 910, 970.
fn milliseconds(text: &str) -> Vec<f64> {
    let factor = match text {
        _ if text.contains("µs") => 0.001,
        _ if text.contains("ms") => 1.0,
        _ if text.contains("min") => 60_000.0,
        _ => 1_000.0,
    };
    let compact = text.replace(' ', "").replace('−', "-");
    let numbers = compact.split(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-'));
    numbers.filter_map(|number| number.parse::<f64>().ok()).map(|number| number * factor).collect()
}

/// Equal after rounding to three significant digits, or to the digits of the middle of an interval.
fn assert_close(shown: f64, exact: f64, scale: f64, context: &str) {
    let tolerance = scale.abs() * 0.005 + 1e-9;
    assert!((shown - exact).abs() <= tolerance, "{context}: {shown} is not {exact}");
}

fn assert_window(text: &str, window: Option<IntervalMs>, resolution_ms: f64) {
    let shown = milliseconds(text.split(" (80").next().expect("a figure"));
    match window.map(|window| (window.lower, window.upper)) {
        None => assert_eq!(text, "–"),
        Some((lower, None)) => {
            assert!(text.starts_with("> "), "{text}");
            assert_close(shown[0], lower, lower, text);
        }
        Some((lower, Some(upper))) if upper <= resolution_ms || lower == 0.0 => {
            assert!(text.starts_with("≤ "), "{text}");
            assert_close(shown[0], upper.max(resolution_ms), upper.max(resolution_ms), text);
        }
        Some((lower, Some(upper))) => {
            let middle = f64::midpoint(lower, upper);
            for (shown, exact) in shown.iter().zip([middle, lower, upper]) {
                assert_close(*shown, exact, middle, text);
            }
            assert_eq!(shown.len(), 3, "{text}");
        }
    }
}

fn assert_row(row: &[String], cell: &Cell) {
    let staleness = cell.staleness.as_ref();
    let resolution = staleness.map_or(0.0, |s| s.resolution_ms);
    assert_window(&row[1], staleness.and_then(|s| s.p50_ms), resolution);
    assert_window(&row[2], staleness.and_then(|s| s.p95_ms), resolution);
    assert_window(&row[3], staleness.and_then(|s| s.max_ms), resolution);
    if let Some(added) = cell.added_latency_us {
        let us = milliseconds(&row[6])[0] * 1_000.0;
        if row[6].contains("no difference seen") {
            assert!(added.p50.abs() <= us, "{} is within {}", added.p50, row[6]);
        } else {
            assert_close(us, added.p50, added.p50, &row[6]);
        }
    }
    let Some(cost) = &cell.cost else {
        assert!(row[8..].iter().all(|text| text == "–"), "{row:?}");
        return;
    };
    let tokens = cost.tokens_issued_per_1k;
    let columns = [cost.store_ops_per_1k, tokens, cost.resource_cpu_us_per_request, cost.token_bytes];
    for (text, exact) in row[8..].iter().zip(columns) {
        let shown: f64 = text.replace(' ', "").parse().expect("a plain number");
        assert_close(shown, exact, exact, text);
    }
}

#[test]
fn the_answer_tables_say_what_the_summary_says() {
    let docs = fixture::typical();
    let page = html(&docs);
    for (nth, scenario) in ["role-demoted", "role-promoted"].into_iter().enumerate() {
        let rows = table(&page, nth);
        let cells: Vec<&Cell> = docs.summary.cells.iter().filter(|cell| cell.scenario == scenario).collect();
        assert_eq!(rows.len(), cells.len());
        for cell in cells {
            let row = rows.iter().find(|row| row[0] == cell.strategy).expect("a row for each cell");
            assert_eq!(row.len(), 13);
            assert_eq!(cell.outcome == Outcome::Cannot, row[4] == "⊘ cannot", "{row:?}");
            assert_row(row, cell);
        }
    }
}

#[test]
fn what_never_took_effect_is_shown_as_such() {
    let page = html(&fixture::censored());
    for row in table(&page, 0).iter().filter(|row| row[0] != "floor") {
        assert_eq!((row[1].as_str(), row[3].as_str()), ("> 9 s", "> 9 s (80 of 80)"), "{}", row[0]);
    }
    assert!(page.contains("80 of 80 changes were still old when watching ended."));
}

#[test]
fn an_invalid_run_answers_nothing_and_says_why() {
    let page = html(&fixture::invalid());
    assert!(page.contains("This run measured no staleness validly"));
    assert!(page.contains("driver saturated: it sent 81 % of the planned load"));
    for row in table(&page, 0).iter().filter(|row| row[0] == "deny-list") {
        assert_eq!(row[1..4], ["invalid", "invalid", "invalid"]);
        assert_eq!((row[4].as_str(), row[6].as_str(), row[8].as_str()), ("! invalid", "invalid", "invalid"));
    }
}

#[test]
fn warnings_stand_at_the_top() {
    let page = html(&fixture::embedded());
    let (top, _) = page.split_once("<main").expect("a masthead");
    for words in [
        "Smoke profile — do not use for decisions",
        "Partial run",
        "Embedded store",
        "best case, not a deployment",
    ] {
        assert!(top.contains(words), "{words}");
    }
    let (top, _) = page.split_once("</header>").expect("a masthead");
    assert!(!html(&fixture::typical()).contains("class=\"warning\""), "{top}");
}
