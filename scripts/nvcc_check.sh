#!/bin/sh
# What each kernel takes, as ptxas told when the build compiled it: fails unless every kernels/**/*.cu was compiled for each
# architecture without spills and local arrays. Prints a table; with a file name as second argument, also writes it there
# as Markdown. That warnings of nvcc and ptxas are errors is the build's own (cmake/options.cmake).
#
#   scripts/nvcc_check.sh BUILD_FOLDER [docs/kernel-resources.md]
set -eu
build="$(cd "${1:?the folder of a build with CUDA}" && pwd)"
report="${2:-}"
cd "$(dirname "$0")/.."
architectures="sm_80 sm_90a sm_120"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
version="$(sed -n 's/^set(CMAKE_CUDA_COMPILER_VERSION "\([0-9]*\.[0-9]*\).*/\1/p' "$build"/CMakeFiles/*/CMakeCUDACompiler.cmake)"
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
if [ -n "$report" ]; then
    {
        echo "# Registers and shared memory of the kernels"
        echo
        echo "Registers per thread / bytes of static shared memory per block, as ptxas of CUDA $version reports them at -O3."
        echo "Made by \`scripts/nvcc_check.sh build docs/kernel-resources.md\`, which fails on a spill; it says nothing about speed."
        echo
        cat "$work/table"
    } >"$report"
fi
if awk '$6 > 0 { bad = 1 } END { exit !bad }' "$work/rows"; then
    echo "FAILED: kernels spill registers or have local arrays"
    exit 1
fi
echo "$kernels kernels, no spills, no local arrays (CUDA $version)"
