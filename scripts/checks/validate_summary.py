"""validate_summary.py FOLDER STORE [--database] [STRATEGY…]: the documents of a smoke run of all strategies or of these,
against the schema and each other. Prints the first thing that is wrong and exits 1."""

import csv
import json
import pathlib
import re
import sys

import jsonschema

STRATEGIES = {"floor", "none", "short-ttl", "deny-list", "token-version", "lookup", "cached-lookup",
              "deny-and-refresh", "allow-list", "valid-after", "push", "introspection", "cached-introspection",
              "refresh-rotation", "refresh-on-change", "key-rotation", "lockdown"}


def fail(why):
    print(why)
    sys.exit(1)


def check_schema(document, schema):
    cls = jsonschema.validators.validator_for(schema)
    cls.check_schema(schema)
    for error in cls(schema).iter_errors(document):
        fail(f"summary.json {error.json_path}: {error.message}"[:300])


def check_cell(cell):
    where = f"{cell['scenario']}/{cell['strategy']}/{cell['orientation']}"
    if cell["outcome"] == "failed":
        fail(f"{where} failed: {cell.get('why')}")
    if cell["outcome"] == "cannot":
        return
    rate = cell["rate_per_s"]
    if not rate or rate["achieved"] <= 0:
        fail(f"{where} has no achieved rate")
    claim = cell["claim"]
    if claim and claim["verdict"] == "broken" and claim["expected"] != "broken":
        fail(f"{where}: bound {claim['formula']} = {claim['bound_ms']} ms is broken")
    if cell["role"] == "subject" and not (cell["staleness"] and cell["staleness"]["changes"] > 0):
        fail(f"{where} has no change with a window")
    if cell["strategy"] == "none" and cell["staleness"]["never_converged"] == 0:
        fail(f"{where}: the control learnt of a change")


def check_files(run):
    for file in ("manifest.json", "summary.json", "summary.csv", "report.md", "report.html"):
        if not (run / file).is_file() or (run / file).stat().st_size == 0:
            fail(f"{file} is missing or empty")
    page = (run / "report.html").read_text()
    outside = re.search(r"""(?:src|href|action|xlink:href)\s*=\s*["']?(https?:|//)[^"'\s>]*""", re.sub(r"<a\b[^>]*>", "", page))
    if outside:
        fail(f"report.html refers to {outside[0]}")
    absolute = re.search(r"/(?:root|home|Users|tmp)/[\w./-]+", (run / "manifest.json").read_text())
    if absolute:
        fail(f"manifest.json names an absolute path of this machine: {absolute[0]}")


def check_database(database, is_wanted):
    if not is_wanted:
        if database is not None:
            fail(f"a run without a database names {database['kind']}")
        return
    if database is None or database["kind"] != "postgres":
        fail(f"--database postgres measured on {database and database['kind']}")
    if not database["version"] or "fsync off" not in database["settings"]:
        fail(f"the database is described as '{database['version']}', '{database['settings']}'")
    distance = database["rtt_us"]
    if distance["p50"] is None or distance["p50"] < 0.9 * distance["asked"]:
        fail(f"the database is {distance['p50']} µs away where {distance['asked']} µs were asked")


def main():
    folder, store, has_database, named = pathlib.Path(sys.argv[1]), sys.argv[2], "--database" in sys.argv, set(sys.argv[3:]) - {"--database"}
    run = folder / "run"
    summary = json.loads((run / "summary.json").read_text())
    check_schema(summary, json.loads((folder / "schema.json").read_text()))
    if json.loads((folder / "stdout.json").read_text()) != summary:
        fail("--json printed another document than summary.json")
    check_files(run)
    kind = summary["store"]["kind"]
    if kind not in ({"redis-server", "valkey-server"} if store == "auto" else {store}):
        fail(f"--store {store} measured on {kind}")
    if summary["partial"]:
        fail("the finished run says that it is partial")
    check_database(summary["database"], has_database)
    if {cell["strategy"] for cell in summary["cells"]} != (named or STRATEGIES):
        fail(f"strategies are {sorted({cell['strategy'] for cell in summary['cells']})}")
    for cell in summary["cells"]:
        check_cell(cell)
    rows = list(csv.DictReader((run / "summary.csv").open()))
    if len(rows) != len(summary["cells"]):
        fail(f"summary.csv has {len(rows)} rows for {len(summary['cells'])} cells")


main()
