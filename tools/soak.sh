#!/usr/bin/env bash
# `make soak`: an hour of faults, in rounds. Each round kills (`kill -9`) the worker, the launcher, sessions and the
# postmaster while people sign up and edit their profiles, and restarts, reloads, changes columns of auth.users and
# rewrites our tables among them: nobody may be lost. Then failovers mid-drain, steps of the clock, upgrades of a living
# database, and random walks of 300 users each through faults of CometChat's: at the end it must agree.
#
#   tools/soak.sh [MINUTES] [SEED]     60 minutes, and the rest of the last round; the seed repeats a run's choices
#   COMETCHAT_KILLS=200 COMETCHAT_FAILOVERS=3 COMETCHAT_WALKS=4: how much of each there is in a round
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
work=''
cleanup() {
  stop_progress
  [ -z "$work" ] || { stop_clusters "$work" "$COMETCHAT_PG"; rm -rf "$work"; }
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
minutes=${1:-60}
seed=${2:-$SRANDOM}
[[ $minutes =~ ^[0-9]+$ && $seed =~ ^[0-9]+$ ]] || die "minutes and seed are whole numbers: $0 [MINUTES] [SEED]"
export COMETCHAT_PG=${COMETCHAT_PG:-15}
export COMETCHAT_KILLS=${COMETCHAT_KILLS:-200} COMETCHAT_WALKS=${COMETCHAT_WALKS:-4}
failovers=${COMETCHAT_FAILOVERS:-3}

tools/setup.sh "$COMETCHAT_PG"
tools/build.sh "$COMETCHAT_PG"
tools/safeupdate.sh "$COMETCHAT_PG"
progress "building the tests" timeout 1800 cargo test -p scenarios --no-run
COMETCHAT_FAKETIME=$(tools/faketime.sh) || say "libfaketime is not to be had here: no clock is set"
export COMETCHAT_FAKETIME
# What a test leaves behind when it is stopped is found, and removed, here.
work=$(mktemp -d "${TMPDIR:-/tmp}/soak.XXXXXX")
chmod a+rx "$work"

# part LIMIT WHAT ARGUMENT...: these scenarios, no longer than LIMIT; where one fails, how its round is repeated.
part() {
  local limit=$1 what=$2
  shift 2
  say "round $round, seed $COMETCHAT_SEED: $what"
  TMPDIR=$work timeout --kill-after=30 "$limit" cargo test -q -p scenarios -- "$@" ||
    die "$what: failed; the round again: COMETCHAT_PG=$COMETCHAT_PG tools/soak.sh 0 $COMETCHAT_SEED"
}

say "PostgreSQL $COMETCHAT_PG, $minutes minutes, seed $seed"
start=$SECONDS
for ((round = 1; round == 1 || SECONDS - start < minutes * 60; round++)); do
  # A round walks on COMETCHAT_WALKS seeds from its own on.
  export COMETCHAT_SEED=$((seed + (round - 1) * 1000))
  COMETCHAT_SOAK=1 part 30m "$COMETCHAT_KILLS kills" --nocapture worker_kills::
  for _ in $(seq "$failovers"); do part 5m failover failover::; done
  part 10m "steps of the clock" clock_steps::
  part 15m upgrades upgrade_alive:: pg_upgrade::
  COMETCHAT_WALK=long COMETCHAT_WALK_SEED=$COMETCHAT_SEED part 30m "$COMETCHAT_WALKS walks" --nocapture random_walk::
done
say "soak: $((round - 1)) rounds in $(((SECONDS - start) / 60)) minutes, all is well"
