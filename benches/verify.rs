//! Verification of an access token per algorithm, and by its length: what every strategy but the floor pays on
//! each request before it decides anything.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use revbench_benches::token::{NOW, claims, signer_and_verifier};
use revbench_model::settings::Algorithm;
use revbench_server::token::sign;

/// Permissions of the default settings.
const USUAL: u32 = 5;
/// Permissions in one token, up to what common header limits refuse.
const PERMISSIONS: [u32; 3] = [5, 50, 500];

fn by_algorithm(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("verify");
    for algorithm in Algorithm::ALL {
        let (signer, verifier) = signer_and_verifier(algorithm);
        let token = sign(&signer, &claims("ann", USUAL)).expect("the key signs");
        verifier.verify(&token, NOW).expect("the token is good");
        group.bench_function(algorithm.name(), |bencher| {
            bencher.iter(|| verifier.verify(black_box(&token), NOW));
        });
    }
    group.finish();
}

fn by_length(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("verify-by-permissions");
    let (signer, verifier) = signer_and_verifier(Algorithm::HS256);
    for permissions in PERMISSIONS {
        let token = sign(&signer, &claims("ann", permissions)).expect("the key signs");
        verifier.verify(&token, NOW).expect("the token is good");
        group.throughput(Throughput::Bytes(token.len() as u64));
        group.bench_with_input(BenchmarkId::new("HS256", permissions), &token, |bencher, token| {
            bencher.iter(|| verifier.verify(black_box(token), NOW));
        });
    }
    group.finish();
}

criterion_group!(benches, by_algorithm, by_length);
criterion_main!(benches);
