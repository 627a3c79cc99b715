//! The terminal's tables and the Markdown, as they read.

use revbench_report::{csv, fixture, html, markdown, terminal};

/// Lines without the blanks that end them: snapshots cannot hold those.
fn trimmed(text: &str) -> String {
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_wide_terminal_shows_every_column() {
    insta::assert_snapshot!(trimmed(&terminal(&fixture::typical(), 220, false)), @r#"
    role-demoted · revoke · 2 000 requests/s planned · 2 instances · store: redis-server 7.0.15 · round trip 507 µs (p99 540 µs)
    strategy       staleness p50       p95                 worst               claim                 predicted p50 / p95       added p50                             added p99  store ops/1k  tokens issued/1k  CPU µs/req
    deny-list      ≤ 2.1 ms            ≤ 2.1 ms            ≤ 2.1 ms            ✓ ≤ resolution holds  ≤ resolution, in band     +512 µs                               +573 µs    1 000         3.1               51.4
    lookup         ≤ 2.1 ms            ≤ 2.1 ms            ≤ 2.1 ms            ✓ ≤ resolution holds  ≤ resolution, in band     +548 µs                               +609 µs    1 000         3.1               51.4
    token-version  ≤ 2.1 ms            ≤ 2.1 ms            ≤ 2.1 ms            ✓ ≤ resolution holds  ≤ resolution, in band     +530 µs                               +591 µs    1 000         3.1               51.4
    cached-lookup  448 ms (392–505)    945 ms (889–1 002)  994 ms (986–1 002)  ✓ ≤ 1.5 s holds       462 ms / 948 ms, in band  no difference seen (±11.2 µs)         +522 µs    12.4          3.1               31.6
    short-ttl      1.78 s (1.66–1.91)  2.87 s (2.74–2.99)  2.97 s (2.95–2.99)  ✓ ≤ 3 s holds         1.8 s / 2.88 s, in band   noisy: no difference seen (±11.2 µs)  –          0             3.1               31.4
    none           > 5 s               > 5 s               > 5 s (80 of 80)    reference             –                         reference                             reference  0             3.1               31.4
    floor          –                   –                   –                   reference             –                         −24 µs                                −31 µs     0             3.1               31.4
    Not shown at this width: token bytes, stands for.
    cached-lookup: stands for cache_ttl 60 s (1 s here); λT = 6 for the changed subjects: here one request per 167 ms and instance, at 60 s one per 10 s and instance
    short-ttl: stands for token_ttl 300 s (3 s here)
    Added latency, store operations, tokens, CPU and bytes: one background slice per fleet, shared by its scenarios (role-demoted · revoke, role-promoted · grant); the same measurement, not a second one.

    role-promoted · grant · 2 000 requests/s planned · 2 instances · store: redis-server 7.0.15 · round trip 507 µs (p99 540 µs)
    strategy       staleness p50       p95                 worst               claim                 predicted p50 / p95       added p50                             added p99  store ops/1k  tokens issued/1k  CPU µs/req
    lookup         ≤ 2.1 ms            ≤ 2.1 ms            ≤ 2.1 ms            ✓ ≤ resolution holds  ≤ resolution, in band     +548 µs                               +609 µs    1 000         3.1               51.4
    token-version  ≤ 2.1 ms            ≤ 2.1 ms            ≤ 2.1 ms            ✓ ≤ resolution holds  ≤ resolution, in band     +530 µs                               +591 µs    1 000         3.1               51.4
    cached-lookup  448 ms (392–505)    945 ms (889–1 002)  994 ms (986–1 002)  ✓ ≤ 1.5 s holds       462 ms / 948 ms, in band  no difference seen (±11.2 µs)         +522 µs    12.4          3.1               31.6
    short-ttl      1.78 s (1.66–1.91)  2.87 s (2.74–2.99)  2.97 s (2.95–2.99)  ✓ ≤ 3 s holds         1.8 s / 2.88 s, in band   noisy: no difference seen (±11.2 µs)  –          0             3.1               31.4
    deny-list      –                   –                   –                   ⊘ cannot              –                         –                                     –          –             –                 –
    none           > 5 s               > 5 s               > 5 s (80 of 80)    reference             –                         reference                             reference  0             3.1               31.4
    floor          –                   –                   –                   reference             –                         −24 µs                                −31 µs     0             3.1               31.4
    Not shown at this width: token bytes, stands for.
    cached-lookup: stands for cache_ttl 60 s (1 s here); λT = 6 for the changed subjects: here one request per 167 ms and instance, at 60 s one per 10 s and instance
    short-ttl: stands for token_ttl 300 s (3 s here)
    deny-list cannot: a deny list can only take away
    Added latency, store operations, tokens, CPU and bytes: one background slice per fleet, shared by its scenarios (role-demoted · revoke, role-promoted · grant); the same measurement, not a second one.

    After role-demoted (revoke), no old answer outlived the probes' resolution of 2.1 ms with deny-list, lookup and token-version (+512 µs to +548 µs per request at the median); one lived up to its whole token life (3 s
      here, standing for 300 s) with short-ttl: between 2.95 and 2.99 s at worst, for 0 store operations and 3.1 tokens issued per 1 000 requests. All 9 judged bounds hold.
    Cells measured: 13; 11 valid, 2 noisy, 0 with an invalid family; 1 cannot express the change.
    ! steal time 2.3 % is above 1 %: repeat on a quieter machine [role-demoted · revoke short-ttl; role-promoted · grant short-ttl]
    How to read:
    - Staleness counts from the acknowledgement of a change to the last old answer of any instance: middle (ends). ≤ at most; > watching ended first, (n of m) changes never took effect; – no figure.
    - ✓ every change within bound + resolution; ✗ one certainly over; ? the data cannot tell; ⊘ the strategy cannot express this change; noisy: shown, but it decides nothing; invalid: struck, the reason stands above.
    - Added latency is beyond the control (none), from the intended send; no difference seen (± noise floor): a single run cannot tell it from none. In band: the closed form lies in the measured band. report.html explains
      every word.
    Files of run 20261120-1104-2-cores: report.html, report.md, summary.csv, summary.json
    "#);
}

#[test]
fn a_narrow_terminal_names_what_it_drops() {
    insta::assert_snapshot!(trimmed(&terminal(&fixture::tiny(), 80, false)), @r#"
    role-demoted · revoke · 2 000 requests/s planned · 2 instances · store:
      redis-server 7.0.15 · round trip 507 µs (p99 540 µs)
    strategy       staleness p50     p95  worst               claim
    cached-lookup  448 ms (392–505)  –    994 ms (986–1 002)  ✓ ≤ 1.5 s holds
    Not shown at this width: predicted p50 / p95, added p50, added p99, store
      ops/1k, tokens issued/1k, CPU µs/req, token bytes, stands for.
    cached-lookup: stands for cache_ttl 60 s (1 s here); λT = 6 for the changed
      subjects: here one request per 167 ms and instance, at 60 s one per 10 s and
      instance
    p95 needs 72 changes; here there were 3 with cached-lookup.

    After role-demoted (revoke), an old answer lived up to its whole cache life (1 s
      here, standing for 60 s) with cached-lookup: between 986 and 1 002 ms at
      worst, for 12.4 store operations per 1 000 requests. The one judged bound
      holds.
    Cells measured: 1; 1 valid, 0 noisy, 0 with an invalid family.
    How to read:
    - Staleness counts from the acknowledgement of a change to the last old answer
      of any instance: middle (ends). ≤ at most; > watching ended first, (n of m)
      changes never took effect; – no figure.
    - ✓ every change within bound + resolution; ✗ one certainly over; ? the data
      cannot tell; ⊘ the strategy cannot express this change; noisy: shown, but it
      decides nothing; invalid: struck, the reason stands above.
    - Added latency is beyond the control (none), from the intended send; no
      difference seen (± noise floor): a single run cannot tell it from none. In
      band: the closed form lies in the measured band. report.html explains every
      word.
    Files of run tiny: report.html, report.md, summary.csv, summary.json
    "#);
}

#[test]
fn the_markdown_holds_the_same_tables() {
    insta::assert_snapshot!(markdown(&fixture::tiny()), @r#"
    # Which revocation strategy fits? — tiny

    After role-demoted (revoke), an old answer lived up to its whole cache life (1 s here, standing for 60 s) with cached-lookup: between 986 and 1 002 ms at worst, for 12.4 store operations per 1 000 requests. The one judged bound holds.

    Cells measured: 1; 1 valid, 0 noisy, 0 with an invalid family.

    ## role-demoted · revoke

    How long does a demoted subject keep a permission?

    role-demoted · revoke · 2 000 requests/s planned · 2 instances · store: redis-server 7.0.15 · round trip 507 µs (p99 540 µs)

    | strategy | staleness p50 | p95 | worst | claim | predicted p50 / p95 | added p50 | added p99 | store ops/1k | tokens issued/1k | CPU µs/req | token bytes | stands for |
    | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
    | cached-lookup | 448 ms (392–505) | – | 994 ms (986–1 002) | ✓ ≤ 1.5 s holds | 462 ms / 948 ms, in band | no difference seen (±11.2 µs) | +522 µs | 12.4 | 3.1 | 31.6 | 612 | cache\_ttl 60 s (1 s here) |

    - cached-lookup: stands for cache\_ttl 60 s (1 s here); λT = 6 for the changed subjects: here one request per 167 ms and instance, at 60 s one per 10 s and instance
    - p95 needs 72 changes; here there were 3 with cached-lookup.

    ### Claims

    | strategy | formula | bound | verdict | expected | worst | resolution | changes | over bound | true share over, at most (95 %) |
    | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
    | cached-lookup | cache\_ttl + store\_timeout | ≤ 1.5 s | ✓ holds | holds | 994 ms (986–1 002) | 2.1 ms | 80 | 0 | 3.68 % |

    ### Changes, sessions and instances

    | strategy | seen by | changes | unknown | change latency p50 | change latency p99 | client-visible p50 | client-visible worst | other session p50 | other session worst | regressions | late regressions | by instance: p50 / worst |
    | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
    | cached-lookup | pinned | 3 | 0 | 2.4 ms | 6.1 ms | 448 ms (392–505) | 994 ms (986–1 002) | – | – | 0 | 0 | 0: 448 ms (392–505) / 994 ms (986–1 002); 1: 448 ms (392–505) / 994 ms (986–1 002) |

    ### Exposure

    | strategy | stale allowed | per million requests after the change | writes after ack | forced logouts | implied mean window |
    | --- | --- | --- | --- | --- | --- |
    | cached-lookup | 230 | 96 000 | 0 | 0 | 481 ms |

    ## Cost: role-demoted · revoke

    | strategy | offered/s | achieved/s | store ops/1k | round trips on path | token bytes | tokens issued/1k | resource CPU µs/req | authority CPU µs/req | store CPU µs/req | cache hits | memory MiB |
    | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
    | cached-lookup | 2 000 | 2 000 | 12.4 exact | 0.0124 | 612 exact | 3.1 | 31.6 | 2.2 | 0.031 | 98.6 % | resource 14.2, store 9.8 |

    ## Can I trust this?

    | cell | staleness | latency | throughput | cost |
    | --- | --- | --- | --- | --- |
    | role-demoted · revoke cached-lookup | ✓ valid | ✓ valid | ✓ valid | ✓ valid |

    ## How to read

    - Staleness counts from the acknowledgement of a change to the last old answer of any instance, and is known only to lie between two probes: the first number is the middle, the brackets hold the ends (of the 95 % interval, for a percentile).
    - ≤ means at most: nothing older was seen than the probes can resolve, or the lower end is 0. > means that watching ended first; (80 of 80) counts the changes that never took effect while watched.
    - – means that there is no figure: the row has no such family, or too little was measured for it; the lines below a table say what was missing.
    - Rows go from fresh to stale; what lies at or below the resolution is equal and goes by name. Then come the control (none) and the floor.
    - A claim is broken if one change was certainly stale for longer than the bound, and holds if every upper end is within bound + resolution; ? means that the data cannot decide.
    - Predicted is a closed form computed from the settings alone; in band says that its curve lies in the band around the measured one (α = 10⁻³).
    - Added latency is the difference to the control (none: verification only) at the same load, from the intended send. A single run has no interval behind it, so a difference within the noise floor reads no difference seen (± the floor): the larger of a tenth of the control's figure and the furthest that any strategy came out below the control, which does less than all of them. With blocks, the 95 % interval decides.
    - Durations here are short and stand for long ones at equal λT; the last column names the setting that is meant and the one that was measured.
    - noisy: marks a figure that is shown and decides nothing; a noisy control makes every added latency noisy. invalid strikes a family of figures from every answer; the reason is given in words.

    ## Environment

    | what | value |
    | --- | --- |
    | profile | quick |
    | started (UTC) | 2026-11-20T11:04:00Z |
    | revbench | 0.1.0 (0beaf10) |
    | CPU | Example CPU 2.5 GHz |
    | cores | 2 |
    | memory | 7 950 MiB |
    | kernel | 6.8.0 |
    | clock source | tsc |
    | placement | driver on core 0; servers, authority, store and link on core 1 |
    | store | redis-server 7.0.15 |
    | store settings | no persistence |
    | store round trip asked | 500 µs |
    | store round trip measured | p50 507 µs, p99 540 µs |

    ## Reproduce

        revbench run --profile quick --seed 42

    Seed 42.
    "#);
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for docs in [fixture::typical(), fixture::censored(), fixture::invalid(), fixture::embedded()] {
        for width in [80, 100, 140, 200] {
            for line in terminal(&docs, width, false).lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
    }
}

#[test]
fn colour_adds_codes_and_changes_no_word() {
    let plain = terminal(&fixture::invalid(), 140, false);
    let coloured = terminal(&fixture::invalid(), 140, true);
    assert!(!plain.contains('\u{1b}') && coloured.contains("\u{1b}["));
    let mut stripped = String::new();
    let mut parts = coloured.split("\u{1b}[");
    stripped.push_str(parts.next().expect("a beginning"));
    for part in parts {
        stripped.push_str(part.split_once('m').expect("a code").1);
    }
    assert_eq!(stripped, plain);
}

#[test]
fn names_from_files_cannot_steer_the_terminal_or_the_page() {
    let docs = fixture::hostile();
    for text in [terminal(&docs, 120, false), markdown(&docs), html(&docs)] {
        assert!(!text.contains(['\u{1b}', '\u{202e}']));
    }
    let in_code = |line: &&str| line.starts_with("    ");
    assert!(!markdown(&docs).lines().filter(|line| !in_code(line)).any(|line| line.contains("<img")));
    let lines = csv(&docs.summary).split_terminator("\r\n").count();
    assert_eq!(lines, 1 + docs.summary.cells.len());
}

#[test]
fn an_embedded_store_is_never_called_by_another_name() {
    let docs = fixture::embedded();
    for text in [terminal(&docs, 160, false), markdown(&docs), html(&docs), csv(&docs.summary)] {
        assert!(!text.to_lowercase().contains("redis"));
    }
    for text in [terminal(&docs, 1_000, false), markdown(&docs), html(&docs)] {
        assert!(text.contains("best case, not a deployment"));
        assert!(text.contains("Smoke profile — do not use for decisions"));
        assert!(text.contains("store: embedded 0.1.0"));
    }
}

#[test]
fn every_doubt_is_given_in_words_with_its_cells() {
    let text = terminal(&fixture::typical(), 1_000, false);
    let doubt = "! steal time 2.3 % is above 1 %: repeat on a quieter machine";
    let cells = "[role-demoted · revoke short-ttl; role-promoted · grant short-ttl]";
    assert!(text.contains(&format!("{doubt} {cells}\n")), "{text}");
}
