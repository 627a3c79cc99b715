//! The settings that a strategy and the servers around it run with.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::duration;

/// Signature algorithms of access tokens. RS256 is what most identity providers issue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// RSA PKCS#1 v1.5 with SHA-256.
    #[default]
    RS256,
    /// ECDSA on P-256.
    ES256,
    /// Ed25519.
    EdDSA,
    /// HMAC with a key of 256 bits.
    HS256,
}

impl Algorithm {
    /// All of them, the default first.
    pub const ALL: [Algorithm; 4] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA, Algorithm::HS256];

    /// The `alg` value of RFC 7518 and RFC 8037.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::RS256 => "RS256",
            Algorithm::ES256 => "ES256",
            Algorithm::EdDSA => "EdDSA",
            Algorithm::HS256 => "HS256",
        }
    }
}

/// Longest pause of a client between two attempts to renew, however often they failed.
pub const LONGEST_RETRY_PAUSE_MS: u64 = 1_000;

/// What a strategy does when the store does not answer within `store_timeout_ms`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnStoreDown {
    /// Refuse with 503: no decision is made without the store.
    #[default]
    Refuse,
    /// Decide from the token alone: availability over freshness.
    AllowFromToken,
    /// Decide by the answer that is kept, for at most `stale_for_ms` beyond its age; refuse where none is.
    ServeStale,
    /// Decide by the subject's record in the system's own database, read anew for each decision; refuse where that does
    /// not answer either.
    AskDatabase,
}

impl OnStoreDown {
    /// All of them, the default first.
    pub const ALL: [OnStoreDown; 4] =
        [OnStoreDown::Refuse, OnStoreDown::AllowFromToken, OnStoreDown::ServeStale, OnStoreDown::AskDatabase];

    /// The word on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            OnStoreDown::Refuse => "refuse",
            OnStoreDown::AllowFromToken => "allow-from-token",
            OnStoreDown::ServeStale => "serve-stale",
            OnStoreDown::AskDatabase => "ask-database",
        }
    }

    /// The policy of this name.
    pub fn from_name(name: &str) -> Option<OnStoreDown> {
        OnStoreDown::ALL.into_iter().find(|policy| policy.name() == name)
    }
}

/// What `valid-after` compares, and what becomes of tokens issued in the tick of the cut-off itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CutoffRule {
    /// Milliseconds; a token of the cut-off's own millisecond is refused.
    #[default]
    Millisecond,
    /// Whole seconds; a token of the cut-off's own second is refused.
    Second,
    /// Whole seconds; a token of the cut-off's own second passes, also one from before it: what many products do.
    SecondLenient,
}

impl CutoffRule {
    /// All of them, the default first.
    pub const ALL: [CutoffRule; 3] = [CutoffRule::Millisecond, CutoffRule::Second, CutoffRule::SecondLenient];

    /// The word on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            CutoffRule::Millisecond => "millisecond",
            CutoffRule::Second => "second",
            CutoffRule::SecondLenient => "second-lenient",
        }
    }
}

/// When a stream's authority is looked at again (`GET /stream/…`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StreamCheck {
    /// Never: who was let in stays in until the stream's life is over. What many servers do.
    Connect,
    /// At the connect and after each `stream_interval`.
    #[default]
    Interval,
    /// At the connect and whenever the strategy hears of a change.
    Pushed,
}

impl StreamCheck {
    /// All of them, the laxest first.
    pub const ALL: [StreamCheck; 3] = [StreamCheck::Connect, StreamCheck::Interval, StreamCheck::Pushed];

    /// The word on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            StreamCheck::Connect => "connect",
            StreamCheck::Interval => "interval",
            StreamCheck::Pushed => "pushed",
        }
    }
}

/// For whom there is a signing key (`key-rotation`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyPer {
    /// One signs for everyone.
    #[default]
    Service,
    /// Each tenant has one of its own; the service's signs for who is of no tenant.
    Tenant,
}

impl KeyPer {
    /// Both, the default first.
    pub const ALL: [KeyPer; 2] = [KeyPer::Service, KeyPer::Tenant];

    /// The word on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            KeyPer::Service => "service",
            KeyPer::Tenant => "tenant",
        }
    }
}

/// How finely a token's `exp` is written and checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expiry {
    /// To the millisecond, as a fraction.
    #[default]
    Millisecond,
    /// In whole seconds, rounded down when it is written and compared with the second under way: what libraries do
    /// (`jsonwebtoken`: expired if `exp < now − leeway`, all whole). A token lives up to a second longer than it says.
    Second,
}

impl Expiry {
    /// Both, the default first.
    pub const ALL: [Expiry; 2] = [Expiry::Millisecond, Expiry::Second];

    /// The word on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Expiry::Millisecond => "millisecond",
            Expiry::Second => "second",
        }
    }

    /// How much longer than `exp` and leeway a token may live, milliseconds.
    pub fn grid_ms(self) -> u64 {
        match self {
            Expiry::Millisecond => 0,
            Expiry::Second => 1_000,
        }
    }

    /// An end as it is written, milliseconds since the epoch.
    pub fn written_ms(self, end_ms: u64) -> u64 {
        end_ms - end_ms % self.grid_ms().max(1)
    }
}

/// A guard that is left out on purpose, so that what it prevents can be measured: with it a real strategy has a real
/// fault. A run takes it in a stress scenario that is made for it, and nowhere else (`docs/RACES.md`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hole {
    /// Every guard is in place.
    #[default]
    None,
    /// A deny-list entry goes at `exp`, though verifiers with leeway take its token for longer (`deny-list`,
    /// `deny-and-refresh`).
    EntryMargin,
    /// What was read before an invalidation is kept after it (`push`).
    FillCheck,
    /// Entries are believed and stay although messages may have been missed while nobody listened (`push`).
    Resync,
}

impl Hole {
    /// All of them, the default first.
    pub const ALL: [Hole; 4] = [Hole::None, Hole::EntryMargin, Hole::FillCheck, Hole::Resync];

    /// The word on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Hole::None => "none",
            Hole::EntryMargin => "entry-margin",
            Hole::FillCheck => "fill-check",
            Hole::Resync => "resync",
        }
    }
}

/// Everything that can be set with `--param`; the names there are these without the unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Life of an access token.
    pub token_ttl_ms: u64,
    /// How long after `exp` a resource server still accepts.
    pub leeway_ms: u64,
    /// How finely `exp` is written and checked.
    pub expiry: Expiry,
    /// Age at which a cached permission or answer is read again (`cached-lookup`, `cached-introspection`).
    pub cache_ttl_ms: u64,
    /// Longest share of its life by which an entry is shortened at random, 0 to 0.5 (`cached-lookup`,
    /// `cached-introspection`).
    #[serde(skip_serializing_if = "is_default")]
    pub cache_jitter: f64,
    /// Last share of its life in which a request has an entry replaced in the background, 0 to 0.9; 0: none has
    /// (`cached-lookup`, `cached-introspection`).
    #[serde(skip_serializing_if = "is_default")]
    pub refresh_ahead: f64,
    /// Age at which a cached permission is read again although no message came (`push`).
    pub backstop_ms: u64,
    /// Silence after which a subscriber asks the store for a sign of life (`push`).
    pub heartbeat_ms: u64,
    /// How long a resource server waits for the store.
    pub store_timeout_ms: u64,
    /// What happens then.
    pub on_store_down: OnStoreDown,
    /// How long beyond its age a kept answer may be served while the store or the issuer does not answer, where
    /// `on_store_down` is to serve it (`cached-lookup`, `cached-introspection`, `push`).
    pub stale_for_ms: u64,
    /// How long a resource server waits for the issuer; what happens then is `on_store_down` as well.
    pub issuer_timeout_ms: u64,
    /// Age at which a resource server's copy of the key set is fetched again (`key-rotation`).
    pub jwks_ttl_ms: u64,
    /// After a fetch that an unknown key asked for, no other unknown key is fetched for this long (`key-rotation`).
    pub jwks_cooldown_ms: u64,
    /// For whom there is a signing key (`key-rotation`).
    pub key_per: KeyPer,
    /// Is the answer that a token is not active kept like any other (`cached-introspection`)?
    pub cache_inactive: bool,
    /// How far a server's clock may be from the authority's, as claims about clock skew assume; no server acts upon it.
    pub clock_skew_ms: u64,
    /// Fraction of a token's life at which a client renews it, 0 < φ ≤ 1.
    pub refresh_at: f64,
    /// Longest seeded pause of a client between a 401 and its refresh.
    pub refresh_jitter_ms: u64,
    /// How long a client waits for the token endpoint.
    pub refresh_timeout_ms: u64,
    /// How long after its use a refresh token gets the same successor again (`refresh-rotation`); 0 for never.
    pub refresh_grace_ms: u64,
    /// Signature algorithm.
    pub algorithm: Algorithm,
    /// Permissions that every subject carries beside the ones the scenario is about; they make the token long.
    pub extra_permissions: u32,
    /// Deny-list entries of unrelated tokens loaded before the run.
    pub deny_preload: u32,
    /// How finely cut-offs are kept, and which way their own tick falls (`valid-after`).
    pub cutoff_rule: CutoffRule,
    /// When a stream's authority is looked at again.
    pub stream_check: StreamCheck,
    /// How often, where it is looked at in intervals.
    pub stream_interval_ms: u64,
    /// Age at which a server ends a stream, whoever listens.
    pub stream_life_ms: u64,
    /// A guard that is left out on purpose.
    #[serde(skip_serializing_if = "is_default")]
    pub hole: Hole,
    /// How long a record that was read waits before it is kept: makes the race of a fill with an invalidation as
    /// likely as a run needs it (`push`, `cached-lookup`).
    #[serde(skip_serializing_if = "is_default")]
    pub fill_delay_ms: u64,
    /// How long a subscriber listens between two absences; 0: it is never away (`push`).
    #[serde(skip_serializing_if = "is_default")]
    pub bus_cut_every_ms: u64,
    /// How long each absence lasts.
    #[serde(skip_serializing_if = "is_default")]
    pub bus_cut_for_ms: u64,
}

/// Strains that are not there stay out of files, and so does what a cache does not do.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            token_ttl_ms: 900_000,
            leeway_ms: 0,
            expiry: Expiry::Millisecond,
            cache_ttl_ms: 1_000,
            cache_jitter: 0.0,
            refresh_ahead: 0.0,
            backstop_ms: 2_000,
            heartbeat_ms: 500,
            store_timeout_ms: 500,
            on_store_down: OnStoreDown::Refuse,
            stale_for_ms: 2_000,
            issuer_timeout_ms: 500,
            jwks_ttl_ms: 1_000,
            jwks_cooldown_ms: 100,
            key_per: KeyPer::Service,
            cache_inactive: false,
            clock_skew_ms: 1_000,
            refresh_at: 0.8,
            refresh_jitter_ms: 20,
            refresh_timeout_ms: 1_000,
            refresh_grace_ms: 2_000,
            algorithm: Algorithm::RS256,
            extra_permissions: 5,
            deny_preload: 0,
            cutoff_rule: CutoffRule::Millisecond,
            stream_check: StreamCheck::Interval,
            stream_interval_ms: 500,
            stream_life_ms: 3_000,
            hole: Hole::None,
            fill_delay_ms: 0,
            bus_cut_every_ms: 0,
            bus_cut_for_ms: 0,
        }
    }
}

/// Why a `--param` was refused.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum SettingError {
    /// No setting has this name.
    #[error("unknown parameter '{name}'{}; known are {}", suggestion(.name), Settings::NAMES.join(", "))]
    Unknown {
        /// What was given.
        name: String,
    },
    /// The text is not a value of this setting.
    #[error("value '{value}' of parameter '{name}' is not {accepted}")]
    Value {
        /// The parameter.
        name: String,
        /// What was given.
        value: String,
        /// The accepted form.
        accepted: &'static str,
    },
}

fn suggestion(name: &str) -> String {
    match closest(name, Settings::NAMES) {
        Some(near) => format!(" (did you mean '{near}'?)"),
        None => String::new(),
    }
}

/// The name in `known` that is nearest to `name`, where one is near enough to be a slip of the pen.
pub fn closest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let score = |candidate: &str| strsim::jaro_winkler(name, candidate);
    let best = known.iter().copied().max_by(|a, b| score(a).total_cmp(&score(b)))?;
    (score(best) > 0.75).then_some(best)
}

impl Settings {
    /// The names that `--param NAME=VALUE` takes.
    pub const NAMES: &[&'static str] = &[
        "token_ttl",
        "leeway",
        "expiry",
        "cache_ttl",
        "cache_jitter",
        "refresh_ahead",
        "backstop",
        "heartbeat",
        "store_timeout",
        "on_store_down",
        "stale_for",
        "issuer_timeout",
        "jwks_ttl",
        "jwks_cooldown",
        "key_per",
        "cache_inactive",
        "clock_skew",
        "refresh_at",
        "refresh_jitter",
        "refresh_timeout",
        "refresh_grace",
        "algorithm",
        "extra_permissions",
        "deny_preload",
        "cutoff_rule",
        "stream_check",
        "stream_interval",
        "stream_life",
        "hole",
        "fill_delay",
        "bus_cut_every",
        "bus_cut_for",
    ];

    /// Those that strain or break a strategy on purpose, for stress scenarios alone.
    pub const STRAINS: &[&'static str] = &["hole", "fill_delay", "bus_cut_every", "bus_cut_for"];

    /// Sets one by its name without unit: `set("cache_ttl", "2s")`.
    ///
    /// # Errors
    /// An unknown name (with the nearest known one) or a value of the wrong form.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SettingError> {
        let fail =
            |accepted| SettingError::Value { name: name.to_owned(), value: value.to_owned(), accepted };
        let ms = || duration::parse_ms(value).map_err(|_| fail("a duration like '250ms' or '3s'"));
        let whole_ms = || ms().map(|ms| ms.round() as u64);
        let count = || value.parse::<u32>().map_err(|_| fail("a whole number"));
        let share = |most: f64, accepted| {
            let share = value.parse::<f64>().ok().filter(|share| (0.0..=most).contains(share));
            share.ok_or_else(|| fail(accepted))
        };
        match name {
            "token_ttl" => self.token_ttl_ms = whole_ms()?.max(1),
            "leeway" => self.leeway_ms = whole_ms()?,
            "cache_ttl" => self.cache_ttl_ms = whole_ms()?.max(1),
            "cache_jitter" => self.cache_jitter = share(0.5, "a share of the cache time, from 0 to 0.5")?,
            "refresh_ahead" => self.refresh_ahead = share(0.9, "a share of the cache time, from 0 to 0.9")?,
            "backstop" => self.backstop_ms = whole_ms()?.max(1),
            "heartbeat" => self.heartbeat_ms = whole_ms()?.max(1),
            "store_timeout" => self.store_timeout_ms = whole_ms()?.max(1),
            "stale_for" => self.stale_for_ms = whole_ms()?,
            "issuer_timeout" => self.issuer_timeout_ms = whole_ms()?.max(1),
            "jwks_ttl" => self.jwks_ttl_ms = whole_ms()?.max(1),
            "jwks_cooldown" => self.jwks_cooldown_ms = whole_ms()?,
            "cache_inactive" => {
                self.cache_inactive = match value {
                    "yes" => true,
                    "no" => false,
                    _ => return Err(fail("'yes' or 'no'")),
                }
            }
            "clock_skew" => self.clock_skew_ms = whole_ms()?,
            "refresh_jitter" => self.refresh_jitter_ms = whole_ms()?,
            "refresh_timeout" => self.refresh_timeout_ms = whole_ms()?.max(1),
            "refresh_grace" => self.refresh_grace_ms = whole_ms()?,
            "extra_permissions" => self.extra_permissions = count()?,
            "deny_preload" => self.deny_preload = count()?,
            "refresh_at" => {
                let accepted = "a fraction of the token's life, above 0 and at most 1";
                let fraction: f64 = value.parse().map_err(|_| fail(accepted))?;
                if !(fraction > 0.0 && fraction <= 1.0) {
                    return Err(fail(accepted));
                }
                self.refresh_at = fraction;
            }
            "algorithm" => {
                let found = Algorithm::ALL.into_iter().find(|a| a.name().eq_ignore_ascii_case(value));
                self.algorithm = found.ok_or_else(|| fail("one of RS256, ES256, EdDSA, HS256"))?;
            }
            "key_per" => {
                let found = KeyPer::ALL.into_iter().find(|per| per.name() == value);
                self.key_per = found.ok_or_else(|| fail("'service' or 'tenant'"))?;
            }
            "expiry" => {
                let found = Expiry::ALL.into_iter().find(|expiry| expiry.name() == value);
                self.expiry = found.ok_or_else(|| fail("'millisecond' or 'second'"))?;
            }
            "cutoff_rule" => {
                let found = CutoffRule::ALL.into_iter().find(|rule| rule.name() == value);
                let accepted = "one of millisecond, second, second-lenient";
                self.cutoff_rule = found.ok_or_else(|| fail(accepted))?;
            }
            "stream_check" => {
                let found = StreamCheck::ALL.into_iter().find(|check| check.name() == value);
                self.stream_check = found.ok_or_else(|| fail("one of connect, interval, pushed"))?;
            }
            "stream_interval" => self.stream_interval_ms = whole_ms()?.max(1),
            "stream_life" => self.stream_life_ms = whole_ms()?.max(1),
            "hole" => {
                let found = Hole::ALL.into_iter().find(|hole| hole.name() == value);
                self.hole = found.ok_or_else(|| fail("one of none, entry-margin, fill-check, resync"))?;
            }
            "fill_delay" => self.fill_delay_ms = whole_ms()?,
            "bus_cut_every" => self.bus_cut_every_ms = whole_ms()?,
            "bus_cut_for" => self.bus_cut_for_ms = whole_ms()?,
            "on_store_down" => {
                let accepted = "one of refuse, allow-from-token, serve-stale, ask-database";
                self.on_store_down = OnStoreDown::from_name(value).ok_or_else(|| fail(accepted))?;
            }
            _ => return Err(SettingError::Unknown { name: name.to_owned() }),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_can_be_set_and_nothing_else() {
        let value = |name: &str| match name {
            "algorithm" => "es256",
            "on_store_down" => "refuse",
            "cache_inactive" => "yes",
            "refresh_at" | "cache_jitter" | "refresh_ahead" => "0.5",
            "cutoff_rule" | "expiry" => "second",
            "key_per" => "tenant",
            "stream_check" => "pushed",
            "hole" => "resync",
            "extra_permissions" | "deny_preload" => "50",
            _ => "2s",
        };
        for name in Settings::NAMES {
            let mut settings = Settings::default();
            settings.set(name, value(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    /// What is written down and let by until the second is over lives longer than it says, by a second at the most.
    #[test]
    fn a_whole_second_gives_up_to_one_more() {
        let check = |expiry: Expiry, end_ms: u64, written_ms: u64, dead_from_ms: u64| {
            assert_eq!(expiry.written_ms(end_ms), written_ms, "{expiry:?} {end_ms}");
            assert_eq!(expiry.written_ms(end_ms) + expiry.grid_ms(), dead_from_ms, "{expiry:?} {end_ms}");
        };
        check(Expiry::Millisecond, 12_345, 12_345, 12_345);
        check(Expiry::Second, 12_000, 12_000, 13_000);
        check(Expiry::Second, 12_345, 12_000, 13_000);
        check(Expiry::Second, 12_999, 12_000, 13_000);
    }

    #[test]
    fn mistakes_name_value_and_accepted_form() {
        let check = |name: &str, value: &str, expected: &str| {
            let error = Settings::default().set(name, value).expect_err("a mistake").to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("cache_til", "1s", "did you mean 'cache_ttl'?");
        check("cache_ttl", "5", "value '5' of parameter 'cache_ttl' is not a duration like '250ms' or '3s'");
        check("refresh_at", "1.5", "above 0 and at most 1");
        check(
            "cache_jitter",
            "0.6",
            "value '0.6' of parameter 'cache_jitter' is not a share of the cache time",
        );
        check("refresh_ahead", "-0.1", "from 0 to 0.9");
        check("refresh_ahead", "NaN", "from 0 to 0.9");
        check("algorithm", "none", "one of RS256, ES256, EdDSA, HS256");
    }
}
