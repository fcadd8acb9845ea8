#!/usr/bin/env bash
# The tests of examples/nextjs: its types, and a headless Chromium against database, gateway and a local
# CometChat. Assumes that tools/setup.sh and tools/build.sh have run, for $COMETCHAT_PG (15) both.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
trap stop_progress EXIT
trap 'exit 130' INT TERM HUP
export COMETCHAT_PG=${COMETCHAT_PG:-15} NEXT_TELEMETRY_DISABLED=1

# The client first: the example's folder links to it.
tools/node.sh tests/supabase clients/typescript examples/nextjs browser
progress "building the client package" timeout 300 npm run build --prefix clients/typescript
cd examples/nextjs
progress "generating Next's types" timeout 120 node_modules/.bin/next typegen
timeout 120 node_modules/.bin/tsc --noEmit || die "the example's types do not fit"
# Two minutes on a quiet machine; the limit is for a hang.
timeout --kill-after=30 400 node_modules/.bin/vitest run
