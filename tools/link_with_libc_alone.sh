#!/bin/sh
# The linker of packages: cc, with the part of GCC's runtime that unwinds the stack linked in rather than loaded.
# The library then needs nothing but the C library: an image of Postgres need not have libgcc_s.so.1.
for argument do
  shift
  [ "$argument" != -lgcc_s ] || argument=-lgcc_eh
  set -- "$@" "$argument"
done
exec "${CC:-cc}" "$@"
