#!/usr/bin/env bash
# Removes what the other scripts made: target/, and the copy of PostgreSQL outside of it, if any.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
prefix=$(pg_prefix 15)
# .../cometchat_ext/NUMBER/pg/15 belongs to this clone alone.
case $prefix in /var/cache/cometchat_ext/[0-9]*/pg/15) as_root rm -rf "${prefix%/pg/15}" ;; esac
rm -rf clients/typescript/{dist,node_modules} tests/supabase/node_modules examples/*/node_modules \
  examples/{web,vue,angular,expo}/dist examples/nextjs/.next examples/angular/.angular examples/expo/.expo
# A target directory of one's own, as CARGO_TARGET_DIR, may be shared with other projects.
if [ "$CARGO_TARGET_DIR" = "$ROOT/target" ]; then rm -rf "$ROOT/target"; else say "left as it is: $CARGO_TARGET_DIR"; fi
