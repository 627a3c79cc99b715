//! Every exit code of the program, in one place.

/// How a command ended. Outputs are always written before the exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitCode {
    /// Done; where there were claims to check, none was broken unexpectedly.
    Done,
    /// An internal error, or a cell failed.
    Failed,
    /// Wrong usage, a wrong scenario file, or runs that cannot be compared.
    Usage,
    /// Regression against a baseline: in counted figures, which are certain, or in timing.
    Regression {
        /// In counted figures.
        exact: bool,
    },
    /// A result is inconclusive, where that was asked to count.
    Inconclusive,
    /// Nothing that was asked for could be measured validly.
    Invalid,
    /// The environment is not ready, or was lost midway.
    Environment,
    /// Nothing was selected.
    NothingSelected,
    /// A claimed bound was broken and the scenario does not expect it.
    BrokenBound,
    /// Interrupted; partial results are saved.
    Interrupted,
}

impl ExitCode {
    /// All of them, the one that counts first where several apply. An interrupted run says so, whatever else
    /// was found; what was not done for want of a selection or of usable arguments comes before any finding.
    pub(crate) const BY_PRECEDENCE: [ExitCode; 11] = [
        ExitCode::Interrupted,
        ExitCode::Usage,
        ExitCode::NothingSelected,
        ExitCode::Environment,
        ExitCode::Failed,
        ExitCode::BrokenBound,
        ExitCode::Regression { exact: true },
        ExitCode::Invalid,
        ExitCode::Regression { exact: false },
        ExitCode::Inconclusive,
        ExitCode::Done,
    ];

    /// The number.
    pub(crate) fn number(self) -> u8 {
        match self {
            ExitCode::Done => 0,
            ExitCode::Failed => 1,
            ExitCode::Usage => 2,
            ExitCode::Regression { .. } => 3,
            ExitCode::Inconclusive => 4,
            ExitCode::Invalid => 5,
            ExitCode::Environment => 6,
            ExitCode::NothingSelected => 7,
            ExitCode::BrokenBound => 8,
            ExitCode::Interrupted => 130,
        }
    }

    /// What it means, for the help page.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            ExitCode::Done => "done",
            ExitCode::Failed => "internal error, or a cell failed",
            ExitCode::Usage => "wrong usage or scenario file, or runs that cannot be compared",
            ExitCode::Regression { .. } => "regression against a baseline",
            ExitCode::Inconclusive => "inconclusive, where that was asked to count",
            ExitCode::Invalid => "nothing asked for could be measured validly",
            ExitCode::Environment => "environment not ready, or lost midway (finished cells are saved)",
            ExitCode::NothingSelected => "nothing selected",
            ExitCode::BrokenBound => "a bound is broken that the scenario expects to hold",
            ExitCode::Interrupted => "interrupted, partial results saved",
        }
    }

    /// The one to leave with where several apply; `Done` where none does.
    pub(crate) fn of(all: &[ExitCode]) -> ExitCode {
        ExitCode::BY_PRECEDENCE.into_iter().find(|code| all.contains(code)).unwrap_or(ExitCode::Done)
    }

    /// The list on the help page.
    pub(crate) fn list() -> String {
        let mut numbers: Vec<(u8, &str)> =
            ExitCode::BY_PRECEDENCE.iter().map(|code| (code.number(), code.meaning())).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let lines = numbers.iter().map(|(number, meaning)| format!("  {number:>3}  {meaning}"));
        format!("Exit codes:\n{}", lines.collect::<Vec<_>>().join("\n"))
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        std::process::ExitCode::from(code.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_of_several_counts() {
        let check =
            |all: &[ExitCode], expected: u8| assert_eq!(ExitCode::of(all).number(), expected, "{all:?}");
        check(&[], 0);
        check(&[ExitCode::Done, ExitCode::Inconclusive], 4);
        check(&[ExitCode::BrokenBound, ExitCode::Failed], 1);
        check(&[ExitCode::BrokenBound, ExitCode::Environment, ExitCode::Failed], 6);
        check(&[ExitCode::Invalid, ExitCode::Regression { exact: true }], 3);
        check(&[ExitCode::Invalid, ExitCode::Regression { exact: false }], 5);
        check(&[ExitCode::Inconclusive, ExitCode::Regression { exact: false }], 3);
        check(&[ExitCode::Interrupted, ExitCode::BrokenBound], 130);
    }
}
