//! The sayings, in the order of the page. A limit here is part of a rule; no measured figure is.

use super::saying::Against::{Limit, NoiseFloor, Resolution, RoundTrips, Scenario, Strategy};
use super::saying::Relation::{Above, AtMost};
use super::saying::{Against, Claimed, Figure, Relation, Saying};
use crate::noise::Percentile::{P50, P99};

const ARTICLES: &str = "articles on revoking JWTs";
const ADVICE: &str = "common advice on token lifetimes";
const OPERATORS: &str = "those who run such systems";

/// A claim about a strategy's cell in the scenario in which a role is taken away.
const fn demoted(
    words: &'static str,
    strategy: &'static str,
    figure: Figure,
    relation: Relation,
    against: Against,
) -> Claimed {
    claim(words, "role-demoted", strategy, figure, relation, against)
}

const fn claim(
    words: &'static str,
    scenario: &'static str,
    strategy: &'static str,
    figure: Figure,
    relation: Relation,
    against: Against,
) -> Claimed {
    Claimed { words, scenario, strategy, params: &[], figure, relation, against }
}

const fn with(claimed: Claimed, params: &'static [(&'static str, u64)]) -> Claimed {
    Claimed { params, ..claimed }
}

/// All of them.
pub(crate) const SAYINGS: &[Saying] = &[
    Saying {
        words: "A lookup on every request always costs latency",
        source: ARTICLES,
        claims: &[
            demoted(
                "a lookup is slower than verification alone",
                "lookup",
                Figure::Added(P50),
                Above,
                NoiseFloor,
            ),
            demoted("it takes most of a round trip", "lookup", Figure::Added(P50), Above, RoundTrips(0.5)),
        ],
        depends: "how far the store is",
        command: "revbench run --scenario role-demoted --strategy floor,none,lookup --store-rtt 500us",
    },
    Saying {
        words: "Caching makes the lookup free",
        source: ARTICLES,
        claims: &[
            demoted(
                "the median is within a tenth of a round trip",
                "cached-lookup",
                Figure::Added(P50),
                AtMost,
                RoundTrips(0.1),
            ),
            demoted("and so is the p99", "cached-lookup", Figure::Added(P99), AtMost, RoundTrips(0.1)),
            demoted("changes are seen at once", "cached-lookup", Figure::WorstWindow, AtMost, Resolution),
        ],
        depends: "the median hits the cache, the p99 is a store's until a subject asks a hundred times in the life of an entry, and the entry's life is what changes wait for",
        command: "revbench run --scenario role-demoted --strategy none,lookup,cached-lookup",
    },
    Saying {
        words: "Checking a list costs something on each request",
        source: ARTICLES,
        claims: &[
            demoted(
                "a deny list is slower than verification alone",
                "deny-list",
                Figure::Added(P50),
                Above,
                NoiseFloor,
            ),
            demoted("it asks the store once a request", "deny-list", Figure::StoreOps, Above, Limit(999.0)),
            demoted(
                "and takes more CPU of the resource server",
                "deny-list",
                Figure::ResourceCpu,
                Above,
                Strategy("none", 1.0),
            ),
        ],
        depends: "which cost is meant",
        command: "revbench run --scenario role-demoted --strategy none,deny-list",
    },
    Saying {
        words: "The deny list is more scalable",
        source: ARTICLES,
        claims: &[
            demoted(
                "it asks the store less often than a lookup",
                "lookup",
                Figure::StoreOps,
                Above,
                Strategy("deny-list", 1.0),
            ),
            demoted(
                "it asks the store less often than a cached lookup",
                "cached-lookup",
                Figure::StoreOps,
                Above,
                Strategy("deny-list", 1.0),
            ),
            demoted(
                "it takes less CPU of the resource server than a lookup",
                "lookup",
                Figure::ResourceCpu,
                Above,
                Strategy("deny-list", 1.0),
            ),
            demoted(
                "it takes less memory of the store than an allow list",
                "allow-list",
                Figure::StoreMemory,
                Above,
                Strategy("deny-list", 1.0),
            ),
        ],
        depends: "its entries are few, and it asks as often as any list",
        command: "revbench run --scenario role-demoted --strategy none,deny-list,allow-list,lookup,cached-lookup",
    },
    Saying {
        words: "An allow list is safer",
        source: ARTICLES,
        claims: &[
            demoted(
                "its revocations are in force at once",
                "allow-list",
                Figure::WorstWindow,
                AtMost,
                Resolution,
            ),
            demoted("a deny list's are not", "deny-list", Figure::WorstWindow, Above, Resolution),
        ],
        depends: "what fails: without the store, or with an entry lost, an allow list refuses and a deny list forgets; with all up they revoke alike",
        command: "revbench run --scenario role-demoted --strategy none,deny-list,allow-list",
    },
    Saying {
        words: "A memory store makes it fast",
        source: ARTICLES,
        claims: &[
            demoted(
                "a lookup in memory costs less than half of the way there",
                "lookup",
                Figure::Added(P50),
                AtMost,
                RoundTrips(0.5),
            ),
            demoted(
                "a deny list in memory costs less than half of the way there",
                "deny-list",
                Figure::Added(P50),
                AtMost,
                RoundTrips(0.5),
            ),
        ],
        depends: "how far the store is: it is the way that is waited for, not the memory",
        command: "revbench run --scenario role-demoted --strategy none,deny-list,lookup --store-rtt 500us",
    },
    Saying {
        words: "Short lifetimes are enough",
        source: ADVICE,
        claims: &[
            demoted(
                "a change is in force within a second",
                "short-ttl",
                Figure::WorstWindow,
                AtMost,
                Limit(1_000.0),
            ),
            demoted(
                "no old token is used after the change",
                "short-ttl",
                Figure::StaleAllowed,
                AtMost,
                Limit(0.0),
            ),
            demoted("nothing is added to latency", "short-ttl", Figure::Added(P50), AtMost, RoundTrips(0.1)),
        ],
        depends: "what one can wait for: an old token lives to its end, and only there is a short one better",
        command: "revbench run --scenario role-demoted --strategy none,short-ttl",
    },
    Saying {
        words: "Short lifetimes need more infrastructure",
        source: ADVICE,
        claims: &[
            demoted(
                "more tokens are issued",
                "short-ttl",
                Figure::TokensIssued,
                Above,
                Strategy("none", 2.0),
            ),
            demoted(
                "the authority works more",
                "short-ttl",
                Figure::AuthorityCpu,
                Above,
                Strategy("none", 2.0),
            ),
            demoted("the resource servers ask a store", "short-ttl", Figure::StoreOps, Above, Limit(0.0)),
        ],
        depends: "on whose side: the authority signs more, and resource servers need nothing",
        command: "revbench run --scenario role-demoted --strategy none,short-ttl --param token_ttl=3s",
    },
    Saying {
        words: "A JWT cannot be revoked before it expires",
        source: ARTICLES,
        claims: &[
            claim(
                "nothing but its end stops a stolen token",
                "compromised-token",
                "none",
                Figure::NeverConverged,
                Above,
                Limit(0.0),
            ),
            claim(
                "a deny list does not stop it",
                "compromised-token",
                "deny-list",
                Figure::WorstWindow,
                Above,
                Resolution,
            ),
            claim(
                "a token version does not stop it",
                "compromised-token",
                "token-version",
                Figure::WorstWindow,
                Above,
                Resolution,
            ),
        ],
        depends: "whether anything but the token is asked",
        command: "revbench run --scenario compromised-token --strategy none,deny-list,token-version",
    },
    Saying {
        words: "Logout cannot be done with JWTs",
        source: ARTICLES,
        claims: &[
            claim(
                "a deny list does not end a session at once",
                "logout",
                "deny-list",
                Figure::WorstWindow,
                Above,
                Resolution,
            ),
            claim(
                "a token version does not end a session at once",
                "logout",
                "token-version",
                Figure::WorstWindow,
                Above,
                Resolution,
            ),
            claim(
                "a lookup does not end a session at once",
                "logout",
                "lookup",
                Figure::WorstWindow,
                Above,
                Resolution,
            ),
            claim(
                "logging out of one device signs the others out",
                "logout",
                "deny-list",
                Figure::ForcedLogouts,
                Above,
                Limit(0.0),
            ),
        ],
        depends: "on the strategy",
        command: "revbench run --scenario logout --strategy none,deny-list,token-version,lookup",
    },
    Saying {
        words: "With revocation statelessness is lost",
        source: ARTICLES,
        claims: &[
            demoted(
                "a deny list asks shared state on each request",
                "deny-list",
                Figure::StoreOps,
                Above,
                Limit(999.0),
            ),
            demoted(
                "a token version asks shared state on each request",
                "token-version",
                Figure::StoreOps,
                Above,
                Limit(999.0),
            ),
            demoted(
                "a cached lookup asks shared state on each request",
                "cached-lookup",
                Figure::StoreOps,
                Above,
                Limit(999.0),
            ),
            demoted("a short life asks shared state", "short-ttl", Figure::StoreOps, Above, Limit(0.0)),
            demoted(
                "a pushed change asks shared state on each request",
                "push",
                Figure::StoreOps,
                Above,
                Limit(999.0),
            ),
        ],
        depends: "how soon a change must be in force: at once takes shared state on each request or a copy that is told, later does not",
        command: "revbench run --scenario role-demoted --strategy none,short-ttl,deny-list,token-version,cached-lookup,push",
    },
    Saying {
        words: "Push carries a high burden of proof",
        source: ARTICLES,
        claims: &[
            demoted(
                "its changes come later than a lookup shows them",
                "push",
                Figure::WorstWindow,
                Above,
                Resolution,
            ),
            demoted("some never come", "push", Figure::NeverConverged, Above, Limit(0.0)),
            demoted("each change costs messages", "push", Figure::MessagesPerChange, Above, Limit(0.0)),
            demoted(
                "it is more code than a cached lookup",
                "push",
                Figure::CodeLines,
                Above,
                Strategy("cached-lookup", 1.0),
            ),
        ],
        depends: "connected it is as fresh as a lookup and asks no store; the burden is messages, code and what happens without the bus",
        command: "revbench run --scenario role-demoted --strategy none,lookup,cached-lookup,push",
    },
    Saying {
        words: "Changing the signing key is the nuclear option",
        source: ARTICLES,
        claims: &[
            claim(
                "those who were not meant are signed out",
                "active-attack",
                "key-rotation",
                Figure::ForcedLogouts,
                Above,
                Limit(0.0),
            ),
            claim(
                "tokens are issued anew",
                "active-attack",
                "key-rotation",
                Figure::TokensIssued,
                Above,
                Strategy("none", 2.0),
            ),
        ],
        depends: "whether clients can renew without their holders",
        command: "revbench run --scenario active-attack --strategy none,key-rotation",
    },
    Saying {
        words: "The token grows with the application",
        source: ARTICLES,
        claims: &[
            demoted(
                "a token that carries permissions is longer than one that does not",
                "none",
                Figure::TokenBytes,
                Above,
                Strategy("lookup", 1.0),
            ),
            with(
                demoted(
                    "with fifty permissions it is past the 4 096 bytes of a cookie",
                    "none",
                    Figure::TokenBytes,
                    Above,
                    Limit(4_096.0),
                ),
                &[("extra_permissions", 50)],
            ),
            with(
                demoted(
                    "with five hundred it is past the 8 KiB that servers take of a header",
                    "none",
                    Figure::TokenBytes,
                    Above,
                    Limit(8_192.0),
                ),
                &[("extra_permissions", 500)],
            ),
        ],
        depends: "how many permissions it carries, and whether it carries any",
        command: "revbench run --scenario role-demoted --strategy none,lookup --param extra_permissions=5,50,500",
    },
    Saying {
        words: "A token version logs everyone out",
        source: OPERATORS,
        claims: &[
            demoted(
                "a demotion signs its subject out",
                "token-version",
                Figure::ForcedLogouts,
                Above,
                Limit(0.0),
            ),
            demoted(
                "tokens are issued anew",
                "token-version",
                Figure::TokensIssued,
                Above,
                Strategy("none", 2.0),
            ),
        ],
        depends: "what is meant: tokens are renewed, and nobody signs in again",
        command: "revbench run --scenario role-demoted --strategy none,token-version",
    },
    Saying {
        words: "After they have left they can do no harm any more",
        source: OPERATORS,
        claims: &[
            claim(
                "without revocation nothing is written for good",
                "employee-departure",
                "none",
                Figure::WritesAfterAck,
                AtMost,
                Limit(0.0),
            ),
            claim(
                "with a short life nothing is written for good",
                "employee-departure",
                "short-ttl",
                Figure::WritesAfterAck,
                AtMost,
                Limit(0.0),
            ),
            claim(
                "with a cached lookup nothing is written for good",
                "employee-departure",
                "cached-lookup",
                Figure::WritesAfterAck,
                AtMost,
                Limit(0.0),
            ),
            claim(
                "with a deny list nothing is written for good",
                "employee-departure",
                "deny-list",
                Figure::WritesAfterAck,
                AtMost,
                Limit(0.0),
            ),
        ],
        depends: "whether old answers outlive the departure at all",
        command: "revbench run --scenario employee-departure --strategy none,short-ttl,cached-lookup,deny-list",
    },
    Saying {
        words: "Giving a right takes effect as fast as taking it away",
        source: OPERATORS,
        claims: &[
            claim(
                "of a cached lookup, in the median",
                "role-promoted",
                "cached-lookup",
                Figure::MedianWindow,
                AtMost,
                Scenario("role-demoted"),
            ),
            claim(
                "of a short life, in the median",
                "role-promoted",
                "short-ttl",
                Figure::MedianWindow,
                AtMost,
                Scenario("role-demoted"),
            ),
        ],
        depends: "on the strategy",
        command: "revbench run --scenario role-demoted,role-promoted --strategy none,short-ttl,cached-lookup",
    },
    Saying {
        words: "Introspection is too slow",
        source: OPERATORS,
        claims: &[
            demoted(
                "it takes longer than a lookup",
                "introspection",
                Figure::Added(P50),
                Above,
                Strategy("lookup", 1.0),
            ),
            demoted(
                "it takes more than two round trips",
                "introspection",
                Figure::Added(P50),
                Above,
                RoundTrips(2.0),
            ),
            demoted(
                "with its answers kept it still takes a round trip in the median",
                "cached-introspection",
                Figure::Added(P50),
                Above,
                RoundTrips(0.5),
            ),
        ],
        depends: "whether its answers are kept",
        command: "revbench run --scenario role-demoted --strategy none,lookup,introspection,cached-introspection",
    },
    Saying {
        words: "A leeway is harmless",
        source: OPERATORS,
        claims: &[with(
            demoted(
                "an old token lives no longer for it than for its life of 3 s",
                "short-ttl",
                Figure::WorstWindow,
                AtMost,
                Limit(3_000.0),
            ),
            &[("leeway_ms", 5_000)],
        )],
        depends: "on its length",
        command: "revbench run --scenario role-demoted --strategy none,short-ttl --param leeway=5s",
    },
    Saying {
        words: "Verifying signatures is what costs",
        source: OPERATORS,
        claims: &[
            demoted(
                "the floor, which verifies nothing, takes less CPU",
                "none",
                Figure::ResourceCpu,
                Above,
                Strategy("floor", 1.0),
            ),
            demoted(
                "a lookup's own CPU is less than that of verifying",
                "none",
                Figure::ResourceCpu,
                Above,
                Strategy("lookup", 1.0),
            ),
        ],
        depends: "what is counted: verifying costs CPU, and asking a store costs that and the way",
        command: "revbench run --scenario role-demoted --strategy floor,none,lookup --param algorithm=RS256",
    },
];
