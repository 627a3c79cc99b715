//! Tokens that the issuer signed and that say what no verifier may believe.

use revbench_model::Reason;
use serde_json::{Value, json};

use super::Attack;
use super::forge::Forge;

pub(super) fn rows(forge: &Forge) -> Vec<Attack> {
    let mut rows = twice(forge);
    rows.extend(dates(forge));
    rows.extend(audiences_and_issuers(forge));
    rows.extend(names(forge));
    rows.extend(missing(forge));
    rows.extend(of_others(forge));
    rows
}

fn changed(forge: &Forge, class: u8, member: &str, value: Value) -> Attack {
    Attack::refused(class, format!("{member} {value}"), forge.with_claim(member, Some(value)))
}

/// Two layers must never read two different values.
fn twice(forge: &Forge) -> Vec<Attack> {
    let (header, claims) = (forge.header().to_string(), forge.claims.to_string());
    let behind = |text: &str, member: &str| format!("{},{member}}}", &text[..text.len() - 1]);
    let before = |text: &str, member: &str| format!("{{{member},{}", &text[1..]);
    let mut rows = Vec::new();
    let alg = format!(r#""alg":"{}""#, forge.key.algorithm().name());
    for member in [&alg, r#""alg":"none""#, r#""al\u0067":"none""#, r#""kid":"x""#, r#""typ":"at+jwt""#] {
        rows.push(Attack::refused(
            30,
            format!("{member} behind"),
            forge.signed(&behind(&header, member), &claims),
        ));
        rows.push(Attack::refused(
            30,
            format!("{member} before"),
            forge.signed(&before(&header, member), &claims),
        ));
    }
    for member in [
        r#""sub":"bob""#,
        r#""s\u0075b":"bob""#,
        r#""exp":9999999999"#,
        r#""iat":0"#,
        r#""permissions":["all"]"#,
        r#""jti":"j1""#,
        r#""sid":"s1""#,
        r#""iss":"x""#,
        r#""aud":"x""#,
        r#""nbf":0,"nbf":1"#,
        r#""ver":1,"ver":2"#,
    ] {
        rows.push(Attack::refused(
            30,
            format!("{member} behind"),
            forge.signed(&header, &behind(&claims, member)),
        ));
        rows.push(Attack::refused(
            30,
            format!("{member} before"),
            forge.signed(&header, &before(&claims, member)),
        ));
    }
    rows
}

/// The boundaries to the millisecond need a clock that stands still: they are with the verifier's own tests.
fn dates(forge: &Forge) -> Vec<Attack> {
    let iat = forge.iat();
    let mut rows = vec![
        Attack::allowed(36, "exp with a fraction", forge.with_claim("exp", Some(json!(iat + 300.125)))),
        Attack::allowed(36, "exp with an exponent", forge.with_claim_text("exp", "2.5e9")),
        Attack::allowed(37, "nbf in the past", forge.with_claim("nbf", Some(json!(iat - 1.0)))),
    ];
    for ago in [0.0, 1.0, 59.0, 60.0, 61.0, 86_400.0] {
        rows.push(changed(forge, 34, "exp", json!(iat - ago)).with(Reason::Expired));
    }
    for value in ["0", "-0.0", "1e-308", "1700000000000e-6"] {
        let token = forge.with_claim_text("exp", value);
        rows.push(Attack::refused(34, format!("exp {value}"), token).with(Reason::Expired));
    }
    for (class, member) in [(36, "exp"), (37, "nbf"), (38, "iat")] {
        for text in [
            "\"1700000010\"",
            "\"\"",
            "true",
            "null",
            "[]",
            "[1700000010]",
            "{}",
            "-1",
            "-1e308",
            "1e308",
            "1e400",
            "-1e400",
            "9223372036854775808",
            "18446744073709551616",
            "253402300800",
            "NaN",
            "Infinity",
            "0x7fffffff",
            "1_700_000_000",
            "1.",
            ".5",
            "01",
            "+1",
        ] {
            let token = forge.with_claim_text(member, text);
            rows.push(Attack::refused(class, format!("{member} {text}"), token));
        }
    }
    for ahead in [60.0, 3_600.0, 1e9] {
        rows.push(changed(forge, 37, "nbf", json!(iat + ahead)));
        rows.push(changed(forge, 38, "iat", json!(iat + ahead)));
    }
    // Milliseconds where seconds belong.
    rows.push(changed(forge, 36, "exp", json!((iat + 60.0) * 1_000.0)));
    rows.push(changed(forge, 38, "iat", json!(iat * 1_000.0)));
    rows
}

fn audiences_and_issuers(forge: &Forge) -> Vec<Attack> {
    let [iss, aud] = ["iss", "aud"].map(|name| forge.claims[name].as_str().unwrap().to_owned());
    let mut rows = vec![
        Attack::allowed(39, "aud with ours among others", {
            let several = json!(["https://other.test", aud]);
            forge.with_claim("aud", Some(several))
        }),
        changed(forge, 45, "aud", json!("https://audience-b.test")),
        changed(forge, 45, "aud", json!(iss)),
    ];
    for value in [
        json!("https://other.test"),
        json!(["https://other.test"]),
        json!([]),
        json!([[aud]]),
        json!([aud, 7]),
        json!(7),
        json!(""),
        json!(null),
        json!({ "aud": aud }),
        json!(format!("{aud}/")),
        json!(format!("{aud} https://other.test")),
        json!(aud.to_uppercase()),
        json!(&aud[..aud.len() - 1]),
    ] {
        rows.push(changed(forge, 39, "aud", value));
    }
    for value in [
        json!("https://other.test"),
        json!(format!("{iss}/")),
        json!(&iss[..iss.len() - 1]),
        json!(format!("{iss}.attacker.test")),
        json!(format!("{iss}@attacker.test")),
        json!(iss.replace("https", "http")),
        json!([iss]),
        json!(7),
        json!(""),
        json!(null),
    ] {
        rows.push(changed(forge, 40, "iss", value));
    }
    rows
}

fn names(forge: &Forge) -> Vec<Attack> {
    let mut rows = Vec::new();
    for (class, member) in [(41, "sub"), (43, "client_id"), (47, "jti"), (47, "sid")] {
        for value in [json!(7), json!(""), json!(null), json!({}), json!(["x"]), json!(true)] {
            rows.push(changed(forge, class, member, value));
        }
    }
    for value in [json!(-1), json!("1"), json!(null), json!(1.5), json!(1e30), json!([1]), json!(true)] {
        rows.push(changed(forge, 48, "ver", value));
    }
    rows.push(Attack::refused(48, "ver 2^64", forge.with_claim_text("ver", "18446744073709551616")));
    for value in [json!([7]), json!("all"), json!(null), json!({ "orders:write": true }), json!([["all"]])] {
        rows.push(changed(forge, 43, "permissions", value));
    }
    rows
}

/// RFC 9068 §2.2, and what this profile adds.
fn missing(forge: &Forge) -> Vec<Attack> {
    let members = [
        (35, "exp"),
        (38, "iat"),
        (39, "aud"),
        (40, "iss"),
        (41, "sub"),
        (47, "jti"),
        (47, "sid"),
        (43, "iss"),
        (43, "exp"),
        (43, "aud"),
        (43, "sub"),
        (43, "client_id"),
        (43, "iat"),
        (43, "jti"),
        (43, "permissions"),
    ];
    let rows = members.map(|(class, member)| {
        Attack::refused(class, format!("no {member}"), forge.with_claim(member, None))
    });
    rows.into()
}

/// Another authority of the same make: its keys, or its name; and a tenant's token, which our key, that is no tenant's, does
/// not sign. What the keys of tenants sign for each other is in `tenants.rs`.
fn of_others(forge: &Forge) -> Vec<Attack> {
    let other = forge.attacker();
    let elsewhere = json!("https://tenant-b.revbench.test");
    let mut renamed = forge.claims.clone();
    renamed["iss"] = elsewhere.clone();
    let mut rows = vec![
        Attack::refused(46, "another authority's token", other.good()),
        Attack::refused(46, "another authority's token under our kid", other.with_header(&forge.header())),
        Attack::refused(46, "our key, another issuer", forge.with_claim("iss", Some(elsewhere))),
        Attack::refused(46, "another authority's key and name", {
            other.signed(&other.header().to_string(), &renamed.to_string())
        }),
    ];
    for value in [json!("acme"), json!(""), json!(null), json!(7), json!(["acme"]), json!({}), json!(true)] {
        rows.push(changed(forge, 46, "tenant", value));
    }
    rows
}

/// For the strategy that compares versions: a missing one is not zero, and a higher one is not better.
pub(super) fn versions(forge: &Forge) -> Vec<Attack> {
    let present = forge.claims["ver"].as_u64().unwrap();
    let mut rows = vec![Attack::refused(48, "no ver", forge.with_claim("ver", None))];
    for ver in [0, present - 1, present + 1, u64::MAX] {
        rows.push(changed(forge, 48, "ver", json!(ver)));
    }
    rows.into_iter().map(|row| row.with(Reason::OutdatedVersion)).collect()
}
