# Sourced by the checks: where things are, and the one line that each prints.
# shellcheck shell=bash
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
work=$target/checks
export REVBENCH=${REVBENCH:-$target/release/revbench}
name=${name:-$(basename "$0")}
mkdir -p "$work"

ok() { echo "ok $name"; exit 0; }
failed() { echo "FAILED $name: $*"; exit 1; }

# What cannot be checked here is skipped in words, but never where CI says that all of it is wanted.
skip() {
    [[ -n ${CI:-} ]] && failed "$*"
    echo "skip $name: $*"
    exit 77
}

need_binary() { [[ -x $REVBENCH ]] || failed "no release binary; run 'cargo build --release --locked' first"; }

# The newest run directory under a folder.
newest_run() { find "$1" -mindepth 1 -maxdepth 1 -type d -printf '%T@ %p\n' 2>/dev/null | sort -n | tail -1 | cut -d' ' -f2-; }
