//! Throwaway check.
#![allow(clippy::print_stdout, clippy::unwrap_used)]
use revbench_driver::load::*;
use revbench_driver::plan::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let rate = if a[2] == "max" { Rate::Max } else { Rate::PerSecond(a[2].parse().unwrap()) };
    let plan = LoadPlan {
        address: a[1].parse().unwrap(),
        host: a[1].clone(),
        path: "/".into(),
        method: "GET".into(),
        headers: vec![],
        rate,
        connections: 64,
        duration_ns: 3_000_000_000,
        arrivals: Arrivals::Poisson,
        seed: 1,
        timeout_ns: 2_000_000_000,
    };
    let r = run(&plan, &Progress::default()).unwrap();
    let q = |h: &hdrhistogram::Histogram<u64>| {
        format!(
            "p50 {:.1} p99 {:.1} max {:.1} us",
            h.value_at_quantile(0.5) as f64 / 1e3,
            h.value_at_quantile(0.99) as f64 / 1e3,
            h.max() as f64 / 1e3
        )
    };
    println!(
        "requests {} errors {} offered {:.0} achieved {:.0}\n latency {}\n service {}\n lag {}\n wait {}\n cpu/req {:.2} us, spin/req {:.2}, {:?}",
        r.requests,
        r.errors,
        r.offered_per_s,
        r.achieved_per_s,
        q(&r.latency_ns),
        q(&r.service_ns),
        q(&r.send_lag_ns),
        q(&r.connection_wait_ns),
        r.client_cpu_ns as f64 / 1e3 / r.requests as f64,
        r.spin_cpu_ns as f64 / 1e3 / r.requests as f64,
        r.statuses
    );
}
