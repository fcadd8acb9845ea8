#!/usr/bin/env bash
# `make package PG=17`: a Debian package and a tarball of the library, its SQL and its control file, in target/package.
# The same source gives the same bytes, wherever and whenever it is built (tools/package_test.sh checks that).
#
# By cargo-deb: it is Rust, as all else here, built by cargo from crates.io, and takes version, licence and description
# from Cargo.toml. (nfpm would make an .rpm, too; it comes as a program that somebody else has built, and Red Hat's
# PostgreSQL lies elsewhere.)
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh
trap stop_progress EXIT
trap 'exit 130' INT TERM
major=${1:-15}
CARGO_DEB_VERSION=3.8.0
package=$CARGO_TARGET_DIR/package
[ "$CARGO_TARGET_DIR" = "$PWD/target" ] || die "packages are made in target/: unset CARGO_TARGET_DIR"

tools/setup.sh "$major"
# strip and readelf; dpkg-shlibdeps finds what the library needs.
mapfile -t missing < <(debian_missing binutils dpkg-dev)
[ ${#missing[@]} = 0 ] || debian_install "${missing[@]}"
if [[ "$(cargo-deb --version 2>/dev/null)" != *"$CARGO_DEB_VERSION" ]]; then
  progress "building cargo-deb" timeout 3600 env CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0 \
    cargo install --debug --locked cargo-deb --version "=$CARGO_DEB_VERSION"
fi

tools/package_library.sh "$major" "$package/$major"
tools/library_needs.sh "$package/$major/lib/cometchat_ext.so"

# One time for everything: that of the last commit; in an unpacked tarball, that of the changelog.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)
export SOURCE_DATE_EPOCH
version=$(crate_version)
architecture=$(dpkg --print-architecture)

# ---- the Debian package ---------------------------------------------------------------------
rm -rf "$package/deb"
root=$package/deb/root/usr
mkdir -p "$root/lib/postgresql/$major/lib" "$root/share/postgresql/$major"
cp "$package/$major/lib/cometchat_ext.so" "$root/lib/postgresql/$major/lib/"
cp -r "$package/$major/share/extension" "$root/share/postgresql/$major/"
name=postgresql-$major-cometchat-ext
tools/debian_changelog.sh "$name" >"$package/deb/changelog"
deb=$package/${name}_$version-1_$architecture.deb
cargo deb --quiet --no-build --no-strip --profile shipped --variant "pg$major" --output "$deb"

# ---- the tarball ----------------------------------------------------------------------------
# lib/ and share/extension/, as in the folder of a PostgreSQL, and as CloudNativePG mounts an extension.
tarball=$package/cometchat_ext-$version-pg$major-linux-$architecture.tar.gz
folder=$(basename "$tarball" .tar.gz)
rm -rf "${package:?}/$folder"
cp -r "$package/$major" "$package/$folder"
cp LICENSE README.md CHANGELOG.md "$package/$folder/"
tar -C "$package" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --format=gnu \
  --mode='u=rwX,go=rX' -c "$folder" | gzip -n -9 >"$tarball"
rm -rf "${package:?}/$folder"

(cd "$package" && sha256sum "$(basename "$deb")" "$(basename "$tarball")")
