//! `--param`: settings by name, each with one value or, where several are measured, with a list of them.
//!
//! Commas part settings and values alike: a part with '=' begins a setting, one without it is a further value of the
//! setting before. No value has a comma or an '=' in it (a test beside [`PARAMETERS`] holds that), so that a list can be
//! read in one way only.
//!
//! [`PARAMETERS`]: revbench_model::parameters::PARAMETERS

use revbench_model::parameters::Parameter;
use revbench_model::settings::SettingError;
use revbench_model::{Settings, Sweep};

use crate::render::{BAD_VALUE, CONFLICT, Mistake, Mistakes, UNKNOWN_NAME};

/// The settings of a command that takes one value of each.
pub(crate) fn single(texts: &[String], mistakes: &mut Mistakes) -> Settings {
    let mut settings = Settings::default();
    for Sweep { name, values } in read(texts, mistakes) {
        if values.len() > 1 {
            let message = format!("--param {name} has several values: {}", values.join(", "));
            let help = "give one of them; 'revbench run' measures several";
            mistakes.0.push(Mistake::argument(CONFLICT, message, help));
        }
        for value in values.iter().take(1) {
            settings.set(&name, value).expect("it was tried when it was read");
        }
    }
    settings
}

/// The settings of a run: those with one value, as given, and those with several.
pub(crate) fn several(texts: &[String], mistakes: &mut Mistakes) -> (Vec<(String, String)>, Vec<Sweep>) {
    let (lists, alone): (Vec<Sweep>, Vec<Sweep>) =
        read(texts, mistakes).into_iter().partition(|setting| setting.values.len() > 1);
    let pairs = alone
        .into_iter()
        .flat_map(|Sweep { name, values }| values.into_iter().map(move |value| (name.clone(), value)));
    let as_printed = |Sweep { name, values }: Sweep| {
        let values = values.iter().filter_map(|value| printed(&name, value).ok()).collect();
        Sweep { name, values }
    };
    (pairs.collect(), lists.into_iter().map(as_printed).collect())
}

/// Every setting that is named rightly, with those of its values that it takes.
fn read(texts: &[String], mistakes: &mut Mistakes) -> Vec<Sweep> {
    let mut found: Vec<Sweep> = Vec::new();
    for text in texts {
        // The setting that a part without '=' belongs to: `Some(None)` where that was a mistake of its own.
        let mut before: Option<Option<String>> = None;
        for part in text.split(',') {
            let begun = part.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
            let (name, value) = match begun {
                Some((name, value)) => {
                    let known = Parameter::from_name(name).map(|known| known.name.to_owned());
                    if known.is_some() && found.iter().any(|setting| setting.name == name) {
                        mistakes.0.push(given_twice(&found, name, value));
                        before = Some(None);
                        continue;
                    }
                    before = Some(known);
                    (name.to_owned(), value)
                }
                None => match &before {
                    Some(Some(name)) => (name.clone(), part.trim()),
                    Some(None) => continue,
                    None => {
                        let message = format!("value '{part}' of --param has no '='");
                        let help = write_it_like(part.trim());
                        mistakes.0.push(Mistake::argument(BAD_VALUE, message, help));
                        continue;
                    }
                },
            };
            match printed(&name, value) {
                Ok(as_printed) => mistakes.0.extend(add(&mut found, name, value, &as_printed)),
                Err(error) => mistakes.0.push(wrong(&name, &error)),
            }
        }
    }
    found
}

/// One more value of a setting, unless it has that already: then that is a mistake.
fn add(found: &mut Vec<Sweep>, name: String, value: &str, as_printed: &str) -> Option<Mistake> {
    let Some(at) = found.iter().position(|setting| setting.name == name) else {
        found.push(Sweep { name, values: vec![value.to_owned()] });
        return None;
    };
    let is_same = |other: &&String| printed(&name, other).is_ok_and(|other| other == as_printed);
    if let Some(other) = found[at].values.iter().find(is_same) {
        let message = format!("values '{other}' and '{value}' of --param {name} are the same");
        return Some(Mistake::argument(CONFLICT, message, "leave one of them out"));
    }
    found[at].values.push(value.to_owned());
    None
}

/// A value as its setting is printed: `0.3s` is `300ms`.
fn printed(name: &str, value: &str) -> Result<String, SettingError> {
    let mut settings = Settings::default();
    settings.set(name, value)?;
    Ok(Parameter::from_name(name).expect("what can be set is a parameter").value(&settings))
}

fn given_twice(found: &[Sweep], name: &str, value: &str) -> Mistake {
    let first = found.iter().find(|setting| setting.name == name);
    let first = first.map(|setting| setting.values.join(",")).unwrap_or_default();
    let message = format!("--param {name} is given twice, with '{first}' and with '{value}'");
    let help =
        format!("give one of them, or write --param {name}={first},{value} for a run that measures both");
    Mistake::argument(CONFLICT, message, help)
}

fn wrong(name: &str, error: &SettingError) -> Mistake {
    match error {
        SettingError::Unknown { .. } => {
            let help = "'revbench list params' prints them with their defaults";
            Mistake::argument(UNKNOWN_NAME, error.to_string(), help)
        }
        SettingError::Value { .. } => Mistake::argument(BAD_VALUE, error.to_string(), write_it_like(name)),
    }
}

/// The flag with a value that this parameter takes; the form alone where there is no such parameter.
fn write_it_like(name: &str) -> String {
    match Parameter::from_name(name) {
        Some(Parameter { name, example, .. }) => format!("write it like --param {name}={example}"),
        None => "write it as --param NAME=VALUE; 'revbench list params' prints the names".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of a flag, and the mistakes that are found in it.
    fn asked(texts: &[&str]) -> (Vec<(String, String)>, Vec<Sweep>, Vec<String>) {
        let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
        let mut mistakes = Mistakes::default();
        let (pairs, sweeps) = several(&texts, &mut mistakes);
        let words = mistakes.0.into_iter().map(|mistake| match mistake {
            Mistake::Argument { message, help, .. } => {
                format!("{message} / {}", help.unwrap_or_default())
            }
            Mistake::File { .. } => panic!("no file was read"),
        });
        (pairs, sweeps, words.collect())
    }

    #[test]
    fn commas_part_settings_and_values() {
        let check = |texts: &[&str], pairs: &[(&str, &str)], sweeps: &[(&str, &[&str])]| {
            let (found, lists, mistakes) = asked(texts);
            assert_eq!(mistakes, Vec::<String>::new(), "{texts:?}");
            let found: Vec<(&str, &str)> = found.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            assert_eq!(found, pairs, "{texts:?}");
            let lists: Vec<(&str, Vec<&str>)> = lists
                .iter()
                .map(|sweep| (sweep.name.as_str(), sweep.values.iter().map(String::as_str).collect()))
                .collect();
            let sweeps: Vec<(&str, Vec<&str>)> =
                sweeps.iter().map(|(name, values)| (*name, values.to_vec())).collect();
            assert_eq!(lists, sweeps, "{texts:?}");
        };
        check(&["cache_ttl=2s"], &[("cache_ttl", "2s")], &[]);
        check(&["cache_ttl=2s,algorithm=es256"], &[("cache_ttl", "2s"), ("algorithm", "es256")], &[]);
        check(&["cache_ttl=0.3s,1s, 3000ms"], &[], &[("cache_ttl", &["300ms", "1s", "3s"])]);
        check(
            &["cache_ttl=1s,2s,leeway=5s", "deny_preload=0,100000"],
            &[("leeway", "5s")],
            &[("cache_ttl", &["1s", "2s"]), ("deny_preload", &["0", "100000"])],
        );
        check(&["leeway=0,5s,60s"], &[], &[("leeway", &["0", "5s", "1m"])]);
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let check = |texts: &[&str], expected: &[&str]| {
            let (_, _, mistakes) = asked(texts);
            assert_eq!(mistakes.len(), expected.len(), "{texts:?}: {mistakes:?}");
            for (mistake, words) in mistakes.iter().zip(expected) {
                assert!(mistake.contains(words), "{texts:?}: {mistake}");
            }
        };
        check(&["refresh_at=2"], &["--param refresh_at=0.8"]);
        check(&["on_store_down=5s"], &["--param on_store_down=allow-from-token"]);
        check(&["leeway"], &["value 'leeway' of --param has no '=' / write it like --param leeway=1s"]);
        check(&["cache_til=1s"], &["revbench list params"]);
        check(&["whatever"], &["--param NAME=VALUE"]);
        // The values of a setting that does not exist are no mistakes of their own.
        check(&["cache_til=1s,2s"], &["did you mean 'cache_ttl'?"]);
        check(&["cache_ttl=1s,5,x"], &["value '5' of parameter 'cache_ttl'", "value 'x' of parameter"]);
        check(&["cache_ttl=1s,1000ms"], &["values '1s' and '1000ms' of --param cache_ttl are the same"]);
        check(&["cache_ttl=1s,"], &["value '' of parameter 'cache_ttl'"]);
        check(
            &["cache_ttl=1s", "cache_ttl=2s,3s", "leeway=x"],
            &["give one of them, or write --param cache_ttl=1s,2s", "value 'x' of parameter 'leeway'"],
        );
        check(&["cache_ttl=1s", "2s"], &["value '2s' of --param has no '='"]);
    }

    #[test]
    fn a_command_that_starts_one_fleet_takes_one_value() {
        let mut mistakes = Mistakes::default();
        let settings = single(&["cache_ttl=7s,leeway=1s".to_owned()], &mut mistakes);
        assert_eq!((settings.cache_ttl_ms, settings.leeway_ms), (7_000, 1_000));
        assert!(mistakes.0.is_empty());
        single(&["cache_ttl=7s,8s".to_owned()], &mut mistakes);
        let [Mistake::Argument { message, .. }] = &mistakes.0[..] else { panic!("one mistake") };
        assert_eq!(message, "--param cache_ttl has several values: 7s, 8s");
    }
}
