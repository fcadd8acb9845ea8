#!/usr/bin/env bash
# `make soak`: hundreds of `kill -9` of the worker, the launcher, sessions and the postmaster while
# people sign up and edit their profiles, and among them restarts, reloads, changes of the columns of auth.users and
# VACUUM FULL of our tables; at the end nobody may be lost. Then failovers mid-drain, steps of the clock, upgrades of a
# living database, and random walks of 300 users each through faults of CometChat's; at the end it must agree. An hour at the most.
#
#   tools/soak.sh [KILLS] [SEED]     500 kills; the seed is printed, giving it repeats a run's choices
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
export COMETCHAT_PG=${COMETCHAT_PG:-15}
export COMETCHAT_KILLS=${1:-500} COMETCHAT_SEED=${2:-$SRANDOM}

tools/setup.sh "$COMETCHAT_PG"
tools/build.sh "$COMETCHAT_PG"
tools/safeupdate.sh "$COMETCHAT_PG"
progress "building the tests" timeout 1800 cargo test -p scenarios --no-run
# What a test leaves behind when it is stopped is found, and removed, here.
work=$(mktemp -d "${TMPDIR:-/tmp}/soak.XXXXXX")
chmod a+rx "$work"
say "$COMETCHAT_KILLS kills, seed $COMETCHAT_SEED"
COMETCHAT_SOAK=1 TMPDIR=$work timeout --kill-after=30 40m cargo test -p scenarios worker_kills:: -- --nocapture ||
  die "the soak failed; repeat it with: tools/soak.sh $COMETCHAT_KILLS $COMETCHAT_SEED"
for round in $(seq "${COMETCHAT_FAILOVERS:-5}"); do
  say "failovers, round $round"
  TMPDIR=$work timeout --kill-after=30 5m cargo test -q -p scenarios failover:: || die "a failover failed"
done
COMETCHAT_FAKETIME=$(tools/faketime.sh) || say "libfaketime is not to be had here: no clock is set"
export COMETCHAT_FAKETIME
for round in $(seq "${COMETCHAT_CLOCK_STEPS:-3}"); do
  say "steps of the clock, round $round"
  TMPDIR=$work timeout --kill-after=30 10m cargo test -q -p scenarios clock_steps:: || die "after a step of the clock somebody waited"
done
say "upgrades"
TMPDIR=$work timeout --kill-after=30 15m cargo test -q -p scenarios -- upgrade_alive:: pg_upgrade:: || die "an upgrade failed"
say "random walks, seed $COMETCHAT_SEED"
COMETCHAT_WALK=long COMETCHAT_WALKS=${COMETCHAT_WALKS:-5} COMETCHAT_WALK_SEED=$COMETCHAT_SEED TMPDIR=$work \
  timeout --kill-after=30 20m cargo test -p scenarios random_walk:: -- --nocapture ||
  die "a walk failed; the line above says with which COMETCHAT_WALK_SEED"
say "soak: all is well"
