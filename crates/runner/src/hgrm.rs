//! The text format of HdrHistogram's percentile distribution (`.hgrm`), which its plotters read.

use std::io::{self, Write};

use hdrhistogram::Histogram;

/// Writes a histogram of nanoseconds in microseconds.
///
/// # Errors
/// What the writer says.
pub(crate) fn write(mut out: impl Write, histogram: &Histogram<u64>) -> io::Result<()> {
    writeln!(out, "{:>12} {:>14} {:>10} {:>14}", "Value", "Percentile", "TotalCount", "1/(1-Percentile)")?;
    writeln!(out)?;
    for value in histogram.iter_quantiles(5) {
        let quantile = value.quantile_iterated_to();
        let count = histogram.count_between(0, value.value_iterated_to());
        let us = value.value_iterated_to() as f64 / 1_000.0;
        if quantile < 1.0 {
            writeln!(out, "{us:12.3} {quantile:14.12} {count:10} {:14.2}", 1.0 / (1.0 - quantile))?;
        } else {
            writeln!(out, "{us:12.3} {quantile:14.12} {count:10}")?;
        }
    }
    let (mean_us, deviation_us) = (histogram.mean() / 1_000.0, histogram.stdev() / 1_000.0);
    writeln!(out, "#[Mean    = {mean_us:12.3}, StdDeviation   = {deviation_us:12.3}]")?;
    let (max_us, total) = (histogram.max() as f64 / 1_000.0, histogram.len());
    writeln!(out, "#[Max     = {max_us:12.3}, Total count    = {total:12}]")
}
