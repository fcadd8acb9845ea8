#!/usr/bin/env bash
# Audits .github with zizmor, without the network: actions pinned by their commit, no credentials left in a checkout, no
# job with more rights than it needs, nothing of an event's put into a script. Part of `make lint`.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
trap stop_progress EXIT
trap 'exit 130' INT TERM
ZIZMOR_VERSION=1.32.0
home=$CARGO_TARGET_DIR/zizmor
if [ "$("$home/bin/zizmor" --version 2>/dev/null)" != "zizmor $ZIZMOR_VERSION" ]; then
  mapfile -t missing < <(debian_missing python3-venv)
  [ ${#missing[@]} = 0 ] || debian_install "${missing[@]}"
  rm -rf "$home"
  python3 -m venv "$home"
  # A registry that is out of reach is no fault in these files.
  (progress "fetching zizmor" timeout 300 "$home/bin/pip" install -q --disable-pip-version-check "zizmor==$ZIZMOR_VERSION") ||
    { say "zizmor is not to be had here: .github is not audited"; exit 0; }
fi
"$home/bin/zizmor" --offline --no-progress --quiet --format plain --config .github/zizmor.yml .github || die "see above: .github"
