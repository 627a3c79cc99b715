//! Issuing an access token per algorithm: what a short life costs the authority, once per subject and life.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use revbench_benches::token::{NOW, claims, signer_and_verifier};
use revbench_model::settings::Algorithm;
use revbench_server::token::sign;

fn issue(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("issue");
    let claims = claims("ann", 5);
    for algorithm in Algorithm::ALL {
        let (signer, verifier) = signer_and_verifier(algorithm);
        let token = sign(&signer, &claims).expect("the key signs");
        assert_eq!(verifier.verify(&token, NOW).as_ref(), Ok(&claims), "{}", algorithm.name());
        group.bench_function(algorithm.name(), |bencher| {
            bencher.iter(|| sign(&signer, black_box(&claims)));
        });
    }
    group.finish();
}

criterion_group!(benches, issue);
criterion_main!(benches);
