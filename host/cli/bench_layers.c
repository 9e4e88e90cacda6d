/* A machine's speed drifts while it measures, so every round times each system once, one after the other, and what
 * is printed of a peer is the median over the rounds of its time by ours in the same round. A pause before each
 * sample lets the other systems' threads, which spin a while for more work, go to sleep. */
#include "host/cli/bench_layers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/cli/bench_kernels.h"
#include "host/cli/peer.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"

enum { LINE_BYTES = 512, SYSTEMS_MAX = 4, SYSTEM_BYTES = 32, FORM_BYTES = 64, ROUNDS_MAX = 200, PAUSE_MS = 20 };

typedef struct system_times {
    char name[SYSTEM_BYTES], form[FORM_BYTES];
    double seconds[ROUNDS_MAX], ratio[ROUNDS_MAX]; /* ratio: by ours of the same round */
    double median_s;
} system_times;

typedef struct comparison {
    const pu__layer *layer;
    double floor_s, ours[ROUNDS_MAX], ours_s;
    int systems, rounds, best; /* the peer with the least median; -1: none */
    system_times system[SYSTEMS_MAX];
} comparison;

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void sort(double *x, int count) { qsort(x, (size_t)count, sizeof *x, by_value); }

static void pause_briefly(void) { nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000L}, NULL); }

/* ---- the conversation with the peers ---- */

static pu_status answer(pu__peer *peer, char line[LINE_BYTES]) {
    fflush(peer->to);
    if (fgets(line, LINE_BYTES, peer->from)) {
        line[strcspn(line, "\n")] = 0;
        return PU_OK;
    }
    PU_TRY(pu__peer_end(peer));
    return pu_fail(PU_ERR_IO, "--peer: %s ended before its work did", peer->python);
}

/* "ready<TAB>system=form<TAB>..." */
static pu_status introduce(pu__peer *peer, comparison *c) {
    char line[LINE_BYTES], *rest = line;
    fprintf(peer->to, "prepare %s\n", c->layer->name);
    PU_TRY(answer(peer, line));
    const char *word = strsep(&rest, "\t");
    if (strcmp(word, "ready") != 0) {
        return pu_fail(PU_ERR_IO, "--peer: %s answered '%.60s' where it should be ready", peer->python, line);
    }
    while ((word = strsep(&rest, "\t")) && c->systems < SYSTEMS_MAX) {
        system_times *s = &c->system[c->systems++];
        const int name = (int)strcspn(word, "=");
        snprintf(s->name, sizeof s->name, "%.*s", name, word);
        snprintf(s->form, sizeof s->form, "%s", word[name] ? word + name + 1 : "");
    }
    return PU_OK;
}

static pu_status time_peer(pu__peer *peer, const system_times *s, double *seconds) {
    char line[LINE_BYTES], *end = line;
    fprintf(peer->to, "run %s\n", s->name);
    PU_TRY(answer(peer, line));
    *seconds = strtod(line, &end);
    if (end != line && *end == 0 && *seconds > 0) return PU_OK;
    return pu_fail(PU_ERR_IO, "--peer: %s answered '%.60s' where seconds were expected", peer->python, line);
}

/* ---- measuring ---- */

static pu_status one_round(pu__layer_run *run, pu__peer *peer, comparison *c) {
    const int r = c->rounds;
    pause_briefly();
    PU_TRY(pu__layer_sample(run, &c->ours[r]));
    for (int i = 0; i < c->systems; ++i) {
        system_times *s = &c->system[i];
        pause_briefly();
        PU_TRY(time_peer(peer, s, &s->seconds[r]));
        s->ratio[r] = s->seconds[r] / c->ours[r];
    }
    ++c->rounds;
    return PU_OK;
}

static void conclude(comparison *c) {
    const int middle = c->rounds / 2;
    sort(c->ours, c->rounds);
    c->ours_s = c->ours[middle];
    c->best = -1;
    for (int i = 0; i < c->systems; ++i) {
        system_times *s = &c->system[i];
        sort(s->seconds, c->rounds);
        sort(s->ratio, c->rounds);
        s->median_s = s->seconds[middle];
        if (c->best < 0 || s->median_s < c->system[c->best].median_s) c->best = i;
    }
}

static pu_status compare(pu__op_bench *bench, pu__peer *peer, int rounds, comparison *c) {
    pu__layer_run *run = NULL;
    if (peer->child) PU_TRY(introduce(peer, c)); /* it loads its libraries before the floor is measured */
    pause_briefly();
    PU_TRY(pu__layer_open(bench, c->layer, &run));
    c->floor_s = pu__layer_floor_s(run);
    pu_status status = PU_OK;
    while (status == PU_OK && c->rounds < rounds) {
        status = pu_interrupted() ? pu_fail(PU_ERR_INTERRUPTED, "stopped") : one_round(run, peer, c);
    }
    pu__layer_close(run);
    if (status == PU_OK) conclude(c);
    return status;
}

/* ---- printing ---- */

static void print_row(const comparison *c) {
    printf("%-42s %8.3f %8.3f %5.0f%%", c->layer->name, 1e3 * c->ours_s, 1e3 * c->floor_s,
           100 * c->floor_s / c->ours_s);
    if (c->best >= 0) {
        const system_times *best = &c->system[c->best];
        printf("  %5.2f (%.2f to %.2f)  of", best->ratio[c->rounds / 2], best->ratio[c->rounds / 4],
               best->ratio[3 * c->rounds / 4]);
        for (int i = 0; i < c->systems; ++i)
            printf("%s %s %.3f (%s)", i ? ";" : "", c->system[i].name, 1e3 * c->system[i].median_s,
                   c->system[i].form);
    }
    printf("\n");
    fflush(stdout);
}

static json_t *row_of(const comparison *c) {
    json_t *row = json_pack("{s:s, s:f, s:f}", "name", c->layer->name, "ours_s", c->ours_s, "floor_s", c->floor_s),
           *peers = json_array();
    for (int i = 0; i < c->systems; ++i) {
        const system_times *s = &c->system[i];
        json_array_append_new(peers, json_pack("{s:s, s:s, s:f, s:f}", "system", s->name, "form", s->form,
                                               "seconds", s->median_s, "ratio", s->ratio[c->rounds / 2]));
    }
    if (c->best >= 0) json_object_set_new(row, "ratio", json_real(c->system[c->best].ratio[c->rounds / 2]));
    json_object_set_new(row, "peers", peers);
    return row;
}

/* ---- the layers ---- */

static pu_status choose(pu__cli *cli, pu__layer *out, int *count) {
    const int64_t lengths[] = {64, 128, 256, 512};
    const char *op = pu__cli_value(cli, "op");
    int64_t bars = 0;
    PU_TRY(pu__cli_int(cli, "bars", 0, 1, 65536, &bars));
    *count = 0;
    for (int i = 0; i < (bars > 0 ? 1 : 4); ++i) {
        const pu__workload_sizes sizes = {
            .windows = 64, .bars = bars > 0 ? bars : lengths[i], .channels = 128, .heads = 4, .states = 32};
        pu__layer layer[PU__LAYERS_PER_SIZE];
        const int found = pu__layers_of(&sizes, layer);
        for (int j = 0; j < found; ++j) {
            if (!op || strcmp(op, pu_op_name(layer[j].forward.op)) == 0) out[(*count)++] = layer[j];
        }
    }
    if (*count > 0) return PU_OK;
    return pu_fail(PU_ERR_CONFIG, "--op: bench layers knows attention, conv and s4, not '%.40s'", op);
}

static pu_status run_all(pu__cli *cli, pu__op_bench *bench, pu__peer *peer, const pu__layer *layer, int count) {
    const pu__device_rates *rates = pu__op_bench_rates(bench);
    int64_t rounds = 0;
    PU_TRY(pu__cli_int(cli, "rounds", 15, 1, ROUNDS_MAX, &rounds));
    comparison *c = pu_calloc(1, sizeof *c);
    json_t *rows = json_array();
    json_object_set_new(cli->result, "layers", rows);
    if (!c) return PU_ERR_MEMORY;
    printf(
        "forward + backward, %lld rounds in turn; copy %.1f GB/s, matrix product %.0f GF/s\n%-42s %8s %8s %6s%s\n",
        (long long)rounds, 1e-9 * rates->copy_bytes_per_s, 1e-9 * rates->matrix_flops_per_s, "layer, ms", "ours",
        "floor", "share", peer->child ? "  best peer / ours (quartiles)  of peers, ms (fastest form)" : "");
    pu_status status = PU_OK;
    for (int i = 0; i < count && status == PU_OK; ++i) {
        *c = (comparison){.layer = &layer[i], .best = -1};
        status = compare(bench, peer, (int)rounds, c);
        if (status != PU_OK) break;
        print_row(c);
        json_array_append_new(rows, row_of(c));
    }
    pu_free(c);
    return status;
}

pu_status pu__cli_bench_layers(pu__cli *cli) {
    const char *python = pu__cli_value(cli, "peer");
    pu__layer *layer = pu_calloc(4 * PU__LAYERS_PER_SIZE, sizeof *layer);
    pu_device *device = NULL;
    pu__op_bench *bench = NULL;
    pu__peer peer = {0};
    int count = 0;
    pu_status status = layer ? choose(cli, layer, &count) : PU_ERR_MEMORY;
    if (status == PU_OK) status = pu_device_open(cli->config->run.device, (int)cli->config->run.threads, &device);
    if (status == PU_OK) status = pu__cli_bench_open(cli, device, &bench);
    if (status == PU_OK && python) status = pu__peer_start(python, cli->config->run.threads, &peer);
    if (status == PU_OK) {
        printf("%s\n", pu_device_description(device));
        status = run_all(cli, bench, &peer, layer, count);
    }
    const pu_status ended = pu__peer_end(&peer);
    pu__op_bench_close(bench);
    pu_device_close(device);
    pu_free(layer);
    return status == PU_OK ? ended : status;
}
