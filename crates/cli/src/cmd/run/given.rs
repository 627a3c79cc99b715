//! Which flags were given, and whence: what a resumed run must not be given, and what it leaves aside.

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, Error, FromArgMatches};

/// Flags that say how to go on and not what to measure, so that `--resume` takes them.
const FREE: [&str; 7] = ["resume", "dry_run", "json", "quiet", "verbose", "color", "progress"];

/// The flags of measuring that were given. It has no flags of its own.
#[derive(Clone, Debug, Default)]
pub(super) struct Given {
    /// On the command line, such as `--rate`.
    pub(super) flags: Vec<String>,
    /// By variables, such as `REVBENCH_RATE`.
    pub(super) variables: Vec<String>,
}

impl Given {
    fn read(matches: &ArgMatches) -> Given {
        let from = |wanted: ValueSource| {
            let ids = matches.ids().map(clap::Id::as_str).filter(|id| !FREE.contains(id));
            let mut found: Vec<&str> =
                ids.filter(|id| is_argument(id) && matches.value_source(id) == Some(wanted)).collect();
            found.sort_unstable();
            found
        };
        let flag = |id: &str| format!("--{}", id.replace('_', "-"));
        let variable = |id: &str| format!("REVBENCH_{}", id.to_uppercase());
        Given {
            flags: from(ValueSource::CommandLine).into_iter().map(flag).collect(),
            variables: from(ValueSource::EnvVariable).into_iter().map(variable).collect(),
        }
    }
}

/// Groups have identifiers too; those of derived arguments are the names of their types.
fn is_argument(id: &str) -> bool {
    id.starts_with(|c: char| c.is_ascii_lowercase())
}

impl FromArgMatches for Given {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        Ok(Given::read(matches))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Given::read(matches);
        Ok(())
    }
}

impl Args for Given {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}
