//! What a run of several blocks says, and what only a run of one block may say.

use revbench_report::{RunDocuments, csv, fixture, html, markdown, terminal};

fn texts(docs: &RunDocuments) -> [(&'static str, String); 3] {
    let plain = |text: String| {
        let text = text.replace(['\u{a0}', '\n'], " ").replace('\u{2060}', "");
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    [
        ("terminal", plain(terminal(docs, 400, false))),
        ("Markdown", plain(markdown(docs))),
        ("page", plain(html(docs)).replace("&#39;", "'")),
    ]
}

#[test]
fn a_run_of_blocks_never_speaks_of_a_single_run() {
    for docs in [fixture::ten_blocks(), fixture::two_blocks()] {
        for (output, text) in texts(&docs) {
            for word in ["single run", "A single", "slice per fleet,"] {
                assert!(!text.contains(word), "{output} of {} blocks: {word}", docs.summary.blocks);
            }
            let blocks = format!("{} blocks", docs.summary.blocks);
            assert!(text.contains(&blocks), "{output} does not say {blocks}");
        }
    }
}

#[test]
fn a_run_of_one_block_never_speaks_of_blocks() {
    for (output, text) in texts(&fixture::typical()) {
        for word in [" 1 block", "fresh processes in a new random order", "Noise floor", "Hodges"] {
            assert!(!text.contains(word), "{output}: {word}");
        }
    }
}

#[test]
fn the_published_noise_floor_has_a_line_of_its_own() {
    let expected = "Noise floor, from 10 blocks in which the control was measured twice: it differs from itself by at most \
                    6.1 µs at the median (−2.3 to 6.1 µs), 18 µs at p99 (−18 to 11 µs) and 1.2 µs of CPU per request \
                    (−0.8 to 1.2 µs).";
    for (output, text) in texts(&fixture::ten_blocks()) {
        assert!(text.contains(expected), "{output}: {text}");
    }
}

#[test]
fn a_noise_floor_without_a_figure_says_why() {
    let expected = "Noise floor: no figure; an interval needs six blocks in which the control and its repetition both \
                    have the figure, and 2 have both latencies.";
    for (output, text) in texts(&fixture::two_blocks()) {
        assert!(text.contains(expected), "{output}: {text}");
    }
    let mut docs = fixture::ten_blocks();
    docs.summary.noise_floor.as_mut().expect("published").latency_p99_us = None;
    let expected =
        "and 1.2 µs of CPU per request (−0.8 to 1.2 µs). No figure at p99: an interval needs six blocks";
    assert!(markdown(&docs).contains(expected), "{}", markdown(&docs));
    docs.summary.noise_floor = None;
    let expected =
        "Noise floor: none, because the control was not measured a second time in any of 10 blocks.";
    assert!(markdown(&docs).contains(expected), "{}", markdown(&docs));
}

#[test]
fn what_lies_within_the_noise_floor_is_neither_faster_nor_slower() {
    for (output, text) in texts(&fixture::ten_blocks()) {
        assert!(text.contains("within the noise floor (1.0–5.0 µs)"), "{output}");
        assert!(!text.contains("+3 µs"), "{output}");
    }
    let page = html(&fixture::ten_blocks()).replace('\u{a0}', " ");
    assert!(
        page.contains("no difference beyond the noise floor of 6.1 µs to the control with cached-lookup.")
    );
    assert!(page.contains("The grey strip reaches to 6.1 µs on either side"));
}

#[test]
fn too_few_blocks_leave_a_difference_without_an_interval() {
    let docs = fixture::two_blocks();
    let text = markdown(&docs);
    assert!(text.contains("| +548 µs | +609 µs |"), "{text}");
    assert!(text.contains("no difference seen (±11.2 µs)"), "{text}");
    assert!(html(&docs).contains("2 blocks do not give an interval on latency here"));
}

#[test]
fn the_environment_and_the_command_name_the_blocks() {
    let text = markdown(&fixture::ten_blocks());
    let repetition = "10 blocks, with fresh processes in a new random order in each";
    assert!(text.contains(&format!("| blocks | {repetition} |")), "{text}");
    assert!(text.contains(&format!("Seed 42. {repetition}.")), "{text}");
    assert!(html(&fixture::ten_blocks()).contains(&format!("Seed 42. {repetition}. The command:")));
}

#[test]
fn wide_figures_drop_columns_and_never_lines() {
    for docs in [fixture::ten_blocks(), fixture::two_blocks()] {
        for width in [80, 100, 140, 200] {
            for line in terminal(&docs, width, false).lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
    }
}

#[test]
fn every_line_of_the_file_has_the_same_columns() {
    let text = csv(&fixture::ten_blocks().summary);
    let columns = |line: &str| {
        let mut quoted = false;
        let outside = |c: &char| {
            quoted ^= *c == '"';
            *c == ',' && !quoted
        };
        line.chars().filter(outside).count()
    };
    let counts: Vec<usize> = text.split_terminator("\r\n").map(columns).collect();
    assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
}
