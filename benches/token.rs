//! Keys, claims and tokens as the reference authority would issue them.

use revbench_model::settings::Algorithm;
use revbench_model::{Claims, Now, Permission};
use revbench_server::config::{AUDIENCE, CLIENT_ID, ISSUER};
use revbench_server::keys::{KeySet, SigningKey, random_secret};
use revbench_server::verify::Verifier;

/// The instant of every bench: nothing here reads the wall clock.
pub const NOW: Now = Now { wall_ms: 1_800_000_000_000, mono_ns: 1_000_000_000_000 };

/// A life that outlasts every instant that a bench invents.
const LIFE_S: f64 = 900.0;

/// Claims of a subject with so many permissions, the first of them `permission:0`.
pub fn claims(subject: &str, permissions: u32) -> Claims {
    let issued_s = NOW.wall_ms as f64 / 1_000.0;
    Claims {
        iss: ISSUER.into(),
        aud: AUDIENCE.to_owned(),
        sub: subject.into(),
        sid: "Zm9vYmFyYmF6cXV4MTIzNA".into(),
        jti: format!("{subject}-dG9rZW4gaWRlbnRpZmllcg").into(),
        client_id: CLIENT_ID.to_owned(),
        iat: issued_s,
        exp: issued_s + LIFE_S,
        permissions: (0..permissions).map(permission).collect(),
        ver: None,
        tenant: None,
    }
}

/// The name of a permission.
pub fn permission(number: u32) -> Permission {
    Permission(format!("permission:{number}"))
}

/// A fresh key and a verifier that has its public half.
pub fn signer_and_verifier(algorithm: Algorithm) -> (SigningKey, Verifier) {
    let signer = SigningKey::generate(algorithm, Some(&random_secret())).expect("the library makes keys");
    let keys: KeySet = signer.key_set().expect("a fresh key makes a set");
    (signer, Verifier::new(keys, ISSUER, AUDIENCE, 0))
}
