#!/bin/sh
# Adds cometchat_ext to what the server of a postgresql.conf preloads, beside what is there: the last line counts.
#
#   preload.sh POSTGRESQL.CONF
set -eu
list=$(sed -n "s/^[[:space:]]*shared_preload_libraries[[:space:]]*=*[[:space:]]*'\([^']*\)'.*/\1/p" "$1" | tail -n 1)
echo "shared_preload_libraries = '${list:+$list, }cometchat_ext'" >>"$1"
