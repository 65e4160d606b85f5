# Shared by the scripts beside it: start in the repository's root, speak alike.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

script=$(basename "$0")
say() { printf '%s: %s\n' "$script" "$*" >&2; }
fail() { printf '%s: error: %s\n' "$script" "$*" >&2; exit 1; }

# By this status a step says that it could not run here, and why in its last line
# (the number is Automake's). scripts/test decides whether that may be.
# shellcheck disable=SC2034 # read by the scripts that source this file
skipped=77

# With these a binary needs no loader and no libraries: it starts on any distribution, and on none.
# shellcheck disable=SC2034 # read by the scripts that source this file
static_flags="-C target-feature=+crt-static"
check_static() { ! readelf --program-headers "$1" | grep -q INTERP || fail "$1 is not static: it asks for a loader"; }

# The version that all crates, the image and the archives carry.
workspace_version() { sed -nE '/^\[workspace.package\]/,/^$/s/^version = "(.*)"/\1/p' Cargo.toml; }
