//! History in; windows, verdicts, quantiles, validity and decision out. Pure.
