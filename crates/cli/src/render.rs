//! Mistakes and failures as people and programs read them: all at once, each with place, reason and remedy.

use std::fmt::Write as _;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Severity, SourceCode,
};
use revbench_model::Problem;
use revbench_model::problem::CODES;
use serde::Serialize;

use crate::exit::ExitCode;

/// A flag's value is none that the flag takes.
pub(crate) const BAD_VALUE: &str = "E101";
/// A name that does not exist.
pub(crate) const UNKNOWN_NAME: &str = "E102";
/// A file or folder that cannot be read.
pub(crate) const UNREADABLE: &str = "E103";
/// Flags that cannot be given together.
pub(crate) const CONFLICT: &str = "E104";
/// An argument that the command does not have.
pub(crate) const ARGUMENTS: &str = "E105";
/// A folder that is not to be written over.
pub(crate) const IN_USE: &str = "E106";
/// A list of names without a name.
pub(crate) const NOTHING_SELECTED: &str = "E107";
/// Runs that answer different questions.
pub(crate) const INCOMPARABLE: &str = "E108";
/// What the command needs is missing or was lost.
pub(crate) const NOT_READY: &str = "E201";
/// Anything else.
pub(crate) const INTERNAL: &str = "E202";

/// The codes of this crate, beside those of files.
const OWN_CODES: &[(&str, &str)] = &[
    (BAD_VALUE, "The value of a flag has the wrong form; the message names the accepted one."),
    (
        UNKNOWN_NAME,
        "No strategy, scenario, profile, parameter or mutant has this name; `revbench list` prints them.",
    ),
    (UNREADABLE, "A file or folder that was named cannot be read."),
    (CONFLICT, "Two things were given that contradict each other: flags, or scenarios of one name."),
    (ARGUMENTS, "The command has no such argument, or lacks one; `--help` lists them with examples."),
    (IN_USE, "The folder holds something already, and what was measured is never written over."),
    (NOTHING_SELECTED, "A flag that takes names was given without one, so there is nothing to do."),
    (
        INCOMPARABLE,
        "Two runs differ in what was asked of them, so that a difference of results would mean nothing.",
    ),
    (
        NOT_READY,
        "A store, server or port that the command needs is missing or was lost; `revbench doctor` looks.",
    ),
    (
        INTERNAL,
        "The command failed at something that the user cannot be blamed for; the message says at what.",
    ),
];

/// What a code means.
pub(crate) fn explain_code(code: &str) -> Option<&'static str> {
    let mut known = CODES.iter().chain(OWN_CODES);
    known.find(|(name, _)| name.eq_ignore_ascii_case(code)).map(|(_, meaning)| *meaning)
}

/// A mistake of the user, in a file or in the arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// In a file.
    File {
        /// Where and what.
        problem: Box<Problem>,
        /// The file's text, to show the place.
        text: String,
    },
    /// In the arguments.
    Argument {
        /// What is wrong.
        message: String,
        /// What to write instead.
        help: Option<String>,
        /// The kind of mistake.
        code: &'static str,
    },
}

impl Mistake {
    /// A mistake in the arguments.
    pub(crate) fn argument(
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Mistake {
        Mistake::Argument {
            message: message.into(),
            help: Some(help.into()).filter(|help| !help.is_empty()),
            code,
        }
    }

    /// Mistakes of one file.
    pub(crate) fn in_file(problems: Vec<Problem>, text: &str) -> Vec<Mistake> {
        let one = |problem| Mistake::File { problem: Box::new(problem), text: text.to_owned() };
        problems.into_iter().map(one).collect()
    }

    /// As a script reads it.
    pub(crate) fn as_json(&self) -> MistakeJson<'_> {
        match self {
            Mistake::File { problem, text } => {
                let (line, column) = problem.line_column(text);
                MistakeJson {
                    code: problem.code,
                    message: &problem.message,
                    file: Some(&problem.file),
                    line: Some(line),
                    column: Some(column),
                    help: problem.help.as_deref(),
                }
            }
            Mistake::Argument { message, help, code } => {
                MistakeJson { help: help.as_deref(), ..MistakeJson::bare(code, message) }
            }
        }
    }

    fn plain(&self) -> String {
        let MistakeJson { code, message, file, line, column, help } = self.as_json();
        let mut text = match (file, line, column) {
            (Some(file), Some(line), Some(column)) => format!("{file}:{line}:{column}: "),
            _ => String::new(),
        };
        let _ = write!(text, "error[{code}]: {message}");
        if let Some(help) = help {
            let _ = write!(text, "\n  help: {help}");
        }
        text
    }

    fn graphical(&self, theme: &GraphicalTheme) -> String {
        match self {
            Mistake::Argument { .. } => self.plain(),
            Mistake::File { problem, text } => {
                let named = NamedSource::new(&problem.file, text.clone());
                let mut drawn = String::new();
                let handler = GraphicalReportHandler::new_themed(theme.clone()).with_width(100);
                match handler.render_report(&mut drawn, &InFile { problem, named }) {
                    Ok(()) => drawn,
                    Err(_) => self.plain(),
                }
            }
        }
    }
}

/// A mistake in the form of `--json`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct MistakeJson<'a> {
    code: &'a str,
    message: &'a str,
    file: Option<&'a str>,
    line: Option<usize>,
    column: Option<usize>,
    help: Option<&'a str>,
}

impl<'a> MistakeJson<'a> {
    fn bare(code: &'a str, message: &'a str) -> MistakeJson<'a> {
        MistakeJson { code, message, file: None, line: None, column: None, help: None }
    }
}

/// A [`Problem`] for miette.
#[derive(Debug, thiserror::Error)]
#[error("{}", problem.message)]
struct InFile<'a> {
    problem: &'a Problem,
    named: NamedSource<String>,
}

impl Diagnostic for InFile<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        Some(Box::new(self.problem.code))
    }

    fn severity(&self) -> Option<Severity> {
        Some(Severity::Error)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.problem.help.as_ref().map(|help| Box::new(help) as Box<dyn std::fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.named)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.problem.span.clone();
        Some(Box::new(std::iter::once(LabeledSpan::new(None, span.start, span.len()))))
    }
}

/// Everything that is wrong with what was asked for. Nothing was done.
#[derive(Debug, Default, thiserror::Error)]
#[error("{} found; nothing was done", count(.0.len(), "mistake"))]
pub(crate) struct Mistakes(pub(crate) Vec<Mistake>);

impl Mistakes {
    /// The value; a mistake is kept instead.
    pub(crate) fn keep<T>(&mut self, result: Result<T, Mistake>) -> Option<T> {
        result.map_err(|mistake| self.0.push(mistake)).ok()
    }

    /// All mistakes as an error, where there are any.
    pub(crate) fn into_result(self) -> Result<(), Mistakes> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }

    /// The list that `--json` prints.
    pub(crate) fn as_json(&self) -> Vec<MistakeJson<'_>> {
        self.0.iter().map(Mistake::as_json).collect()
    }
}

/// `1 mistake`, `2 mistakes`.
pub(crate) fn count(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

/// A failure with its own exit code.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    /// How to leave.
    pub(crate) exit: ExitCode,
    /// The kind of failure.
    pub(crate) code: &'static str,
    /// What happened.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) help: Option<String>,
}

impl Failure {
    pub(crate) fn new(exit: ExitCode, code: &'static str, message: impl Into<String>) -> Failure {
        Failure { exit, code, message: message.into(), help: None }
    }

    /// Something that the command needs is missing.
    pub(crate) fn environment(message: impl Into<String>) -> Failure {
        Failure::new(ExitCode::Environment, NOT_READY, message)
    }

    /// The same with a remedy.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Failure {
        self.help = Some(help.into());
        self
    }
}

/// What `--json` prints of a command that failed: a list, because mistakes come several at once.
pub(crate) fn error_json(error: &anyhow::Error) -> serde_json::Value {
    let list = match (error.downcast_ref::<Mistakes>(), error.downcast_ref::<Failure>()) {
        (Some(mistakes), _) => serde_json::to_value(mistakes.as_json()),
        (None, Some(Failure { code, message, help, .. })) => {
            serde_json::to_value([MistakeJson { help: help.as_deref(), ..MistakeJson::bare(code, message) }])
        }
        (None, None) => serde_json::to_value([MistakeJson::bare(INTERNAL, &format!("{error:#}"))]),
    };
    list.expect("texts and numbers only")
}

/// A failure in words; `fancy` draws places with their lines.
pub(crate) fn error(error: &anyhow::Error, fancy: bool) -> String {
    if let Some(Failure { message, help: Some(help), .. }) = error.downcast_ref::<Failure>() {
        return format!("error: {message}\n  help: {help}");
    }
    let Some(mistakes) = error.downcast_ref::<Mistakes>() else { return format!("error: {error:#}") };
    let theme = fancy.then(GraphicalTheme::unicode);
    let mut text = String::new();
    for mistake in &mistakes.0 {
        let one = theme.as_ref().map_or_else(|| mistake.plain(), |theme| mistake.graphical(theme));
        let _ = writeln!(text, "{}", one.trim_end());
    }
    let _ = write!(text, "{mistakes}. More: revbench explain {}", first_code(&mistakes.0));
    text
}

fn first_code(mistakes: &[Mistake]) -> &str {
    mistakes.first().map_or("CODE", |mistake| mistake.as_json().code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes() -> Mistakes {
        let text = "name = \"role-demoted\"\nquestoin = \"?\"\n";
        let problem = Problem {
            file: "mine.toml".to_owned(),
            span: 22..30,
            message: "unknown key 'questoin'".to_owned(),
            help: Some("did you mean 'question'?".to_owned()),
            code: "E002",
        };
        let mut all = Mistake::in_file(vec![problem], text);
        all.push(Mistake::argument(
            BAD_VALUE,
            "value '5' of --store-rtt has no unit",
            "write --store-rtt 5ms",
        ));
        Mistakes(all)
    }

    #[test]
    fn plain_words_have_place_reason_and_remedy() {
        insta::assert_snapshot!(error(&mistakes().into(), false), @"
        mine.toml:2:1: error[E002]: unknown key 'questoin'
          help: did you mean 'question'?
        error[E101]: value '5' of --store-rtt has no unit
          help: write --store-rtt 5ms
        2 mistakes found; nothing was done. More: revbench explain E002
        ");
    }

    #[test]
    fn drawn_places_show_their_line() {
        let drawn = mistakes().0[0].graphical(&GraphicalTheme::unicode_nocolor());
        insta::assert_snapshot!(drawn, @r#"
        E002

          × unknown key 'questoin'
           ╭─[mine.toml:2:1]
         1 │ name = "role-demoted"
         2 │ questoin = "?"
           · ────────
           ╰────
          help: did you mean 'question'?
        "#);
    }

    #[test]
    fn every_failure_has_a_code_for_scripts() {
        let check = |error: anyhow::Error, code: &str, message: &str, help: serde_json::Value| {
            let listed = error_json(&error);
            assert_eq!(listed.as_array().map(Vec::len), Some(1));
            let one = &listed[0];
            assert_eq!((&one["code"], &one["message"], &one["help"]), (&code.into(), &message.into(), &help));
            assert!(explain_code(code).is_some());
        };
        check(
            Failure::environment("no store").help("start one").into(),
            NOT_READY,
            "no store",
            "start one".into(),
        );
        check(anyhow::anyhow!("inner").context("outer"), INTERNAL, "outer: inner", serde_json::Value::Null);
    }

    #[test]
    fn scripts_get_fields() {
        insta::assert_json_snapshot!(mistakes().as_json(), @r#"
        [
          {
            "code": "E002",
            "message": "unknown key 'questoin'",
            "file": "mine.toml",
            "line": 2,
            "column": 1,
            "help": "did you mean 'question'?"
          },
          {
            "code": "E101",
            "message": "value '5' of --store-rtt has no unit",
            "file": null,
            "line": null,
            "column": null,
            "help": "write --store-rtt 5ms"
          }
        ]
        "#);
    }
}
