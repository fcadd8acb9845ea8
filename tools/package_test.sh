#!/usr/bin/env bash
# `make package-test PG=17`: the Debian package in a bare system: installed, upgraded from each released version,
# removed, purged; what lintian says; and whether a second build, elsewhere, makes the same bytes.
#
#   tools/package_test.sh MAJOR [SUITE...]     15 in Debian's bookworm, 17 in trixie, 18 in forky
#
# A suite: lintian, system, layouts (of container images), same (bytes), pgxn.
#
# Root only: it makes systems with mmdebstrap, a minute each the first time, and keeps them in target/package.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
trap stop_progress EXIT
trap 'exit 130' INT TERM
major=${1:-15}
shift || true
[ $# -gt 0 ] || set -- lintian system layouts same pgxn
case $major in
  15) suite=bookworm ;;
  17) suite=trixie ;;
  18) suite=forky ;;
  *) die "no Debian release has PostgreSQL $major: try 15, 17 or 18" ;;
esac
[ "$(id -u)" = 0 ] || die "run it as root: it makes whole systems"
package=$CARGO_TARGET_DIR/package
version=$(crate_version)
architecture=$(dpkg --print-architecture)
name=postgresql-$major-cometchat-ext
deb=$package/${name}_$version-1_$architecture.deb
tarball=$package/cometchat_ext-$version-pg$major-linux-$architecture.tar.gz

mapfile -t missing < <(debian_missing mmdebstrap lintian)
[ ${#missing[@]} = 0 ] || debian_install "${missing[@]}"
tools/package.sh "$major"

# The package of a released version: its own library and script.
old_package() {
  local release=$1 root=$package/deb/root/usr kept=$package/deb.kept
  rm -rf "$kept"
  mv "$package/deb" "$kept"
  mkdir -p "$root/lib/postgresql/$major/lib" "$root/share/postgresql/$major/extension"
  cp "$CARGO_TARGET_DIR/released/$release/$major/cometchat_ext.so" "$root/lib/postgresql/$major/lib/"
  cp "$CARGO_TARGET_DIR/released/$release/$major/cometchat_ext--$release.sql" "$root/share/postgresql/$major/extension/"
  sed "s/@CARGO_VERSION@/$release/" cometchat_ext.control >"$root/share/postgresql/$major/extension/cometchat_ext.control"
  cp "$kept/changelog" "$package/deb/"
  cargo deb --quiet --no-build --profile shipped --variant "pg$major" --deb-version "$release-1" \
    --output "$package/${name}_$release-1_$architecture.deb"
  rm -rf "$package/deb"
  mv "$kept" "$package/deb"
}

suite_lintian() {
  say "lintian $(lintian --version)"
  lintian --fail-on error,warning --tag-display-limit 0 "$deb"
}

# A bare system with PostgreSQL, unpacked afresh, and the test inside it.
bare_system() {
  local mirror
  mirror=$(awk '/^URIs:/ { print $2; exit }' /etc/apt/sources.list.d/debian.sources)
  if [ ! -f "$base" ]; then
    # A mirror's list of a Debian to come may be out of date; it is signed all the same.
    progress "making a system of Debian $suite with PostgreSQL $major" timeout 1800 \
      mmdebstrap --variant=minbase --format=tar --include="postgresql-$major" \
      --aptopt='Acquire::Check-Valid-Until "false"' "$suite" "$base.new" \
      "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main"
    mv "$base.new" "$base"
  fi
}
base=$package/$suite.tar

suite_system() {
  local release
  bare_system
  tools/released_library.sh "$major"
  for release in sql/released/*.sql; do
    release=${release##*--} release=${release%.sql}
    [ -e "$CARGO_TARGET_DIR/released/$release/$major/cometchat_ext.so" ] || continue
    old_package "$release"
    say "in $suite: $name $release, then $version"
    inside "$base" "$package/${name}_$release-1_$architecture.deb" "$deb" -- package_life.sh "$major" "$release" "$version"
  done
  inside "$base" "$deb" -- package_life.sh "$major" together "$version"
}

# The steps of the Dockerfiles: those of packaging/docker are for PostgreSQL 17, CloudNativePG's for 18.
suite_layouts() {
  local files=("$tarball")
  case $major in
    17) files+=("$deb" packaging/docker/*) ;;
    18) files+=(packaging/cloudnativepg/Dockerfile) ;;
    *) return 0 ;;
  esac
  bare_system
  inside "$base" "${files[@]}" -- package_layouts.sh "$major"
}

# inside SYSTEM.tar FILE... -- SCRIPT ARGUMENT...: unpacks that system, puts the files and the script (of tools/) into
# its /packages, and runs the script there. What runs inside ends with it.
inside() {
  local base=$1 system script files=()
  shift
  while [ "$1" != -- ]; do files+=("$1"); shift; done
  script=$2
  shift 2
  system=$(mktemp -d)
  tar -x -C "$system" -f "$base"
  mkdir -p "$system/packages"
  cp -r "${files[@]}" "tools/$script" "$system/packages/"
  timeout 600 unshare --mount --pid --fork --kill-child --propagation private sh -ec '
    system=$1; shift
    mount -t proc proc "$system/proc"; mount --rbind /dev "$system/dev"; mount -t tmpfs tmpfs "$system/run"
    mkdir -p "$system/run/postgresql"; chroot "$system" chown postgres:postgres /run/postgresql
    script=/packages/$1; shift; exec chroot "$system" bash "$script" "$@"' sh "$system" "$script" "$@" ||
    { rm -rf "$system"; die "$script failed in $suite"; }
  rm -rf "$system"
}

# The same source in another folder, another time, another name of the machine's files.
suite_same() {
  local other
  other=$(mktemp -d)/elsewhere/cometchat_ext
  mkdir -p "$other/target"
  git ls-files -z | tar --null -T - -c | tar -x -C "$other"
  git -C "$other" init -q
  # The time that everything carries.
  GIT_COMMITTER_DATE=$(git log -1 --format=%cI) git -C "$other" -c user.name=a -c user.email=a@b commit -q --allow-empty -m a
  ln -s "$CARGO_TARGET_DIR/pg" "$CARGO_TARGET_DIR/pgrx-home" "$other/target/"
  progress "building once more, elsewhere" timeout 3600 env -u CARGO_TARGET_DIR -u PGRX_HOME "$other/tools/package.sh" "$major"
  for file in "$deb" "$tarball"; do
    cmp "$file" "$other/target/package/$(basename "$file")" || die "$(basename "$file") is another when built elsewhere"
  done
  rm -rf "${other%/elsewhere/*}"
  say "the same bytes, built in two folders: $(sha256sum "$deb" | cut -d' ' -f1)"
}

# PGXN's own check of META.json.
PGXN_META_VERSION=0.7.0
suite_pgxn() {
  local home=$CARGO_TARGET_DIR/pgxn_meta
  [[ $("$home/bin/pgxn_meta" --version 2>/dev/null) = *" $PGXN_META_VERSION" ]] ||
    progress "building pgxn_meta" timeout 900 env -u CARGO_TARGET_DIR \
      cargo install --quiet --locked --root "$home" pgxn_meta --version "$PGXN_META_VERSION"
  "$home/bin/pgxn_meta" META.json || die "META.json is not what PGXN takes"
}

for test in "$@"; do "suite_$test"; done
say "$name $version: all is well"
