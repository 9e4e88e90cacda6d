/* The check of a machine's GPU: every op case on it, then how fast it is. Built where CUDA is; needs no test
 * library, so that it builds on a bare GPU machine. scripts/gpu_check.sh runs it and keeps the results. */
#ifndef PU_TESTS_GPU_CHECK_H
#define PU_TESTS_GPU_CHECK_H

#include <stdio.h>

#include "host/device/backend.h"

typedef struct pu__gpu_rates {
    double copy_bytes_per_s;   /* read + written, by a pass too long for the caches */
    double matrix_flops_per_s; /* of a large matrix product */
} pu__gpu_rates;

/* The whole program; returns its exit status. */
int pu__gpu_check(int argc, char **argv);

/* Times every op on workloads of a training step and on large ones, cold and hot, and prints a table. `lines`
 * gets one tab-separated line for each workload: name, hot seconds, cold seconds. quick: small workloads, to
 * see that all of it runs. */
pu_status pu__gpu_bench_ops(pu_device *gpu, bool quick, FILE *lines, pu__gpu_rates *rates);

/* Times the training step of the hybrid at two sizes: recorded as a CUDA graph, one step and several in a launch, and
 * kernel by kernel; prints a table with each one's share of the floor. `lines` gets: name, the seconds of a step in
 * these three ways, width, layers, ratio of the MLP, batch, bars of a window, of its warm-up, features. */
pu_status pu__gpu_bench_step(pu_device *gpu, bool quick, FILE *lines, const pu__gpu_rates *rates);

/* The path kernel against the CPU's, bit for bit; prints what differs and returns how many cases do. */
int pu__gpu_test_paths(pu_device *gpu, pu_device *cpu);
/* Times it: a table to stdout, lines as above. The run's one copy of tables and summary is part of the time. */
pu_status pu__gpu_bench_paths(pu_device *gpu, bool quick, FILE *lines);

/* The median of `count` seconds; sorts them. */
double pu__gpu_median(double *seconds, int count);

#endif
