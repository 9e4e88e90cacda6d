#!/bin/sh
# Runs a compiler of CUDA and keeps what ptxas tells of each kernel (-Xptxas=-v) beside the object, in OBJECT.ptxas, where
# scripts/nvcc_check.sh reads it; whatever else the compiler says is printed.
#
#   scripts/keep_ptxas.sh nvcc ... -o OBJECT
object=""
last=""
for word in "$@"; do
    [ "$last" != "-o" ] || object="$word"
    last="$word"
done
[ -n "$object" ] || exec "$@"
"$@" 2>"$object.ptxas"
status=$?
grep -vE '^ptxas info|^ +[0-9]+ bytes stack frame' "$object.ptxas" >&2
exit $status
