#!/bin/sh
# What each kernel takes, as ptxas told when the build compiled it: fails unless every kernels/**/*.cu was compiled for each
# architecture without spills and local arrays. Prints a table, and fails where docs/kernel-resources.md has another one;
# with a file name as second argument it writes the table there instead, as Markdown. Differences of up to 2 registers do not
# count: any edit of a header may shift ptxas's choice by one. Of another nvcc than the one that the committed table names
# only the kernels are compared, not their registers. That warnings of nvcc and ptxas are errors is
# the build's own (cmake/options.cmake).
#
#   scripts/nvcc_check.sh BUILD_FOLDER [docs/kernel-resources.md]
set -eu
build="$(cd "${1:?the folder of a build with CUDA}" && pwd)"
report="${2:-}"
cd "$(dirname "$0")/.."
LC_ALL=C # the order of rows
export LC_ALL
committed="docs/kernel-resources.md"
architectures="sm_80 sm_90a sm_120"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
version="$(sed -n 's/^set(CMAKE_CUDA_COMPILER_VERSION "\([0-9.]*\)".*/\1/p' "$build"/CMakeFiles/*/CMakeCUDACompiler.cmake)"
sources="$(find kernels -name '*.cu' | sort)"

# Rows "source kernel architecture registers shared_bytes local_bytes", one for each instance of a template.
for source in $sources; do
    log="$build/CMakeFiles/pu_engine.dir/$source.o.ptxas"
    [ -s "$log" ] || { echo "FAILED: $source was not compiled: no $log"; exit 1; }
    awk -v source="${source#kernels/}" '
        /Compiling entry function/ { split($0, part, "\x27"); name = part[2]; architecture = part[4] }
        /bytes spill stores/ {
            match($0, /[0-9]+ bytes stack frame/); frame = substr($0, RSTART, RLENGTH) + 0
            match($0, /[0-9]+ bytes spill stores/); stores = substr($0, RSTART, RLENGTH) + 0
            match($0, /[0-9]+ bytes spill loads/); loads = substr($0, RSTART, RLENGTH) + 0
        }
        /Used [0-9]+ registers/ {
            match($0, /Used [0-9]+/); registers = substr($0, RSTART + 5, RLENGTH - 5)
            shared = 0
            if (match($0, /[0-9]+ bytes smem/)) shared = substr($0, RSTART, RLENGTH) + 0
            print source, name, architecture, registers, shared, frame + stores + loads
        }' "$log"
done >"$work/rows"
kernels="$(cut -d' ' -f1,2 "$work/rows" | sort -u | wc -l)"
for architecture in $architectures; do
    told="$(awk -v wanted="$architecture" '$3 == wanted' "$work/rows" | wc -l)"
    [ "$told" -gt 0 ] && [ "$told" -eq "$kernels" ] || { echo "FAILED: $told of $kernels kernels for $architecture"; exit 1; }
done

{
    echo "| source | kernel | sm_80 | sm_90a | sm_120 |"
    echo "|---|---|---|---|---|"
    cut -d' ' -f2 "$work/rows" | c++filt -p | sed 's/ //g; s/(anonymousnamespace):://g' | paste -d' ' "$work/rows" - | awk '
        {
            key = $1 " " $7
            cell = $4 " / " $5 ($6 ? " / LOCAL " $6 : "")
            if (!(key in seen)) { seen[key] = 1; order[++count] = key }
            table[key, $3] = cell
        }
        END {
            for (i = 1; i <= count; ++i) {
                split(order[i], part, " ")
                printf "| %s | `%s` | %s | %s | %s |\n", part[1], part[2], table[order[i], "sm_80"], table[order[i], "sm_90a"],
                       table[order[i], "sm_120"]
            }
        }'
} >"$work/table"
cat "$work/table"
{
    echo "# Registers and shared memory of the kernels"
    echo
    echo "Registers per thread / bytes of static shared memory per block, as ptxas of CUDA $version reports them at -O3."
    echo "Made by \`scripts/nvcc_check.sh build $committed\`, which fails on a spill; it says nothing about speed. Without the"
    echo "file's name the script, and with it the test \`nvcc_check\`, fails when this table is not what the build says, give or take 2 registers."
    echo
    cat "$work/table"
} >"$work/document"
[ -z "$report" ] || cp "$work/document" "$report"
if awk '$6 > 0 { bad = 1 } END { exit !bad }' "$work/rows"; then
    echo "FAILED: kernels spill registers or have local arrays"
    exit 1
fi
echo "$kernels kernels, no spills, no local arrays (CUDA $version)"
[ -z "$report" ] || exit 0

# Sources and kernels of a document, sorted.
# shellcheck disable=SC2016
names_of() { sed -n 's/^| \([a-z0-9_/]*\.cu\) | \(`[^`]*`\) |.*/\1 \2/p' "$1" | sort; }
# The new document, with the committed cell wherever only the registers differ, and by no more than 2.
settled() {
    awk -F ' [|] ' -v OFS=' | ' '
        FNR == NR { for (i = 3; i <= NF; ++i) cell[$1, $2, i] = $i; next }
        {
            for (i = 3; i <= NF; ++i) {
                split($i, new, " / "); split(cell[$1, $2, i], old, " / ")
                if (new[1] - old[1] <= 2 && old[1] - new[1] <= 2 && new[2] == old[2] && !new[3]) $i = cell[$1, $2, i]
            }
            print
        }' "$committed" "$work/document"
}
theirs="$(sed -n 's/.*as ptxas of CUDA \([0-9.]*\) reports.*/\1/p' "$committed")"
stale=0
if [ "$theirs" = "$version" ]; then
    settled >"$work/settled"
    diff -u "$committed" "$work/settled" || stale=1
else
    echo "$committed is of CUDA $theirs, this build of $version: only the names of its rows have to agree"
    names_of "$committed" >"$work/theirs"
    names_of "$work/document" >"$work/ours"
    diff -u --label "$committed" --label "this build" "$work/theirs" "$work/ours" || stale=1
fi
if [ "$stale" -ne 0 ]; then
    echo "FAILED: $committed is stale, as above; this renews it:"
    echo "    scripts/nvcc_check.sh $build $committed"
    exit 1
fi
