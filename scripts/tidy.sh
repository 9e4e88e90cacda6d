#!/bin/sh
# Style and static analysis. The first part is a test and always runs; clang-format and cppcheck run where they are installed.
set -eu
build=${1:-build}
status=0
PU_SOURCE=$PWD PU_BINARY=$build "$build/test_tidy" || status=1
sources=$(git ls-files '*.c' '*.h' '*.cu' '*.cuh')
if command -v clang-format >/dev/null; then
    # shellcheck disable=SC2086
    clang-format --dry-run --Werror $sources || status=1
else
    echo "clang-format is not installed: layout not checked"
fi
if command -v cppcheck >/dev/null; then
    # The suppressed findings were read and are false: a block's own address stored in front of it, scores that the line above fills, a row that is null
    # only when there are none.
    cppcheck --quiet --std=c11 --enable=warning,performance,portability --error-exitcode=1 --inline-suppr \
        --suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches --suppress=unknownMacro \
        --suppress=pointerSize:host/device/cpu/cpu_backend.c \
        --suppress=uninitvar:kernels/attention/attention_cpu.c --suppress=nullPointer:host/eval/backtest_score.c \
        -I include -I . host kernels || status=1
else
    echo "cppcheck is not installed: static analysis left out"
fi
exit $status
