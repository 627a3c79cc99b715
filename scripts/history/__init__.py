"""A second reading of a run's raw history, written apart from the harness: nothing here shares code, and the
rules are taken from the definitions, not from the program."""
