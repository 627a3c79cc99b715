//! Signatures at the edges of their algorithms.

use revbench_model::settings::Algorithm;
use serde_json::json;

use super::Attack;
use super::forge::{Forge, decode, encode};

/// Order of P-256, most significant byte first.
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// Order of Ed25519's base point, least significant byte first.
const ED25519_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// The neutral point of Ed25519 and a scalar of zero: good for every message under a key of order one.
pub(super) fn for_every_message() -> Vec<u8> {
    let mut signature = vec![0; 64];
    signature[0] = 1;
    signature
}

pub(super) fn rows(forge: &Forge) -> Vec<Attack> {
    let good = forge.good();
    let (message, signature) = good.rsplit_once('.').unwrap();
    let signature = decode(signature);
    let with = |class: u8, what: &str, bytes: &[u8]| {
        Attack::refused(class, what, format!("{message}.{}", encode(bytes)))
    };
    let mut rows = vec![
        with(27, "an empty signature", &[]),
        with(27, "a byte less", &signature[..signature.len() - 1]),
        with(27, "a byte more", &[&signature[..], &[0]].concat()),
        with(27, "a zero before", &[&[0][..], &signature].concat()),
        with(27, "twice", &[&signature[..], &signature[..]].concat()),
        with(27, "zeros", &vec![0; signature.len()]),
        with(27, "ones", &vec![0xff; signature.len()]),
    ];
    match forge.key.algorithm() {
        Algorithm::ES256 => rows.extend(of_p256(&signature, with)),
        Algorithm::EdDSA => rows.extend(of_ed25519(forge, &signature, with)),
        Algorithm::HS256 => rows.extend(of_hmac(&signature, with)),
        Algorithm::RS256 => {}
    }
    rows
}

fn of_p256(signature: &[u8], with: impl Fn(u8, &str, &[u8]) -> Attack) -> Vec<Attack> {
    let (r, s) = signature.split_at(32);
    let zero = [0; 32];
    let der = |part: &[u8]| [&[2, 33, 0][..], part].concat();
    let sequence = [&[0x30, 70][..], &der(r), &der(s)].concat();
    vec![
        with(26, "r = s = 0", &[zero, zero].concat()),
        with(26, "r = 0", &[&zero[..], s].concat()),
        with(26, "s = 0", &[r, &zero].concat()),
        with(26, "r = s = n", &[P256_ORDER, P256_ORDER].concat()),
        with(26, "r = n", &[&P256_ORDER[..], s].concat()),
        with(26, "s = n", &[r, &P256_ORDER].concat()),
        with(26, "r and s above the order", &[0xff; 64]),
        with(26, "r and s exchanged", &[s, r].concat()),
        with(27, "DER", &sequence),
    ]
}

fn of_ed25519(forge: &Forge, signature: &[u8], with: impl Fn(u8, &str, &[u8]) -> Attack) -> Vec<Attack> {
    let (point, scalar) = signature.split_at(32);
    let neutral = json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(&for_every_message()[..32]) });
    let header = forge.header_with("jwk", Some(neutral));
    let message = format!("{}.{}", encode(header.to_string()), encode(forge.claims.to_string()));
    let brought = format!("{message}.{}", encode(for_every_message()));
    vec![
        with(54, "a scalar above the order", &[point, &plus_order(scalar)].concat()),
        with(54, "a point of small order and a scalar of zero", &for_every_message()),
        Attack::refused(54, "a key of small order in the header", brought),
        with(54, "a point that is none", &[&[0xff; 32][..], scalar].concat()),
    ]
}

/// The same scalar modulo the order, written otherwise.
fn plus_order(scalar: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    let digits = scalar.iter().zip(ED25519_ORDER).map(|(digit, order)| {
        let sum = u16::from(*digit) + u16::from(order) + carry;
        carry = sum >> 8;
        sum as u8
    });
    digits.collect()
}

/// A comparison that stops at the first difference would take a prefix for nearer than none; none of them is good.
fn of_hmac(signature: &[u8], with: impl Fn(u8, &str, &[u8]) -> Attack) -> Vec<Attack> {
    let mut rows = Vec::new();
    for right in 1..signature.len() {
        let mut partly = signature.to_vec();
        partly[right..].iter_mut().for_each(|byte| *byte ^= 0xff);
        rows.push(with(55, &format!("{right} right bytes"), &partly));
        rows.push(with(55, &format!("{right} right bytes and no more"), &signature[..right]));
    }
    rows
}

/// (r, n − s) for (r, s): the curve's other signature of the same message, as good as the first.
pub(super) fn mirrored(token: &str) -> String {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let mut mirrored = decode(signature);
    let mut borrow = 0;
    for at in (0..32).rev() {
        let digit = i16::from(P256_ORDER[at]) - i16::from(mirrored[32 + at]) - borrow;
        borrow = i16::from(digit < 0);
        mirrored[32 + at] = digit.rem_euclid(256) as u8;
    }
    format!("{message}.{}", encode(mirrored))
}
