//! Tenants whose keys are their own: what the key of one signs for another is believed by nobody.

use revbench_model::settings::Algorithm;
use revbench_model::{Now, Reason};
use revbench_server::KeySource;
use revbench_server::keys::{Jwks, KeySet, SigningKey};
use revbench_server::verify::Verifier;
use revbench_strategies::StrategyKind;
use serde_json::{Value, json};

use super::Attack;
use super::forge::Forge;
use super::stage::{Client, Stage};
use super::tokens::show;

/// The keys of two tenants.
pub(super) struct Forges {
    acme: Forge,
    globex: Forge,
}

impl Forges {
    pub(super) fn new(algorithm: Algorithm) -> Forges {
        let of = |tenant: &str| Forge {
            key: SigningKey::generate(algorithm, None).unwrap().for_tenant(tenant),
            claims: json!({ "tenant": tenant }),
        };
        Forges { acme: of("acme"), globex: of("globex") }
    }

    /// Each signs these claims in the name of its tenant.
    fn claiming(mut self, claims: &Value) -> Forges {
        for forge in [&mut self.acme, &mut self.globex] {
            let tenant = forge.claims["tenant"].take();
            forge.claims = claims.clone();
            forge.claims["tenant"] = tenant;
        }
        self
    }

    /// One set, with the key that is no tenant's.
    fn published_with(&self, service: &SigningKey) -> String {
        let keys = [service, &self.acme.key, &self.globex.key].map(|key| key.jwks().keys).concat();
        serde_json::to_string(&Jwks { keys }).unwrap()
    }
}

/// Against a verifier that has the keys of both tenants and one that is no tenant's.
pub(super) fn rows(Forges { acme, globex }: &Forges, service: &Forge) -> Vec<Attack> {
    let named = |forge: &Forge, tenant: &str| forge.with_claim("tenant", Some(json!(tenant)));
    let globex_to_the_letter = acme.signed(&globex.header().to_string(), &globex.claims.to_string());
    let mut rows = vec![
        Attack::allowed(46, "acme's own token", acme.good()),
        Attack::allowed(46, "globex' own token", globex.good()),
        Attack::allowed(46, "a token of no tenant", service.good()),
        // Names of subjects are read within their tenant: this is acme's bob, whoever else is called so.
        Attack::allowed(46, "acme's key for another subject", acme.with_claim("sub", Some(json!("bob")))),
        Attack::refused(46, "acme's key for globex", named(acme, "globex")),
        Attack::refused(46, "globex' key for acme", named(globex, "acme")),
        Attack::refused(46, "acme's key for no tenant", acme.with_claim("tenant", None)),
        Attack::refused(46, "the service's key for acme", named(service, "acme")),
        Attack::refused(46, "acme's token under globex' kid", acme.with_header(&globex.header())),
        Attack::refused(46, "acme's token under the service's kid", acme.with_header(&service.header())),
        Attack::refused(46, "globex' token to the letter, signed by acme", globex_to_the_letter),
    ];
    for value in [
        json!(""),
        json!("acm"),
        json!("ACME"),
        json!("acme "),
        json!("acme\u{0}"),
        json!(null),
        json!(7),
        json!(true),
        json!(["acme"]),
        json!(["acme", "globex"]),
        json!({ "acme": true }),
    ] {
        let token = acme.with_claim("tenant", Some(value.clone()));
        rows.push(Attack::refused(46, format!("acme's key for {value}"), token));
    }
    rows.extend(twice(acme));
    rows
}

/// Two layers must never read two different tenants.
fn twice(acme: &Forge) -> [Attack; 3] {
    let (header, claims) = (acme.header().to_string(), acme.claims.to_string());
    let behind = |member: &str| format!("{},{member}}}", &claims[..claims.len() - 1]);
    let before = |member: &str| format!("{{{member},{}", &claims[1..]);
    let signed = |what: &str, claims: String| Attack::refused(30, what, acme.signed(&header, &claims));
    [
        signed("globex behind acme", behind(r#""tenant":"globex""#)),
        signed("globex before acme", before(r#""tenant":"globex""#)),
        signed("acme twice", behind(r#""tenant":"acme""#)),
    ]
}

#[test]
fn a_verifier_believes_no_tenants_key_about_another() {
    const NOW: Now = Now { wall_ms: 1_700_000_000_000, mono_ns: 0 };
    let claims = json!({
        "iss": "i", "aud": "a", "sub": "ann", "sid": "s", "jti": "j", "client_id": "c", "iat": 1_699_999_999,
        "exp": 1_700_000_100, "permissions": [],
    });
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let service = Forge::new(algorithm, claims.clone());
        let forges = Forges::new(algorithm).claiming(&claims);
        let set = KeySet::from_json(&forges.published_with(&service.key), algorithm).unwrap();
        let verifier = Verifier::new(set, "i", "a", 0);
        for Attack { class, what, token, expected } in rows(&forges, &service) {
            let reason = verifier.verify(&token, NOW).err().unwrap_or(Reason::Allowed);
            assert_eq!(reason, expected, "class {class} {algorithm:?}: {what}");
        }
    }
}

#[test]
fn a_server_believes_no_tenants_key_about_another() {
    let forges = Forges::new(Algorithm::EdDSA);
    let stage = Stage::new(StrategyKind::ShortTtl, Algorithm::EdDSA, |service, _, _| {
        KeySource::Jwks(forges.published_with(service))
    });
    let forges = forges.claiming(&stage.forge.claims);
    let faults = show(&mut Client::of(&stage.resource), &rows(&forges, &stage.forge));
    assert!(faults.is_empty(), "{faults:#?}");
}
