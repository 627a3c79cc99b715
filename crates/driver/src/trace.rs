//! Recorded traffic as CSV: `time_s,subject[,permission-or-change]`.

use std::collections::HashMap;

use crate::plan::{Arrivals, Trace, TraceRequest};

/// A line of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceEntry {
    /// When, since the trace's zero.
    pub at_ns: u64,
    /// Who, as the trace names it.
    pub subject: String,
    /// The permission asked for, or the word `change`; `None` for the scenario's permission.
    pub what: Option<String>,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct TraceError {
    /// Counted from 1.
    pub line: usize,
    /// Which value, and what is accepted.
    pub problem: String,
}

/// Reads a whole trace, or every problem in it. Empty lines, lines that begin with `#` and a first line
/// `time_s,…` are skipped.
pub fn parse_trace(text: &str) -> Result<Vec<TraceEntry>, Vec<TraceError>> {
    let (mut entries, mut errors) = (Vec::<TraceEntry>::new(), Vec::new());
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') || (index == 0 && line.starts_with("time_s,")) {
            continue;
        }
        let earliest_ns = entries.last().map_or(0, |entry| entry.at_ns);
        match parse_line(line, earliest_ns) {
            Ok(entry) => entries.push(entry),
            Err(problem) => errors.push(TraceError { line: index + 1, problem }),
        }
    }
    if errors.is_empty() { Ok(entries) } else { Err(errors) }
}

fn parse_line(line: &str, earliest_ns: u64) -> Result<TraceEntry, String> {
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    let (time, subject, what) = match fields[..] {
        [time, subject] => (time, subject, None),
        [time, subject, what] => (time, subject, Some(what).filter(|what| !what.is_empty())),
        _ => {
            return Err(format!(
                "{} fields in `{line}`; expected time_s,subject[,permission-or-change]",
                fields.len()
            ));
        }
    };
    let seconds = time.parse::<f64>().ok().filter(|s| s.is_finite() && (0.0..1e9).contains(s));
    let seconds = seconds.ok_or_else(|| format!("time `{time}` is not a number of seconds from 0 on"))?;
    if subject.is_empty() {
        return Err("the subject is empty; expected a name".to_owned());
    }
    let at_ns = (seconds * 1e9).round() as u64;
    if at_ns < earliest_ns {
        return Err(format!("time `{time}` is before the line above; expected times in order"));
    }
    Ok(TraceEntry { at_ns, subject: subject.to_owned(), what: what.map(str::to_owned) })
}

/// The requests of a trace as arrivals: subjects and permissions numbered in order of appearance, changes left out.
pub fn arrivals(entries: &[TraceEntry]) -> Arrivals {
    let mut subjects = HashMap::new();
    let mut trace = Trace::default();
    for entry in entries.iter().filter(|entry| entry.what.as_deref() != Some("change")) {
        let next = subjects.len() as u32;
        let subject = *subjects.entry(entry.subject.as_str()).or_insert(next);
        let asked = entry.what.as_deref().map(|what| number_of(what, &mut trace));
        trace.requests.push(TraceRequest { at_ns: entry.at_ns, subject, asked });
    }
    Arrivals::Trace(trace)
}

fn number_of(permission: &str, trace: &mut Trace) -> u16 {
    let known = trace.asked.iter().position(|asked| asked.as_str() == permission);
    let number = known.unwrap_or_else(|| {
        trace.asked.push(permission.into());
        trace.asked.len() - 1
    });
    number as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_read_and_numbered() {
        let entries = parse_trace(
            "time_s,subject,what\n0,ann\n# pause\n\n0.5, bob ,orders:read\n0.5,ann,change\n2,bob,\n",
        );
        let entries = entries.unwrap();
        assert_eq!(entries.len(), 4);
        assert_eq!(entries[1].what.as_deref(), Some("orders:read"));
        assert_eq!(entries[3].what, None);
        let request = |at_ns, subject, asked| TraceRequest { at_ns, subject, asked };
        let requests =
            vec![request(0, 0, None), request(500_000_000, 1, Some(0)), request(2_000_000_000, 1, None)];
        assert_eq!(
            arrivals(&entries),
            Arrivals::Trace(Trace { requests, asked: vec!["orders:read".into()] })
        );
    }

    #[test]
    fn every_problem_is_told_with_its_line() {
        let errors = parse_trace("1,ann\nx,bob\n0.5,bob\n2\n3,,\n-1,a\n").unwrap_err();
        let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "line 2: time `x` is not a number of seconds from 0 on",
                "line 3: time `0.5` is before the line above; expected times in order",
                "line 4: 1 fields in `2`; expected time_s,subject[,permission-or-change]",
                "line 5: the subject is empty; expected a name",
                "line 6: time `-1` is not a number of seconds from 0 on",
            ]
        );
    }
}
