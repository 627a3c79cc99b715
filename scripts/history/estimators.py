"""Figures over changes: quantile intervals by binomial ranks, the Clopper-Pearson limit, the claim's verdict."""

import math
import statistics


def binomial_cdf(k, n, p):
    """P(B <= k), summed in logarithms so that it holds for thousands."""
    if k < 0:
        return 0.0
    logs = (math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) + i * math.log(p) + (n - i) * math.log1p(-p) for i in range(min(k, n) + 1))
    return min(1.0, math.fsum(math.exp(term) for term in logs))


def ranks(n, p, alpha=0.05):
    """Ranks (l, u), from 1, such that the order statistics l and u enclose the p-quantile with 1 - alpha, each side
    missing by at most alpha/2; None where n values are too few for both ends."""
    lower = max((k for k in range(1, n + 1) if binomial_cdf(k - 1, n, p) <= alpha / 2), default=None)
    upper = min((k for k in range(1, n + 1) if binomial_cdf(k - 1, n, p) >= 1 - alpha / 2), default=None)
    return (lower, upper) if lower and upper else None


def quantile(windows, p):
    """[L_(l), U_(u)] of a quantile on interval data, or None."""
    found = ranks(len(windows), p)
    if found is None:
        return None
    lowers, uppers = sorted(window.lower for window in windows), sorted(window.upper for window in windows)
    return lowers[found[0] - 1], uppers[found[1] - 1]


def worst(windows):
    """[max L, max U], or None of nothing."""
    return (max(window.lower for window in windows), max(window.upper for window in windows)) if windows else None


def mean_of_midpoints(windows):
    """Mean of the midpoints and its standard error over changes; (None, None) where one has no end."""
    middles = [(window.lower + window.upper) / 2 for window in windows]
    if not middles or any(map(math.isinf, middles)):
        return None, None
    return statistics.fmean(middles), statistics.stdev(middles) / math.sqrt(len(middles)) if len(middles) > 1 else None


def nearest_rank(values, p):
    """The smallest value that at least a share p of the values does not exceed."""
    return sorted(values)[max(1, math.ceil(p * len(values) - 1e-9)) - 1]


def clopper_pearson_upper(hits, n, alpha=0.05):
    """One-sided upper limit of a share: the p at which so few hits have probability alpha."""
    if n == 0 or hits >= n:
        return 1.0
    low, high = hits / n, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if binomial_cdf(hits, n, middle) > alpha else (low, middle)
    return (low + high) / 2


def verdict(windows, resolutions, bound, unobserved=()):
    """Broken where some lower end exceeds the bound, that of a change without a window (`unobserved`) included; holds where
    every upper end is within bound + resolution of its change; else undecided. None where there is nothing to judge."""
    if any(lower > bound for lower in (*(window.lower for window in windows), *unobserved)):
        return "broken"
    if not windows:
        return None
    within = all(window.upper <= bound + resolution for window, resolution in zip(windows, resolutions))
    return "holds" if within else "undecided"
