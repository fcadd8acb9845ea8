#!/bin/sh
# Unpacks the tarball of a folder into the PostgreSQL whose pg_config is in the PATH.
#
#   install.sh FOLDER
set -eu
tar -C "$1" -xzf "$1"/cometchat_ext-*.tar.gz --strip-components=1
install -m 644 "$1"/lib/* "$(pg_config --pkglibdir)/"
install -m 644 "$1"/share/extension/* "$(pg_config --sharedir)/extension/"
