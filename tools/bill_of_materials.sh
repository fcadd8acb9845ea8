#!/usr/bin/env bash
# A list of the crates in the library, with versions and licences, in CycloneDX's form: for a release.
#
#   tools/bill_of_materials.sh FILE.cdx.json
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
trap stop_progress EXIT
trap 'exit 130' INT TERM
CYCLONEDX_VERSION=0.5.9
to=$1
if [[ "$(cargo cyclonedx --version 2>/dev/null)" != *"$CYCLONEDX_VERSION" ]]; then
  progress "building cargo-cyclonedx" timeout 1800 env CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0 \
    cargo install --debug --locked cargo-cyclonedx --version "=$CYCLONEDX_VERSION"
fi
mkdir -p "$(dirname "$to")"
cargo cyclonedx --format json --no-default-features --features pg17 --override-filename bill_of_materials.cdx
mv bill_of_materials.cdx.json "$to"
# It writes one beside each member of the workspace.
git ls-files --others '*bill_of_materials.cdx.json' | xargs -r rm --
