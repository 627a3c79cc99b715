//! What `--param` takes, one row for each setting: for lists, for help, and for printing a setting as it would be
//! given.

use crate::settings::Settings;

/// A setting as `--param NAME=VALUE` takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name, without unit.
    pub name: &'static str,
    /// What it decides.
    pub what: &'static str,
    /// The accepted form of its value.
    pub accepted: &'static str,
    /// A value that it takes.
    pub example: &'static str,
}

const DURATION: &str = "a duration like '250ms' or '3s'";
const COUNT: &str = "a whole number";

const fn row(
    name: &'static str,
    accepted: &'static str,
    example: &'static str,
    what: &'static str,
) -> Parameter {
    Parameter { name, what, accepted, example }
}

/// Every parameter, in the order of [`Settings::NAMES`].
pub const PARAMETERS: &[Parameter] = &[
    row(
        "token_ttl",
        DURATION,
        "3s",
        "life of an access token on which a claim rests (short-ttl, refresh-rotation); others outlive the run",
    ),
    row("leeway", DURATION, "1s", "how long after its expiry a token is still accepted"),
    row(
        "expiry",
        "'millisecond' or 'second'",
        "second",
        "how finely the end of a token is written and checked; in whole seconds it lives up to one more",
    ),
    row("cache_ttl", DURATION, "2s", "age at which a cached permission or answer is read again"),
    row(
        "cache_jitter",
        "a share of the cache time, from 0 to 0.5",
        "0.2",
        "longest share of its life by which a kept entry is shortened at random",
    ),
    row(
        "refresh_ahead",
        "a share of the cache time, from 0 to 0.9",
        "0.25",
        "last share of its life in which a request has an entry read again in the background",
    ),
    row("backstop", DURATION, "30s", "age at which permissions are read again without a message (push)"),
    row("heartbeat", DURATION, "1s", "silence after which a subscriber asks for a sign of life (push)"),
    row("store_timeout", DURATION, "250ms", "how long a resource server waits for the store"),
    row(
        "on_store_down",
        "one of refuse, allow-from-token, serve-stale, ask-database",
        "allow-from-token",
        "what a resource server does when the store or the issuer does not answer in time; ask-database needs --database",
    ),
    row("stale_for", DURATION, "5s", "how long beyond its age a kept answer is served then (serve-stale)"),
    row("issuer_timeout", DURATION, "250ms", "how long a resource server waits for the issuer"),
    row(
        "jwks_ttl",
        DURATION,
        "5s",
        "age at which a resource server's copy of the key set is fetched again (key-rotation)",
    ),
    row(
        "jwks_cooldown",
        DURATION,
        "250ms",
        "how long after a fetch for an unknown key no other is made (key-rotation)",
    ),
    row(
        "key_per",
        "'service' or 'tenant'",
        "tenant",
        "whether one key signs for everyone, or each tenant has one of its own (key-rotation)",
    ),
    row(
        "cache_inactive",
        "'yes' or 'no'",
        "yes",
        "whether the answer that a token is not active is kept like any other (cached-introspection)",
    ),
    row(
        "clock_skew",
        DURATION,
        "2s",
        "how far a server's clock may be from the authority's, as claims about clock skew assume",
    ),
    row(
        "refresh_at",
        "a fraction of the token's life, above 0 and at most 1",
        "0.8",
        "when a client renews its token",
    ),
    row("refresh_jitter", DURATION, "20ms", "longest random pause of a client between a 401 and its refresh"),
    row("refresh_timeout", DURATION, "1s", "how long a client waits for the token endpoint"),
    row(
        "refresh_grace",
        DURATION,
        "500ms",
        "how long after its use a refresh token gets the same successor again (refresh-rotation)",
    ),
    row("algorithm", "one of RS256, ES256, EdDSA, HS256", "ES256", "how access tokens are signed"),
    row("extra_permissions", COUNT, "50", "permissions of each subject beside the scenario's: longer tokens"),
    row("deny_preload", COUNT, "10000", "entries of unrelated tokens on the deny list before the run"),
    row(
        "cutoff_rule",
        "one of millisecond, second, second-lenient",
        "second",
        "ticks of valid-after's cut-offs, and whether a token of the cut-off's own tick passes (lenient)",
    ),
    row(
        "stream_check",
        "one of connect, interval, pushed",
        "pushed",
        "when the authority behind an open stream is looked at again (scenarios with streams)",
    ),
    row("stream_interval", DURATION, "2s", "how often that is, where it is done in intervals"),
    row("stream_life", DURATION, "1m", "age at which a server ends a stream, whoever listens"),
    row(
        "hole",
        "one of none, entry-margin, fill-check, resync",
        "fill-check",
        "a guard left out on purpose; only in a stress scenario that is made for it",
    ),
    row("fill_delay", DURATION, "300ms", "pause between reading a record and keeping it (stress scenarios)"),
    row("bus_cut_every", DURATION, "2s", "how long a subscriber listens between absences (stress scenarios)"),
    row("bus_cut_for", DURATION, "400ms", "how long a subscriber is away each time (stress scenarios)"),
];

impl Parameter {
    /// The parameter of this name.
    pub fn from_name(name: &str) -> Option<&'static Parameter> {
        PARAMETERS.iter().find(|parameter| parameter.name == name)
    }

    /// Its value in these settings, as [`Settings::set`] takes it.
    pub fn value(&self, settings: &Settings) -> String {
        match self.name {
            "token_ttl" => whole_ms(settings.token_ttl_ms),
            "leeway" => whole_ms(settings.leeway_ms),
            "expiry" => settings.expiry.name().to_owned(),
            "cache_ttl" => whole_ms(settings.cache_ttl_ms),
            "cache_jitter" => settings.cache_jitter.to_string(),
            "refresh_ahead" => settings.refresh_ahead.to_string(),
            "backstop" => whole_ms(settings.backstop_ms),
            "heartbeat" => whole_ms(settings.heartbeat_ms),
            "store_timeout" => whole_ms(settings.store_timeout_ms),
            "issuer_timeout" => whole_ms(settings.issuer_timeout_ms),
            "jwks_ttl" => whole_ms(settings.jwks_ttl_ms),
            "jwks_cooldown" => whole_ms(settings.jwks_cooldown_ms),
            "key_per" => settings.key_per.name().to_owned(),
            "cache_inactive" => yes_or_no(settings.cache_inactive).to_owned(),
            "clock_skew" => whole_ms(settings.clock_skew_ms),
            "refresh_jitter" => whole_ms(settings.refresh_jitter_ms),
            "refresh_timeout" => whole_ms(settings.refresh_timeout_ms),
            "refresh_grace" => whole_ms(settings.refresh_grace_ms),
            "refresh_at" => settings.refresh_at.to_string(),
            "algorithm" => settings.algorithm.name().to_owned(),
            "extra_permissions" => settings.extra_permissions.to_string(),
            "deny_preload" => settings.deny_preload.to_string(),
            "cutoff_rule" => settings.cutoff_rule.name().to_owned(),
            "stale_for" => whole_ms(settings.stale_for_ms),
            "stream_check" => settings.stream_check.name().to_owned(),
            "stream_interval" => whole_ms(settings.stream_interval_ms),
            "stream_life" => whole_ms(settings.stream_life_ms),
            "hole" => settings.hole.name().to_owned(),
            "fill_delay" => whole_ms(settings.fill_delay_ms),
            "bus_cut_every" => whole_ms(settings.bus_cut_every_ms),
            "bus_cut_for" => whole_ms(settings.bus_cut_for_ms),
            _ => settings.on_store_down.name().to_owned(),
        }
    }
}

fn yes_or_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

/// In the largest unit that leaves a whole number.
fn whole_ms(ms: u64) -> String {
    match ms {
        0 => "0".to_owned(),
        ms if ms.is_multiple_of(3_600_000) => format!("{}h", ms / 3_600_000),
        ms if ms.is_multiple_of(60_000) => format!("{}m", ms / 60_000),
        ms if ms.is_multiple_of(1_000) => format!("{}s", ms / 1_000),
        ms => format!("{ms}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::SettingError;

    #[test]
    fn there_is_a_row_for_every_name() {
        let names: Vec<&str> = PARAMETERS.iter().map(|parameter| parameter.name).collect();
        assert_eq!(names, Settings::NAMES);
    }

    #[test]
    fn the_accepted_form_is_the_one_that_mistakes_name() {
        for parameter in PARAMETERS {
            match Settings::default().set(parameter.name, "?") {
                Err(SettingError::Value { accepted, .. }) => {
                    assert_eq!(accepted, parameter.accepted, "{}", parameter.name);
                }
                other => panic!("{}: {other:?}", parameter.name),
            }
        }
    }

    #[test]
    fn examples_and_printed_values_are_taken_back() {
        for parameter in PARAMETERS {
            let mut given = Settings::default();
            given.set(parameter.name, parameter.example).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(parameter.value(&given), parameter.example, "{}", parameter.name);
            let mut again = Settings::default();
            again.set(parameter.name, &parameter.value(&given)).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(again, given, "{}", parameter.name);
        }
    }

    /// A run takes several values of a setting with commas between them, and tells a further setting by its '='.
    #[test]
    fn no_value_has_a_comma_or_an_equals_sign_in_it() {
        for parameter in PARAMETERS {
            let default = parameter.value(&Settings::default());
            for value in [parameter.example, &default] {
                assert!(!value.contains([',', '=']), "{}: {value}", parameter.name);
                for part in [',', '='] {
                    let joined = format!("{value}{part}{value}");
                    assert!(Settings::default().set(parameter.name, &joined).is_err(), "{joined}");
                }
            }
        }
    }

    #[test]
    fn durations_are_whole_in_their_unit() {
        let check = |ms: u64, expected: &str| assert_eq!(whole_ms(ms), expected);
        check(0, "0");
        check(1_500, "1500ms");
        check(900_000, "15m");
        check(7_200_000, "2h");
    }
}
