//! Reads a target file; every mistake at once.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::bound::{self, Settings};
use super::exchange::{check_header_name, check_path, is_pointer};
use super::requests::{self, Requests, tables};
use super::template::Known;
use super::words::FORMAT;
use super::{
    Address, TargetChange, TargetFile, TargetInstance, TargetLimits, TargetTransport, address, secrets,
    statuses, unedited,
};
use crate::problem::{self, Problem};
use crate::reading::{At, Problems, Section, check_word};
use crate::target::Target;

pub(super) const ROOT: &[&str] = &[
    "name",
    "version",
    "about",
    "instance_header",
    "token_permissions",
    "metrics",
    "authority",
    "instance",
    "values",
    "secrets",
    "settings",
    "subjects",
    "sign_in",
    "refresh",
    "protected",
    "answers",
    "change",
    "limits",
    "transport",
];
pub(super) const AUTHORITY: &[&str] = &["address"];
pub(super) const INSTANCE: &[&str] = &["address", "name"];
pub(super) const LIMITS: &[&str] = &["requests_per_s", "sign_ins_per_s", "changes_per_s"];
pub(super) const TRANSPORT: &[&str] = &["http", "ca", "client_certificate", "client_key"];

const VERSIONS: &[(&str, bool)] = &[("1.1", false), ("2", true)];
/// What a limit goes from and to, per second.
const RATES: std::ops::RangeInclusive<f64> = 0.01..=1_000_000.0;

/// Reads the text of a target file. Where subjects come from a table, a variable that nothing else defines may be one of
/// its columns: [`check_columns`] knows once it is read.
///
/// # Errors
/// All its mistakes, each with place, reason and what to write instead.
pub fn parse(file: &str, text: &str) -> Result<TargetFile, Vec<Problem>> {
    read(file, text, None)
}

/// The mistakes of a target file whose table of subjects has these columns: variables that are neither a column nor defined
/// elsewhere, beside all that [`parse`] finds.
pub fn check_columns(file: &str, text: &str, columns: &[&str]) -> Vec<Problem> {
    read(file, text, Some(columns)).err().unwrap_or_default()
}

fn read(file: &str, text: &str, columns: Option<&[&str]>) -> Result<TargetFile, Vec<Problem>> {
    let (document, syntax) = DeTable::parse_recoverable(text);
    let mut problems = Problems::new(file, text);
    problems.add_syntax(&syntax);
    unedited::find(document.get_ref(), &mut problems);
    let root = Section::root(FORMAT, &document, ROOT, &mut problems);
    let draft = read_root(&root, columns, &mut problems);
    match draft {
        Some(target_file) if problems.is_empty() => Ok(target_file),
        _ => Err(problems.into_sorted()),
    }
}

fn read_root<'t>(
    root: &Section<'t>,
    columns: Option<&[&'t str]>,
    problems: &mut Problems<'_>,
) -> Option<TargetFile> {
    let name = root.needed_text("name", problems);
    check_word(&name, "name", "notes-service", problems);
    let version = root.text("version", problems);
    let about = root.needed_text("about", problems);
    let (authority, instances) = read_places(root, problems);
    let values = secrets::read_values(root, problems);
    let secrets = secrets::read_secrets(root, problems);
    let own = own_variables(root, columns, problems);
    let settings = bound::read_settings(root, problems);
    let (subjects, seeded) = requests::read_subjects(root, &own, problems);
    let requests = requests::read(root, &own, &seeded, &settings, problems);
    let places: Vec<&At<Address>> =
        authority.iter().chain(instances.iter().map(|(_, address)| address)).collect();
    let limits = read_limits(root, &places, problems);
    let transport = read_transport(root, &places, problems);
    let metrics = root.text("metrics", problems);
    if let Some((path, span)) = &metrics {
        check_path("metrics", path, span, problems);
    }
    let (target, changes) = read_target(root, values, requests, problems)?;
    Some(TargetFile {
        name: name?.0.to_owned(),
        version: version.map(|(version, _)| version.trim().to_owned()),
        about: about?.0.trim().to_owned(),
        authority: authority?.0,
        instances: instances
            .into_iter()
            .map(|(name, (address, _))| TargetInstance { address, name })
            .collect(),
        target,
        subjects,
        settings: known_settings(&settings),
        changes,
        metrics: metrics.map(|(path, _)| path.to_owned()),
        limits,
        transport,
        secrets,
    })
}

/// The names of values and secrets, the wrong ones too, and of columns.
fn own_variables<'t>(
    root: &Section<'t>,
    columns: Option<&[&'t str]>,
    problems: &mut Problems<'_>,
) -> Known<'t> {
    let mut names: Vec<&str> = keys(root, "values").into_iter().map(|(name, _)| name).collect();
    for (name, span) in keys(root, "secrets") {
        if names.contains(&name) {
            let message = format!("'{name}' is a value and a secret");
            problems.add(problem::CONTRADICTION, &span, message, Some("keep one of them".to_owned()));
        }
        names.push(name);
    }
    let subjects = root.value("subjects").and_then(|(subjects, _)| subjects.as_table());
    let has_table = subjects.is_some_and(|subjects| subjects.contains_key("table"));
    let columns = match columns {
        Some(columns) => Some(columns.to_vec()),
        None => (!has_table).then(Vec::new),
    };
    Known::new(names, columns)
}

fn known_settings(settings: &Settings<'_>) -> BTreeMap<String, f64> {
    settings.iter().filter_map(|(name, ms)| Some(((*name).to_owned(), (*ms)?))).collect()
}

/// The keys of a table of the file.
fn keys<'t>(root: &Section<'t>, table: &str) -> Vec<At<&'t str>> {
    match root.value(table) {
        Some((DeValue::Table(table), _)) => {
            table.keys().map(|key| (key.get_ref().as_ref(), key.span())).collect()
        }
        _ => Vec::new(),
    }
}

/// The authority, and the instances by name.
type Places = (Option<At<Address>>, Vec<(String, At<Address>)>);

/// `[authority]` and `[[instance]]`
fn read_places(root: &Section<'_>, problems: &mut Problems<'_>) -> Places {
    let authority = root.below("authority", AUTHORITY, problems);
    authority.require(root, problems);
    let authority = address::read(&authority, problems);
    let mut instances: Vec<(String, At<Address>)> = Vec::new();
    for (number, table) in tables(root, "instance", problems).iter().enumerate() {
        let called = format!("[[instance]] number {}", number + 1);
        let section = root.of_value(("instance", called), ("instance", table), None, problems);
        section.refuse_unknown(INSTANCE, problems);
        let name = read_instance_name(&section, number, &instances, problems);
        let Some((address, span)) = address::read(&section, problems) else { continue };
        if let Some((other, _)) = instances.iter().find(|(_, (known, _))| *known == address) {
            let message = format!("instance '{other}' has this address already");
            let help = "leave one of them out: one that is asked twice is not two".to_owned();
            problems.add(problem::CONTRADICTION, &span, message, Some(help));
        }
        instances.push((name, (address, span)));
    }
    (authority, instances)
}

fn read_instance_name(
    section: &Section<'_>,
    number: usize,
    others: &[(String, At<Address>)],
    problems: &mut Problems<'_>,
) -> String {
    let Some((name, span)) = section.text("name", problems) else { return format!("r{number}") };
    let is_letter = |c: char| c.is_ascii_alphanumeric() || ".:_-".contains(c);
    if name.len() > 100 || !name.chars().all(is_letter) {
        let message = format!("'{}' is no name of an instance", name.escape_debug());
        let help = "use at most 100 letters, digits and . : _ -, as the instance header has them".to_owned();
        problems.add(problem::BAD_NAME, &span, message, Some(help));
    }
    if others.iter().any(|(other, _)| other == name) {
        let message = format!("instance '{name}' is there already");
        problems.add(problem::CONTRADICTION, &span, message, Some("give each its own name".to_owned()));
    }
    name.to_owned()
}

/// `[limits]`; other machines than this one have them.
fn read_limits(root: &Section<'_>, places: &[&At<Address>], problems: &mut Problems<'_>) -> TargetLimits {
    let section = root.below("limits", LIMITS, problems);
    if let Some((address, span)) = places.iter().find(|(address, _)| !address.is_loopback()) {
        let place = if section.is_present() { section.span() } else { span };
        for (key, such) in [("requests_per_s", "20"), ("sign_ins_per_s", "1")] {
            if !section.has(key) && problems.all_readable() {
                let message =
                    format!("'{}' is not this machine, and [limits] does not say {key}", address.host);
                let help = format!("add under [limits], as its owners allow: {key} = {such}");
                problems.add(problem::MISSING_KEY, place, message, Some(help));
            }
        }
    }
    let [requests_per_s, sign_ins_per_s, changes_per_s] =
        ["requests_per_s", "sign_ins_per_s", "changes_per_s"]
            .map(|key| section.number(key, RATES, problems).map(|(rate, _)| rate));
    TargetLimits { requests_per_s, sign_ins_per_s, changes_per_s }
}

/// `[transport]`
fn read_transport(
    root: &Section<'_>,
    places: &[&At<Address>],
    problems: &mut Problems<'_>,
) -> TargetTransport {
    let section = root.below("transport", TRANSPORT, problems);
    let http2 = section.choice("http", VERSIONS, problems).is_some_and(|(http2, _)| http2);
    let ca = section.text("ca", problems);
    let certificate = section.text("client_certificate", problems);
    let key = section.text("client_key", problems);
    if certificate.is_some() {
        section.demand("client_key", problems);
    }
    if key.is_some() {
        section.demand("client_certificate", problems);
    }
    let is_plain = !places.is_empty() && places.iter().all(|(address, _)| !address.tls);
    let of_tls = [("ca", &ca), ("client_certificate", &certificate), ("client_key", &key)];
    for (key, (_, span)) in of_tls.into_iter().filter_map(|(key, found)| Some((key, found.as_ref()?))) {
        if is_plain {
            let message = format!("'{key}' is about https, and every address is http://");
            let help = format!("leave '{key}' out, or write https:// addresses");
            problems.add(problem::CONTRADICTION, span, message, Some(help));
        }
    }
    let owned = |found: Option<At<&str>>| found.map(|(path, _)| path.to_owned());
    TargetTransport { http2, ca: owned(ca), client: owned(certificate).zip(owned(key)) }
}

/// The requests, and what their answers mean.
fn read_target(
    root: &Section<'_>,
    values: BTreeMap<String, String>,
    requests: Option<Requests>,
    problems: &mut Problems<'_>,
) -> Option<(Target, Vec<TargetChange>)> {
    let answers = statuses::read_answers(root, problems);
    let instance_header = root.text("instance_header", problems);
    if let Some((header, span)) = &instance_header {
        check_header_name(header, span, problems);
    }
    let token_permissions = root.text("token_permissions", problems);
    if let Some((pointer, span)) = &token_permissions
        && !is_pointer(pointer)
    {
        let message = format!("'{}' of 'token_permissions' is no JSON pointer", pointer.escape_debug());
        let help = "write it like /permissions or /realm_access/roles".to_owned();
        problems.add(problem::CAPTURE, span, message, Some(help));
    }
    let Requests { sign_in, refresh, protected, changes } = requests?;
    // Every scenario has its own.
    let unused = changes.first()?.make.clone();
    let target = Target {
        sign_in,
        refresh,
        protected,
        stream: None,
        change: unused.clone(),
        own_change: unused.clone(),
        revoke_token: unused,
        answers,
        instance_header: instance_header.map(|(header, _)| header.to_ascii_lowercase()),
        decided_at_header: None,
        reissued_header: None,
        token_permissions: token_permissions.map(|(pointer, _)| pointer.to_owned()),
        variables: values,
    };
    Some((target, changes))
}
