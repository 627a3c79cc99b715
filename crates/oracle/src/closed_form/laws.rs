//! Distribution functions of one instance's window, one function for each mechanism (`docs/METHODOLOGY.md` §5).
//!
//! All are continuous but for a mass at their smallest value; times and lives in milliseconds, rates per
//! millisecond. `P(W ≤ t)` is asked for t ≥ 0 only.

/// Uniform between two ends; a step where they coincide.
pub(super) fn uniform(t: f64, lower: f64, upper: f64) -> f64 {
    if upper > lower { ((t - lower) / (upper - lower)).clamp(0.0, 1.0) } else { f64::from(t >= lower) }
}

/// Expire-after-write, filled on a miss: cycles of T + Exp(λ), of which T hold an entry.
/// Jung, Berger, Balakrishnan, "Modeling TTL-based Internet Caches", INFOCOM 2003.
pub(super) fn expire_after_write(t: f64, ttl: f64, rate: f64) -> f64 {
    if t >= ttl { 1.0 } else { (1.0 + rate * t) / (1.0 + rate * ttl) }
}

/// The same with a life L of each entry that is uniform between two: P(W > t) = E[(L − t)⁺] / (E[L] + 1/λ), by renewal
/// reward.
pub(super) fn jittered_expire_after_write(t: f64, shortest: f64, ttl: f64, rate: f64) -> f64 {
    let mean = f64::midpoint(shortest, ttl);
    // E[(L − t)⁺]
    let left = if t >= ttl {
        0.0
    } else if t > shortest {
        (ttl - t) * (ttl - t) / (2.0 * (ttl - shortest))
    } else {
        mean - t
    };
    1.0 - rate * left / (1.0 + rate * mean)
}

/// Mean of the same, E[L²] / (2 (E[L] + 1/λ)).
pub(super) fn jittered_expire_after_write_mean(shortest: f64, ttl: f64, rate: f64) -> f64 {
    let second_moment = (shortest * shortest + shortest * ttl + ttl * ttl) / 3.0;
    second_moment / (2.0 * (f64::midpoint(shortest, ttl) + 1.0 / rate))
}

/// Refresh-ahead: an entry is in force for M = r + min(Exp(λ), T − r) of a cycle of r + Exp(λ), so that
/// P(W > t) = E[(M − t)⁺] / (r + 1/λ).
pub(super) fn refresh_ahead(t: f64, refresh: f64, ttl: f64, rate: f64) -> f64 {
    let spare = (ttl - refresh).max(0.0);
    // λ·E[(M − t)⁺]
    let beyond = if t >= refresh + spare {
        0.0
    } else if t >= refresh {
        (-rate * (t - refresh)).exp() - (-rate * spare).exp()
    } else {
        rate * (refresh - t) - (-rate * spare).exp_m1()
    };
    1.0 - beyond / (1.0 + rate * refresh)
}

/// Mean of the same, E[M²] / (2 (r + 1/λ)).
pub(super) fn refresh_ahead_mean(refresh: f64, ttl: f64, rate: f64) -> f64 {
    let spare = rate * (ttl - refresh).max(0.0);
    let gone = (-spare).exp();
    let second_moment = refresh * refresh
        + 2.0 * refresh * (1.0 - gone) / rate
        + 2.0 / (rate * rate) * (1.0 - gone * (1.0 + spare));
    second_moment / (2.0 * (refresh + 1.0 / rate))
}

/// Past this the series of [`expire_after_access`] loses its digits, and less than 10⁻⁶ of the law is left.
const LONGEST_SERIES: f64 = 15.0;

/// Expire-after-access: the entry lives as long as no gap between reads reaches T, that is, as long as segments
/// of length T begun by a Poisson process cover the line without a hole. With c = λ·e^(−λT), v = (t − kT)⁺:
/// P(W ≤ t) = Σ (−c)^k (e^(−λT)·v^k/k! + c·v^(k+1)/(k+1)!), from S'(t) = −c·S(t − T).
/// The covering problem: C. Domb, "The problem of random intervals on a line", 1947.
pub(super) fn expire_after_access(t: f64, ttl: f64, rate: f64) -> f64 {
    let absent = (-rate * ttl).exp();
    let c = rate * absent;
    if c * t > LONGEST_SERIES {
        return 1.0;
    }
    let (mut sum, mut k) = (0.0, 0.0);
    let mut ln_factorial = 0.0;
    while k * ttl <= t {
        let v = t - k * ttl;
        let power = if k == 0.0 { 1.0 } else { (k * (c * v).ln() - ln_factorial).exp() };
        let term = power * (absent + c * v / (k + 1.0));
        sum += if k % 2.0 == 0.0 { term } else { -term };
        if k > LONGEST_SERIES && term < 1e-17 {
            break;
        }
        k += 1.0;
        ln_factorial += k.ln();
    }
    sum.clamp(0.0, 1.0)
}

/// Mean of the same: (e^(λT) − 1 − λT)/λ from a random instant, where from a read it is (e^(λT) − 1)/λ.
pub(super) fn expire_after_access_mean(ttl: f64, rate: f64) -> f64 {
    ((rate * ttl).exp_m1() - rate * ttl) / rate
}

/// What is lost waits for the resynchronisation, the rest is on the way for an exponential time.
pub(super) fn push(t: f64, delay: f64, loss: f64, resync: f64) -> f64 {
    let arrived = if delay > 0.0 { -(-t / delay).exp_m1() } else { 1.0 };
    (1.0 - loss) * arrived + loss * uniform(t, 0.0, resync)
}

/// The last of `copies` uniform waits on (0, own), plus two waits that all have in common, on (0, first) and
/// (0, second): twice the antiderivative of (x/own)^copies, and its differences.
pub(super) fn last_plus_shared(t: f64, own: f64, copies: i32, first: f64, second: f64) -> f64 {
    if t < 0.0 {
        return 0.0;
    }
    if t >= own + first + second {
        return 1.0;
    }
    let n = f64::from(copies);
    let last = |x: f64| if own > 0.0 { (x / own).clamp(0.0, 1.0).powi(copies) } else { f64::from(x >= 0.0) };
    let once = |x: f64| {
        let inside = x.clamp(0.0, own);
        let rising = if own > 0.0 { inside / (n + 1.0) * (inside / own).powi(copies) } else { 0.0 };
        rising + (x - own).max(0.0)
    };
    let twice = |x: f64| {
        let inside = x.clamp(0.0, own);
        let rising = if own > 0.0 {
            inside * inside / ((n + 1.0) * (n + 2.0)) * (inside / own).powi(copies)
        } else {
            0.0
        };
        let past = (x - own).max(0.0);
        rising + past * own / (n + 1.0) + past * past / 2.0
    };
    let share = match (first > 0.0, second > 0.0) {
        (false, false) => last(t),
        (true, false) => (once(t) - once(t - first)) / first,
        (false, true) => (once(t) - once(t - second)) / second,
        (true, true) => {
            let corners = twice(t) - twice(t - first) - twice(t - second) + twice(t - first - second);
            corners / (first * second)
        }
    };
    share.clamp(0.0, 1.0)
}
