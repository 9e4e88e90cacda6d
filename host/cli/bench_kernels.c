#include "host/cli/bench_kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/nearest.h"
#include "host/cli/peer.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"

enum { LINE_BYTES = 512, SYSTEMS_MAX = 4, SYSTEM_BYTES = 32 };

typedef struct peers {
    int count; /* systems, in order of appearance */
    char system[SYSTEMS_MAX][SYSTEM_BYTES];
    double seconds[SYSTEMS_MAX][PU__WORKLOADS_MAX]; /* 0: not measured */
} peers;

/* ---- what to measure ---- */

static pu_status op_named(const char *name, int *op) {
    const char *names[PU_OP_COUNT];
    for (*op = 0; *op < PU_OP_COUNT; ++*op) {
        names[*op] = pu_op_name((pu_op_id)*op);
        if (strcmp(names[*op], name) == 0) return PU_OK;
    }
    const char *nearest = pu__nearest(name, PU_OP_COUNT, names);
    return pu_fail(PU_ERR_CONFIG, "--op: there is no operation '%s'%s%s%s", name,
                   nearest ? ", did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

static pu_status choose(pu__cli *cli, pu__workloads *list) {
    const int64_t lengths[] = {64, 128, 256, 512};
    const char *wanted = pu__cli_value(cli, "op");
    int64_t bars = 0;
    int op = -1, kept = 0;
    PU_TRY(pu__cli_int(cli, "bars", 0, 1, 65536, &bars));
    if (wanted) PU_TRY(op_named(wanted, &op));
    list->count = 0;
    for (int i = 0; i < (bars > 0 ? 1 : 4); ++i) {
        const pu__workload_sizes sizes = {.windows = 64,
                                          .bars = bars > 0 ? bars : lengths[i],
                                          .channels = 128,
                                          .features = 32,
                                          .parameters = 1000000,
                                          .heads = 4,
                                          .states = 32};
        PU_TRY(pu__workloads_add(list, &sizes));
    }
    for (int i = 0; i < list->count; ++i) {
        bool seen = op >= 0 && (int)list->entry[i].op != op;
        for (int j = 0; j < kept; ++j) seen = seen || strcmp(list->entry[j].name, list->entry[i].name) == 0;
        if (!seen) list->entry[kept++] = list->entry[i];
    }
    list->count = kept;
    return PU_OK;
}

/* ---- our figures ---- */

static json_t *result_row(const pu__workload *w, const pu__workload_time *t) {
    json_t *row = json_object();
    json_object_set_new(row, "name", json_string(w->name));
    json_object_set_new(row, "bytes", json_real(t->bytes));
    json_object_set_new(row, "flops", json_real(t->flops));
    json_object_set_new(row, "hot_s", json_real(t->hot_s));
    json_object_set_new(row, "cold_s", json_real(t->cold_s));
    json_object_set_new(row, "limit_s", json_real(t->limit_s));
    return row;
}

pu_status pu__cli_bench_open(pu__cli *cli, pu_device *device, pu__op_bench **out) {
    double seconds = 0;
    PU_TRY(pu__cli_real(cli, "seconds", 5, 0, 3600, &seconds));
    return pu__op_bench_open(device, seconds == 0, out);
}

static pu_status measure(pu__cli *cli, pu_device *device, const pu__workloads *list, pu__workload_time *times) {
    pu__op_bench *bench = NULL;
    PU_TRY(pu__cli_bench_open(cli, device, &bench));
    const pu__device_rates *rates = pu__op_bench_rates(bench);
    printf("%s\nlimits measured now: copy %.1f GB/s, matrix product %.0f GF/s\n\n%-40s %9s %9s %8s %8s %7s\n",
           pu_device_description(device), 1e-9 * rates->copy_bytes_per_s, 1e-9 * rates->matrix_flops_per_s,
           "operation", "hot ms", "cold ms", "GB/s", "GF/s", "limit");
    json_t *rows = json_array();
    json_object_set_new(cli->result, "device", json_string(pu_device_description(device)));
    json_object_set_new(cli->result, "copy_bytes_per_s", json_real(rates->copy_bytes_per_s));
    json_object_set_new(cli->result, "matrix_flops_per_s", json_real(rates->matrix_flops_per_s));
    json_object_set_new(cli->result, "operations", rows);
    pu_status status = PU_OK;
    for (int i = 0; i < list->count && status == PU_OK; ++i) {
        const pu__workload *w = &list->entry[i];
        pu__workload_time *t = &times[i];
        status = pu_interrupted()
                     ? pu_fail(PU_ERR_INTERRUPTED, "stopped after %d of %d operations", i, list->count)
                     : pu__op_bench_run(bench, w, t);
        if (status != PU_OK) break;
        printf("%-40s %9.3f %9.3f %8.1f %8.1f %6.0f%%\n", w->name, 1e3 * t->hot_s, 1e3 * t->cold_s,
               1e-9 * t->bytes / t->cold_s, 1e-9 * t->flops / t->hot_s, 100 * t->limit_s / t->cold_s);
        fflush(stdout);
        json_array_append_new(rows, result_row(w, t));
    }
    pu__op_bench_close(bench);
    return status;
}

/* ---- other systems ---- */

static void keep(peers *p, const pu__workloads *list, char *line) {
    char *const system = strchr(line, '\t'), *const seconds = system ? strchr(system + 1, '\t') : NULL;
    if (!seconds) return;
    *system = *seconds = 0;
    int s = 0;
    while (s < p->count && strcmp(p->system[s], system + 1) != 0) ++s;
    if (s == SYSTEMS_MAX) return;
    if (s == p->count) snprintf(p->system[p->count++], SYSTEM_BYTES, "%s", system + 1);
    for (int i = 0; i < list->count; ++i) {
        if (strcmp(list->entry[i].name, line) == 0) p->seconds[s][i] = strtod(seconds + 1, NULL);
    }
}

static pu_status ask_peers(const char *python, int64_t threads, const pu__workloads *list, peers *p) {
    char line[LINE_BYTES];
    pu__peer peer;
    PU_TRY(pu__peer_start(python, threads, &peer));
    for (int i = 0; i < list->count; ++i) fprintf(peer.to, "%s\n", list->entry[i].name);
    fclose(peer.to);
    peer.to = NULL;
    while (fgets(line, sizeof line, peer.from)) keep(p, list, line);
    return pu__peer_end(&peer);
}

static void print_peers(pu__cli *cli, const pu__workloads *list, const pu__workload_time *times, const peers *p) {
    json_t *rows = json_array();
    json_object_set_new(cli->result, "peers", rows);
    printf("\n%-40s %9s", "milliseconds, hot", "ours");
    for (int s = 0; s < p->count; ++s) printf(" %17s", p->system[s]);
    printf(" %12s\n", "best / ours");
    for (int i = 0; i < list->count; ++i) {
        double best = 0;
        json_t *row = json_object();
        for (int s = 0; s < p->count; ++s) {
            const double seconds = p->seconds[s][i];
            if (seconds <= 0) continue;
            json_object_set_new(row, p->system[s], json_real(seconds));
            if (best == 0 || seconds < best) best = seconds;
        }
        if (best > 0) {
            printf("%-40s %9.3f", list->entry[i].name, 1e3 * times[i].hot_s);
            for (int s = 0; s < p->count; ++s) printf(" %17.3f", 1e3 * p->seconds[s][i]);
            printf(" %12.2f\n", best / times[i].hot_s);
            json_object_set_new(row, "name", json_string(list->entry[i].name));
            json_object_set_new(row, "ours", json_real(times[i].hot_s));
            json_array_append(rows, row);
        }
        json_decref(row);
    }
}

pu_status pu__cli_bench_kernels(pu__cli *cli) {
    pu__workloads *list = pu_calloc(1, sizeof *list);
    pu__workload_time *times = pu_calloc(PU__WORKLOADS_MAX, sizeof *times);
    peers *other = pu_calloc(1, sizeof *other);
    const char *python = pu__cli_value(cli, "peer");
    pu_device *device = NULL;
    pu_status status = list && times && other ? choose(cli, list) : PU_ERR_MEMORY;
    if (status == PU_OK) status = pu_device_open(cli->config->run.device, (int)cli->config->run.threads, &device);
    if (status == PU_OK) status = measure(cli, device, list, times);
    pu_device_close(device);
    if (status == PU_OK && python) {
        status = ask_peers(python, cli->config->run.threads, list, other);
        if (other->count > 0) print_peers(cli, list, times, other);
    }
    pu_free(other);
    pu_free(times);
    pu_free(list);
    return status;
}
