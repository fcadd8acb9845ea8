#!/usr/bin/env bash
# Fails unless a library that is shipped needs nothing but the C library, of Debian 12 or older, and is small.
#
#   tools/library_needs.sh /path/to/cometchat_ext.so
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
library=$1
NEWEST_GLIBC=2.36      # Debian 12's
MOST_BYTES=4000000

needed=$(readelf --dynamic --wide "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort)
others=$(grep -vE '^(libc\.so\.6|ld-linux-.*\.so\.[0-9]+)$' <<<"$needed" || true)
[ -z "$others" ] || die "$library needs ${others//$'\n'/, }"

newest=$(readelf --dyn-syms --wide "$library" | grep -o '@GLIBC_[0-9.]*' | sed 's/@GLIBC_//' | sort -Vu | tail -n 1)
[ "$(printf '%s\n' "$newest" "$NEWEST_GLIBC" | sort -V | tail -n 1)" = "$NEWEST_GLIBC" ] ||
  die "$library needs glibc $newest, which is newer than $NEWEST_GLIBC"

! readelf --sections --wide "$library" | grep -q ' \.symtab ' || die "$library is not stripped"
bytes=$(stat -c %s "$library")
[ "$bytes" -le "$MOST_BYTES" ] || die "$library has $bytes bytes: more than $MOST_BYTES"
# What the build knew of this machine.
! grep -qaF "$ROOT" "$library" || die "$library names $ROOT"
! grep -qaF "${CARGO_HOME:-$HOME/.cargo}" "$library" || die "$library names ${CARGO_HOME:-$HOME/.cargo}"

say "$(basename "$library"): $bytes bytes, needs $(paste -sd' ' <<<"$needed"), glibc $newest or newer"
