#!/bin/sh
# Compiles every kernel (kernels/**/*.cu) with nvcc for each architecture that the build targets, and fails on warnings, spills
# and local memory. Prints a table of what each kernel takes; with a file name as argument, also writes it there as Markdown.
#
#   scripts/nvcc_check.sh [docs/kernel-resources.md]
#
# NVCC names the compiler; without it, nvcc on PATH or /usr/local/cuda/bin/nvcc. Where there is none, the check is skipped.
set -eu
cd "$(dirname "$0")/.."
report="${1:-}"
architectures="sm_80 sm_90a sm_120"
nvcc="${NVCC:-$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)}"
if [ ! -x "$nvcc" ]; then
    echo "SKIPPED: no nvcc on PATH and none at /usr/local/cuda; set NVCC"
    exit 77
fi
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
version="$("$nvcc" --version | sed -n 's/.*release \([0-9.]*\).*/\1/p')"
sources="$(find kernels -name '*.cu' | sort)"

# One job for each source: all architectures in one go, so that the front end runs once.
compile() {
    log="$work/$(basename "$1").log"
    flags=""
    for architecture in $architectures; do
        flags="$flags -gencode arch=compute_${architecture#sm_},code=$architecture"
    done
    # What the build compiles without fused multiply-adds takes other registers.
    if grep -F -e '--fmad=false' cmake/library.cmake | grep -qF "$1"; then flags="$flags --fmad=false"; fi
    # shellcheck disable=SC2086
    "$nvcc" -std=c++17 -O3 $flags -I. -Iinclude -Xptxas -v,-warn-spills,-warn-lmem-usage -Xcompiler -Wall,-Wextra,-Wshadow \
        -Werror all-warnings -c "$1" -o "$work/$(basename "$1").o" >"$log" 2>&1 || echo "$1" >>"$work/failed"
}
running=0
for source in $sources; do
    compile "$source" &
    running=$((running + 1))
    if [ "$running" -ge "${JOBS:-2}" ]; then
        wait
        running=0
    fi
done
wait
if [ -s "$work/failed" ]; then
    while read -r source; do
        echo "FAILED: $source"
        grep -v '^ptxas info' "$work/$(basename "$source").log" | head -20
    done <"$work/failed"
    exit 1
fi

# Rows "source kernel architecture registers shared_bytes spill_bytes", one for each instance of a template.
for source in $sources; do
    awk -v source="${source#kernels/}" '
        /Compiling entry function/ { split($0, part, "\x27"); name = part[2]; architecture = part[4] }
        /bytes spill stores/ {
            match($0, /[0-9]+ bytes spill stores/); stores = substr($0, RSTART, RLENGTH) + 0
            match($0, /[0-9]+ bytes spill loads/); loads = substr($0, RSTART, RLENGTH) + 0
        }
        /Used [0-9]+ registers/ {
            match($0, /Used [0-9]+/); registers = substr($0, RSTART + 5, RLENGTH - 5)
            shared = 0
            if (match($0, /[0-9]+ bytes smem/)) shared = substr($0, RSTART, RLENGTH) + 0
            print source, name, architecture, registers, shared, stores + loads
        }' "$work/$(basename "$source").log"
done >"$work/rows"
[ -s "$work/rows" ] || { echo "FAILED: ptxas told nothing about any kernel"; exit 1; }

{
    echo "| source | kernel | sm_80 | sm_90a | sm_120 |"
    echo "|---|---|---|---|---|"
    cut -d' ' -f2 "$work/rows" | c++filt -p | sed 's/ //g' | paste -d' ' "$work/rows" - | awk '
        {
            key = $1 " " $7
            cell = $4 " / " $5 ($6 ? " / SPILLS " $6 : "")
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
        echo "Made by \`scripts/nvcc_check.sh docs/kernel-resources.md\`, which fails on a spill; it says nothing about speed."
        echo
        cat "$work/table"
    } >"$report"
fi
if awk '$6 > 0 { bad = 1 } END { exit !bad }' "$work/rows"; then
    echo "FAILED: kernels spill registers"
    exit 1
fi
echo "$(cut -d' ' -f1,2 "$work/rows" | sort -u | wc -l) kernels, no spills, no warnings (CUDA $version)"
