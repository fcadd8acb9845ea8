#!/usr/bin/env bash
# `make twins`: the same random calls, edits and faults in both editions, compared after each step.
#
#   tools/twins.sh [USERS [SEED]]     5,000 users, seed 1
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
export COMETCHAT_PG=17 COMETCHAT_HOSTED=1 COMETCHAT_TWINS=${1:-5000} COMETCHAT_TWINS_SEED=${2:-1}
tools/setup.sh 17
tools/build.sh 17 dev
tools/hosted_extensions.sh 17
cargo test -p scenarios -- --nocapture --exact editions::both_editions_answer_ask_and_store_the_same
cargo test -q -p scenarios -- --nocapture --ignored --exact editions::costs_beside_each_other
