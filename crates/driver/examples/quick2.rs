//! Throwaway check.
#![allow(clippy::print_stdout, clippy::unwrap_used)]
use revbench_driver::plan::*;
use revbench_model::event::*; use revbench_model::target::Target; use revbench_model::*;
fn main() {
    let a: std::net::SocketAddr = "127.0.0.1:18199".parse().unwrap();
    let s = 1_000_000_000u64;
    let mut target = Target::built_in("x"); target.instance_header = None; target.decided_at_header = None;
    let sub = |i: usize, role, ch| PlannedSubject { id: format!("u{i}").into(), scenario: 0, role, change_at_ns: ch, rate_per_s: if role == SubjectRole::Crowd {0.0} else {3.0}, traffic_until_ns: 100*s };
    let mut subjects: Vec<_> = (0..40).map(|i| sub(i, SubjectRole::Treated, Some(s + i as u64 * 80_000_000))).collect();
    subjects.extend((40..240).map(|i| sub(i, SubjectRole::Crowd, None)));
    let plan = Plan { seed: 1, target, authority: a, instances: vec![(a, "a".into()), (a, "b".into())],
      scenarios: vec![PlannedScenario { orientation: Orientation::Revoke, scope: ScopeKind::Session, actor: ChangeActor::Admin, changed: None, reason: "r".into(), asked: "orders:write".into(), write: false, bound_ns: Some(s), horizon_ns: 3*s }],
      subjects, slices: vec![Slice{kind: SliceKind::WarmUp, start_ns: 0, end_ns: s}, Slice{kind: SliceKind::Dense, start_ns: s, end_ns: 4*s}, Slice{kind: SliceKind::Audit, start_ns: 4*s, end_ns: 4*s + s/4}],
      background: Background { rate_per_s: 2000.0, arrivals: Arrivals::Poisson, zipf_exponent: 1.0 },
      probes: ProbeGrid { ratio: 0.1, min_gap_ns: 1_000_000, settled_gap_ns: 100_000_000, settled_for_ns: s },
      client: ClientModel { refresh_at: 0.8, jitter_ns: 1_000_000, backoff_ns: 10_000_000 },
      connections: Connections { background_per_instance: 32, probe_per_instance: 16, refresh: 4, change: 2 }, request_timeout_ns: 2*s };
    let r = revbench_driver::run(&plan, &Progress::default()).unwrap();
    let q = |h: &hdrhistogram::Histogram<u64>| format!("p50 {:.1} p99 {:.1} max {:.1} us", h.value_at_quantile(0.5) as f64/1e3, h.value_at_quantile(0.99) as f64/1e3, h.max() as f64/1e3);
    for l in &r.loads { println!("{:?} offered {} completed {} probes {} errors {} refresh {} cpu {:.2} spin {:.2}\n  lat {}\n  lag {}\n  wait {}", l.slice.kind, l.offered, l.completed, l.probes, l.crowd_errors, l.refresh_ns.len(), l.driver_cpu_ns as f64/1e9/l.slice.seconds(), l.driver_spin_ns as f64/1e9/l.slice.seconds(), q(&l.latency_ns), q(&l.send_lag_ns), q(&l.connection_wait_ns)); }
    let mut pl: Vec<u64> = r.history.requests.iter().filter(|q| q.purpose == Purpose::Probe).map(|q| q.sent_ns - q.intended_ns).collect(); pl.sort();
    println!("probes {} sent late p50 {} p99 {} max {} ns; changes {}", pl.len(), pl[pl.len()/2], pl[pl.len()*99/100], pl[pl.len()-1], r.history.changes.len());
}
