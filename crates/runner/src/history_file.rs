//! The raw history on disk: plain tables, compressed, that any standard library reads.
//!
//! `history/<strategy>/subjects.csv`, `changes.csv`, `reissues.csv`, `requests.csv.gz` and `tokens.csv.gz`, `faults.csv`
//! where something was broken on purpose; in a run of several blocks below `history/block-<number>/`. Times are
//! nanoseconds since the fleet's zero, whose CLOCK_MONOTONIC instant is in the manifest.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use revbench_model::event::{ChangeOutcome, History, Purpose, SessionRole, SubjectRole};

/// Writes a fleet's history below `folder`.
///
/// # Errors
/// What the file system says.
pub(crate) fn write(folder: &Path, history: &History, scenario_names: &[String]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    write_subjects(BufWriter::new(File::create(folder.join("subjects.csv"))?), history, scenario_names)?;
    write_changes(BufWriter::new(File::create(folder.join("changes.csv"))?), history)?;
    write_reissues(BufWriter::new(File::create(folder.join("reissues.csv"))?), history)?;
    if !history.faults.is_empty() {
        write_faults(BufWriter::new(File::create(folder.join("faults.csv"))?), history)?;
    }
    packed(&folder.join("requests.csv.gz"), |out| write_requests(out, history))?;
    packed(&folder.join("tokens.csv.gz"), |out| write_tokens(out, history))
}

type Packed = BufWriter<GzEncoder<File>>;

fn packed(path: &Path, write: impl FnOnce(&mut Packed) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::new(GzEncoder::new(File::create(path)?, Compression::default()));
    write(&mut out)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.finish()?;
    Ok(())
}

fn write_subjects(mut out: impl Write, history: &History, scenario_names: &[String]) -> io::Result<()> {
    writeln!(out, "subject,id,scenario,role")?;
    for (number, subject) in history.subjects.iter().enumerate() {
        let scenario = &scenario_names[usize::from(subject.scenario)];
        writeln!(out, "{number},{},{scenario},{}", subject.id, role(subject.role))?;
    }
    out.flush()
}

fn write_changes(mut out: impl Write, history: &History) -> io::Result<()> {
    writeln!(out, "subject,orientation,intended_ns,submitted_ns,acknowledged_ns,outcome")?;
    for change in &history.changes {
        let outcome = match change.outcome {
            ChangeOutcome::Ok => "ok",
            ChangeOutcome::Fail => "fail",
            ChangeOutcome::Info => "info",
        };
        let orientation = change.orientation.name();
        let (intended, submitted) = (change.intended_ns, change.submitted_ns);
        writeln!(
            out,
            "{},{orientation},{intended},{submitted},{},{outcome}",
            change.subject, change.acknowledged_ns
        )?;
    }
    out.flush()
}

fn write_reissues(mut out: impl Write, history: &History) -> io::Result<()> {
    writeln!(out, "subject,session,received_ns")?;
    for reissue in &history.reissues {
        writeln!(out, "{},{},{}", reissue.subject, session(reissue.session), reissue.received_ns)?;
    }
    out.flush()
}

/// Which resource servers a fault was about is separated by blanks; nothing means all.
fn write_faults(mut out: impl Write, history: &History) -> io::Result<()> {
    writeln!(out, "kind,began_ns,healed_ns,instances")?;
    for fault in &history.faults {
        let healed = fault.healed_ns.map(|at_ns| at_ns.to_string()).unwrap_or_default();
        let instances: Vec<String> = fault.instances.iter().map(u16::to_string).collect();
        writeln!(out, "{},{},{healed},{}", fault.kind.name(), fault.began_ns, instances.join(" "))?;
    }
    out.flush()
}

fn write_requests(mut out: impl Write, history: &History) -> io::Result<()> {
    writeln!(out, "subject,session,purpose,instance,intended_ns,sent_ns,received_ns,status,decision,write")?;
    for request in &history.requests {
        let session = session(request.session);
        let purpose = match request.purpose {
            Purpose::Background => "background",
            Purpose::Probe => "probe",
            Purpose::Audit => "audit",
            Purpose::Stream => "stream",
            Purpose::Refresh => "refresh",
        };
        writeln!(
            out,
            "{},{session},{purpose},{},{},{},{},{},{},{}",
            request.subject,
            request.instance,
            request.intended_ns,
            request.sent_ns,
            request.received_ns,
            request.status,
            decision(request.decision),
            u8::from(request.write),
        )?;
    }
    out.flush()
}

/// `shown`: 1 where the token names the permission that is asked for, 0 where it does not, empty where it names none.
fn write_tokens(mut out: impl Write, history: &History) -> io::Result<()> {
    writeln!(out, "subject,session,received_ns,shown")?;
    for token in &history.tokens {
        let shown = token.shown.map_or("", |shown| if shown { "1" } else { "0" });
        writeln!(out, "{},{},{},{shown}", token.subject, session(token.session), token.received_ns)?;
    }
    out.flush()
}

fn decision(class: revbench_model::DecisionClass) -> &'static str {
    use revbench_model::DecisionClass::{Allow, Deny, Error, Reauthenticate};
    match class {
        Allow => "allow",
        Deny => "deny",
        Reauthenticate => "reauthenticate",
        Error => "error",
    }
}

fn session(role: SessionRole) -> &'static str {
    match role {
        SessionRole::Pinned => "pinned",
        SessionRole::Honest => "honest",
    }
}

fn role(role: SubjectRole) -> &'static str {
    match role {
        SubjectRole::Treated => "treated",
        SubjectRole::Unprobed => "unprobed",
        SubjectRole::OneShot => "one_shot",
        SubjectRole::ControlAllowed => "control_allowed",
        SubjectRole::ControlDenied => "control_denied",
        SubjectRole::Crowd => "crowd",
    }
}
