//! Every class of the catalogue has a row, or a reason why it has none.

use std::collections::BTreeSet;

use revbench_model::settings::Algorithm;
use revbench_server::config::{AUDIENCE, ISSUER};
use serde_json::json;

use super::forge::Forge;
use super::trap::Trap;
use super::{asked, authority, claims, key_sets, requests, revoked, tenants, tokens, verifier};

/// How many classes there are.
const CLASSES: u8 = 59;

/// Why a class has no row here.
const ELSEWHERE: [(u8, &str); 2] = [
    (49, "no server reads status lists: a reference to one is a claim that nobody looks at"),
    (59, "a load is measured by the driver (`scripts/checks/bad-tokens`); here, that refusals ask no store"),
];

fn classes_with_rows() -> BTreeSet<u8> {
    let trap = Trap::new();
    let mut classes = BTreeSet::new();
    for algorithm in Algorithm::ALL {
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "sid": "s", "jti": "j", "client_id": "c", "iat": 1e9,
            "exp": 2e9, "permissions": [], "ver": 1,
        });
        let forge = Forge::new(algorithm, claims);
        classes.extend(tokens::rows(&forge, &trap).iter().map(|row| row.class));
        classes.extend(verifier::boundaries(&forge).iter().map(|row| row.class));
        classes.extend(claims::versions(&forge).iter().map(|row| row.class));
        classes.extend(tokens::unknown_names(&forge, 1).map(|row| row.class));
        classes.extend(requests::rows(&forge.good()).iter().map(|row| row.class));
        classes.extend(asked::rows(&forge.good(), "YW5u.s.x", "Ym9i.s.x").iter().map(|row| row.class));
    }
    let forge = Forge::new(Algorithm::ES256, json!({}));
    classes.extend(revoked::dresses(&forge.good(), true).iter().map(|row| row.class));
    classes.extend(revoked::ROUTES.iter().map(|route| route.class));
    classes.extend(authority::ENDINGS.iter().map(|ending| ending.class));
    classes.extend(key_sets::rows().iter().map(|row| row.class));
    classes.extend(key_sets::retired(&forge, &forge.attacker()).iter().map(|row| row.class));
    let forges = tenants::Forges::new(Algorithm::ES256);
    classes.extend(tenants::rows(&forges, &forge).iter().map(|row| row.class));
    classes
}

#[test]
fn every_class_has_a_row_or_a_reason() {
    let with_rows = classes_with_rows();
    for class in 1..=CLASSES {
        let reason = ELSEWHERE.iter().find(|(excepted, _)| *excepted == class);
        match (with_rows.contains(&class), reason) {
            (true, None) => {}
            (false, Some((_, why))) => assert!(!why.is_empty()),
            (false, None) => panic!("class {class} has neither row nor reason"),
            (true, Some((_, why))) => panic!("class {class} has rows and yet a reason: {why}"),
        }
    }
    assert!(with_rows.iter().all(|class| (1..=CLASSES).contains(class)), "{with_rows:?}");
}
