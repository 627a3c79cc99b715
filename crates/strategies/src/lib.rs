//! One strategy, one file: its claim, cost, source, code and tests.
