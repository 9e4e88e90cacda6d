/* Loader: reader threads fill a bounded ring of batches, the consumer takes them in order.
 *
 * Batch k (counted from the loader's opening) always goes to slot k % slots. A slot's states:
 *
 *     FREE --claim (a reader)--> FILLING --done--> READY --next--> HELD --release--> FREE
 *
 * Invariants:
 *  1. Batches are claimed in order, each by one reader, and only when its slot is FREE: a slow consumer stops
 *     the readers.
 *  2. What is in batch k follows from (dataset, segment, seed, first_position, k): readers race for work, never
 *     for content.
 *  3. A slot's memory belongs to one reader while FILLING and to the consumer while HELD; states change under
 *     `lock` only.
 *  4. A failure is kept in its slot and reported when the consumer gets there: the batches before it are
 *     delivered. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "host/data/windows/dataset.h"
#include "host/data/windows/waits.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/random.h"

enum { ERROR_BYTES = 2048, MEMORY_ALIGNMENT_BYTES = 256, EPOCH_STREAM = 0x5eed };
enum { STACK_BYTES = 1 << 19 };

typedef enum slot_state { FREE = 0, FILLING, READY, HELD } slot_state;

typedef struct slot {
    slot_state state;
    pu_batch batch;
    float *bars, *targets, *weights;
    int32_t *start;
    bool *ones; /* [B]: all weights of the window are 1 as it stands */
    pu_status status;
    char error[ERROR_BYTES];
} slot;

typedef struct reader {
    pu_loader *loader;
    pthread_t thread;
    bool started;
    pu_store *store;
    pu__row_reader rows;
    uint64_t *order; /* [B]: the windows of the batch that is filled */
} reader;

struct pu_loader {
    pu_dataset *dataset;
    pu_device *device;
    pu__sampler sampler;
    bool shuffle;
    uint64_t seed;
    int64_t first_position;
    int64_t batch_windows, window_rows; /* B; warmup + T */
    int64_t batches;                    /* INT64_MAX when shuffled */
    int slot_count, reader_count;
    slot *slots;
    void *memory;
    size_t memory_bytes;
    bool *ones; /* the slots' */
    reader *readers;
    bool synchronized; /* lock and conditions exist */
    pthread_mutex_t lock;
    pthread_cond_t freed, filled;
    bool stopping, waiting; /* the consumer waits */
    int readers_waiting;
    int64_t claimed, taken; /* batches claimed by readers; taken by the consumer */
    int ready;              /* slots that are READY */
    int64_t windows, ready_sum;
    double reading_s, blocked_s;
    pu__read_counts counts;
    pu__waits waits;
};

/* ---- filling ---- */

/* The windows of a batch in the sampler's order, into r->order. Epochs meet inside a batch. */
static void order_windows(reader *r, int64_t position, int64_t count) {
    const pu_loader *loader = r->loader;
    const uint64_t windows = (uint64_t)loader->sampler.windows;
    for (int64_t b = 0; b < count;) {
        const uint64_t at = (uint64_t)(position + b) % windows, epoch = (uint64_t)(position + b) / windows;
        int64_t run = (int64_t)(windows - at);
        if (run > count - b) run = count - b;
        if (loader->shuffle) {
            pu_random_permute_run(loader->seed, EPOCH_STREAM + epoch, windows, at, (int)run, r->order + b);
        } else {
            for (int64_t i = 0; i < run; ++i) r->order[b + i] = at + (uint64_t)i;
        }
        b += run;
    }
}

/* Rows of a window that do not weigh lose the weight of their known targets. */
static void weigh_rows(float *weights, int64_t length, int64_t horizons, int64_t from, int64_t to) {
    const int64_t head = from < 0 ? 0 : from > length ? length : from;
    const int64_t tail = to < head ? head : to > length ? length : to;
    memset(weights, 0, (size_t)(head * horizons) * sizeof *weights);
    memset(weights + tail * horizons, 0, (size_t)((length - tail) * horizons) * sizeof *weights);
}

static void fill_ones(float *weights, int64_t count) {
    for (int64_t i = 0; i < count; ++i) weights[i] = 1;
}

static pu_status fill_window(reader *r, slot *s, int64_t b, const pu__window *window, bool weighs) {
    pu_dataset *dataset = r->loader->dataset;
    pu__dataset_asset *asset = &dataset->asset[window->asset];
    const int64_t length = dataset->window_bars, warmup = dataset->warmup_bars, start = window->start;
    const int64_t horizons = dataset->plan.labels.horizons;
    float *targets = s->targets + b * length * horizons, *weights = s->weights + b * length * horizons;
    float *bars = s->bars + b * (warmup + length) * dataset->plan.features.count;
    PU_TRY(pu__rows_read(&r->rows, &asset->features, &asset->feature_cache, pu__feature_plane(dataset),
                         start - warmup, warmup + length, bars));
    const int64_t label = asset->features.first_bar + start;
    const pu__plane plane = pu__target_plane(dataset);
    bool labelled = false;
    const float *stored =
        pu__rows_kept(&r->rows, &asset->labels, &asset->label_cache, plane, label, length, &labelled);
    if (!stored) {
        PU_TRY(pu__rows_read(&r->rows, &asset->labels, &asset->label_cache, plane, label, length, targets));
        stored = targets;
    }
    if (labelled && weighs && window->weight_from <= start && window->weight_to >= start + length) {
        memcpy(targets, stored, (size_t)(length * horizons) * sizeof *targets);
        if (!s->ones[b]) fill_ones(weights, length * horizons);
        s->ones[b] = true;
        return PU_OK;
    }
    s->ones[b] = false;
    pu__weigh_known(length * horizons, stored, targets, weights);
    weigh_rows(weights, length, horizons, weighs ? window->weight_from - start : 0,
               weighs ? window->weight_to - start : 0);
    return PU_OK;
}

static pu_status fill_batch(reader *r, slot *s, int64_t batch) {
    const pu_loader *loader = r->loader;
    const int64_t position = loader->first_position + batch * loader->batch_windows;
    const int64_t left = loader->shuffle ? loader->batch_windows : loader->sampler.windows - position;
    const int64_t windows = left < loader->batch_windows ? left : loader->batch_windows;
    s->batch.windows = windows;
    s->batch.position = position;
    order_windows(r, position, windows);
    for (int64_t b = 0; b < loader->batch_windows; ++b) {
        const pu__window window = pu__sampler_window(&loader->sampler, (int64_t)r->order[b % windows]);
        PU_TRY(fill_window(r, s, b, &window, b < windows));
    }
    return PU_OK;
}

/* The next batch's slot, FILLING; null when the readers are to end. Called with the lock. */
static slot *claim(pu_loader *loader, int64_t *batch) {
    for (;;) {
        if (loader->stopping || loader->claimed == loader->batches) return NULL;
        slot *s = &loader->slots[loader->claimed % loader->slot_count];
        if (s->state == FREE) {
            *batch = loader->claimed++;
            s->state = FILLING;
            return s;
        }
        const double started_s = pu_clock_s();
        ++loader->readers_waiting;
        pthread_cond_wait(&loader->freed, &loader->lock);
        --loader->readers_waiting;
        loader->blocked_s += pu_clock_s() - started_s;
    }
}

static void add_counts(pu_loader *loader, pu__read_counts *counts) {
    loader->counts.rows += counts->rows;
    loader->counts.rows_in_memory += counts->rows_in_memory;
    loader->counts.bytes_read += counts->bytes_read;
    *counts = (pu__read_counts){0};
}

static void *reader_main(void *argument) {
    reader *r = argument;
    pu_loader *loader = r->loader;
    pthread_mutex_lock(&loader->lock);
    int64_t batch = 0;
    for (slot *s; (s = claim(loader, &batch));) {
        pthread_mutex_unlock(&loader->lock);
        const double started_s = pu_clock_s();
        s->status = fill_batch(r, s, batch);
        if (s->status != PU_OK) snprintf(s->error, sizeof s->error, "%s", pu_error_message());
        pu__row_reader_rest(&r->rows);
        const double reading_s = pu_clock_s() - started_s;
        pthread_mutex_lock(&loader->lock);
        loader->reading_s += reading_s;
        add_counts(loader, &r->rows.counts);
        s->state = READY;
        ++loader->ready;
        if (loader->waiting && batch == loader->taken) pthread_cond_signal(&loader->filled);
    }
    pthread_cond_broadcast(&loader->freed);
    pthread_mutex_unlock(&loader->lock);
    return NULL;
}

/* ---- opening and closing ---- */

static size_t aligned(int64_t elements, size_t size) {
    return ((size_t)elements * size + MEMORY_ALIGNMENT_BYTES - 1) / MEMORY_ALIGNMENT_BYTES *
           MEMORY_ALIGNMENT_BYTES;
}

typedef struct slot_layout {
    size_t bars_bytes, label_bytes, start_bytes, slot_bytes;
} slot_layout;

static slot_layout lay_out(const pu_dataset *dataset, int64_t windows) {
    const int64_t labels = windows * dataset->window_bars * dataset->plan.labels.horizons;
    const int64_t rows = windows * (dataset->warmup_bars + dataset->window_bars);
    slot_layout l = {.bars_bytes = aligned(rows * dataset->plan.features.count, sizeof(float)),
                     .label_bytes = aligned(labels, sizeof(float)),
                     .start_bytes = aligned(windows, sizeof(int32_t))};
    l.slot_bytes = l.bars_bytes + 2 * l.label_bytes + l.start_bytes;
    return l;
}

int64_t pu_loader_ring_bytes(const pu_dataset *dataset, const pu_config *config) {
    return (int64_t)lay_out(dataset, config->train.batch).slot_bytes * config->windows.ring_slots;
}

int64_t pu_loader_reader_bytes(const pu_dataset *dataset, const pu_config *config) {
    const int64_t columns = dataset->plan.features.count + 1 + dataset->plan.labels.horizons;
    const int64_t held = PU__HELD_BLOCKS * config->features.block_bars * columns * (int64_t)sizeof(float);
    return config->windows.readers * (held + STACK_BYTES + PU__READER_CACHE_KIB * 1024);
}

static pu_status allocate_ring(pu_loader *loader) {
    const pu_dataset *dataset = loader->dataset;
    const int64_t windows = loader->batch_windows;
    const slot_layout l = lay_out(dataset, windows);
    loader->memory_bytes = l.slot_bytes * (size_t)loader->slot_count;
    if (windows * loader->window_rows > INT32_MAX) {
        return pu_fail(PU_ERR_CONFIG,
                       "a batch of %" PRId64 " windows of %" PRId64 " rows passes 2^31 rows: lower train.batch",
                       windows, loader->window_rows);
    }
    if (loader->device) {
        PU_TRY(pu_device_alloc_host(loader->device, loader->memory_bytes, &loader->memory));
        memset(loader->memory, 0, loader->memory_bytes); /* the gaps between the arrays travel too */
    } else {
        loader->memory = pu_pages_alloc(loader->memory_bytes);
        if (!loader->memory) return PU_ERR_MEMORY;
    }
    loader->slots = pu_calloc((size_t)loader->slot_count, sizeof *loader->slots);
    loader->ones = pu_calloc((size_t)(loader->slot_count * windows), sizeof *loader->ones);
    if (!loader->slots || !loader->ones) return PU_ERR_MEMORY;
    for (int i = 0; i < loader->slot_count; ++i) {
        slot *s = &loader->slots[i];
        unsigned char *at = (unsigned char *)loader->memory + (size_t)i * l.slot_bytes;
        s->bars = (float *)(void *)at;
        s->targets = (float *)(void *)(at + l.bars_bytes);
        s->weights = (float *)(void *)(at + l.bars_bytes + l.label_bytes);
        s->start = (int32_t *)(void *)(at + l.bars_bytes + 2 * l.label_bytes);
        s->ones = loader->ones + i * windows;
        for (int64_t b = 0; b < windows; ++b) s->start[b] = (int32_t)(b * loader->window_rows);
        s->batch = (pu_batch){
            .bars = s->bars, .start = s->start, .targets = s->targets, .weights = s->weights, .slot = i};
    }
    return PU_OK;
}

/* With a stack of its own size: the usual 8 MiB count where the address space is limited. */
static int start_thread(reader *r) {
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);
    if (error != 0) return error;
    error = pthread_attr_setstacksize(&attributes, STACK_BYTES);
    if (error == 0) error = pthread_create(&r->thread, &attributes, reader_main, r);
    (void)pthread_attr_destroy(&attributes); /* of a valid object it cannot fail */
    return error;
}

static pu_status start_reader(pu_loader *loader, int index) {
    reader *r = &loader->readers[index];
    r->loader = loader;
    PU_TRY(pu_store_open(pu_store_path(loader->dataset->store), PU_STORE_READ, &r->store));
    PU_TRY(pu__row_reader_open(loader->dataset, r->store, &r->rows));
    r->rows.in_order = !loader->shuffle;
    r->order = pu_calloc((size_t)loader->batch_windows, sizeof *r->order);
    if (!r->order) return PU_ERR_MEMORY;
    const int error = start_thread(r);
    if (error != 0)
        return pu_fail(PU_ERR_IO, "cannot start reader thread %d of %d: %s", index + 1, loader->reader_count,
                       strerror(error));
    r->started = true;
    return PU_OK;
}

static pu_status no_windows(const pu_dataset *dataset, pu_segment segment) {
    static const char *const name[PU_SEGMENT_COUNT] = {"training", "validation", "test"};
    const pu__span *span = &dataset->asset[0].span[segment];
    return pu_fail(PU_ERR_DATA,
                   "no window of the %s segment has a label inside it: %s has %" PRId64 " rows there, %" PRId64
                   " before it; a label reaches %" PRId64
                   " bars ahead (latency + longest horizon) and windows.warmup_bars is %" PRId64
                   ": lengthen the segment or shorten these",
                   name[segment], dataset->plan.asset[0].symbol, span->last - span->first, span->first,
                   dataset->label_bars, dataset->warmup_bars);
}

static pu_status start(pu_loader *loader) {
    PU_TRY(allocate_ring(loader));
    if (pthread_mutex_init(&loader->lock, NULL) != 0 || pthread_cond_init(&loader->freed, NULL) != 0 ||
        pthread_cond_init(&loader->filled, NULL) != 0) {
        return pu_fail(PU_ERR_IO, "cannot make a lock for the reader threads");
    }
    loader->synchronized = true;
    loader->readers = pu_calloc((size_t)loader->reader_count, sizeof *loader->readers);
    if (!loader->readers) return PU_ERR_MEMORY;
    for (int i = 0; i < loader->reader_count; ++i) PU_TRY(start_reader(loader, i));
    return PU_OK;
}

pu_status pu_loader_open(pu_dataset *dataset, const pu_config *config, pu_segment segment, pu_device *device,
                         bool shuffle, uint64_t seed, int64_t first_position, pu_loader **out) {
    *out = NULL;
    if (segment < 0 || segment >= PU_SEGMENT_COUNT || first_position < 0) {
        return pu_fail(PU_ERR_ARGUMENT, "segment %d, first position %" PRId64 ": out of range", (int)segment,
                       first_position);
    }
    pu_loader *loader = pu_calloc(1, sizeof *loader);
    if (!loader) return PU_ERR_MEMORY;
    loader->dataset = dataset;
    loader->device = device;
    loader->shuffle = shuffle;
    loader->seed = seed;
    loader->first_position = first_position;
    loader->batch_windows = config->train.batch;
    loader->window_rows = dataset->warmup_bars + dataset->window_bars;
    loader->slot_count = (int)config->windows.ring_slots;
    loader->reader_count = (int)config->windows.readers;
    pu_status status = pu__sampler_open(dataset, segment, shuffle, &loader->sampler);
    if (status == PU_OK && loader->sampler.windows == 0) status = no_windows(dataset, segment);
    const int64_t left = loader->sampler.windows > first_position ? loader->sampler.windows - first_position : 0;
    loader->batches = shuffle ? INT64_MAX : (left + loader->batch_windows - 1) / loader->batch_windows;
    if (status == PU_OK) status = start(loader);
    if (status != PU_OK) {
        pu_loader_close(loader);
        return status;
    }
    *out = loader;
    return PU_OK;
}

static void stop_readers(pu_loader *loader) {
    if (!loader->synchronized) return;
    pthread_mutex_lock(&loader->lock);
    loader->stopping = true;
    pthread_cond_broadcast(&loader->freed);
    pthread_mutex_unlock(&loader->lock);
    for (int i = 0; loader->readers && i < loader->reader_count; ++i) {
        if (loader->readers[i].started) pthread_join(loader->readers[i].thread, NULL);
    }
    pthread_cond_destroy(&loader->filled);
    pthread_cond_destroy(&loader->freed);
    pthread_mutex_destroy(&loader->lock);
}

void pu_loader_close(pu_loader *loader) {
    if (!loader) return;
    stop_readers(loader);
    for (int i = 0; loader->readers && i < loader->reader_count; ++i) {
        pu__row_reader_close(&loader->readers[i].rows);
        pu_free(loader->readers[i].order);
        pu_store_close(loader->readers[i].store);
    }
    pu_free(loader->readers);
    pu_free(loader->slots);
    pu_free(loader->ones);
    if (loader->device && loader->memory) {
        pu_device_free_host(loader->device, loader->memory);
    } else {
        pu_pages_free(loader->memory, loader->memory_bytes);
    }
    pu__sampler_close(&loader->sampler);
    pu_free(loader);
}

/* ---- the consumer ---- */

int64_t pu_loader_windows(const pu_loader *loader) { return loader->sampler.windows; }

/* The next batch's slot, once it is READY; null at the end, and where `wait` is false and it is not READY yet. */
static pu_status await(pu_loader *loader, bool wait, slot **out) {
    slot *s = &loader->slots[loader->taken % loader->slot_count];
    *out = NULL;
    if (loader->taken == loader->batches || (!wait && s->state != READY)) return PU_OK;
    if (s->state == HELD) {
        return pu_fail(PU_ERR_ARGUMENT, "all %d batches of the ring are held: release one first",
                       loader->slot_count);
    }
    loader->ready_sum += loader->ready;
    double waited_s = 0;
    if (s->state != READY) {
        const double started_s = pu_clock_s();
        loader->waiting = true;
        while (s->state != READY) pthread_cond_wait(&loader->filled, &loader->lock);
        loader->waiting = false;
        waited_s = pu_clock_s() - started_s;
    }
    pu__waits_add(&loader->waits, waited_s);
    *out = s;
    return PU_OK;
}

static pu_status take(pu_loader *loader, bool wait, pu_batch *batch, bool *ready) {
    *batch = (pu_batch){.slot = -1};
    pthread_mutex_lock(&loader->lock);
    slot *s = NULL;
    pu_status status = await(loader, wait, &s);
    *ready = s || (status == PU_OK && loader->taken == loader->batches);
    if (s && s->status == PU_OK) {
        s->state = HELD;
        --loader->ready;
        loader->windows += s->batch.windows;
        ++loader->taken;
        *batch = s->batch;
    }
    pthread_mutex_unlock(&loader->lock);
    return s && s->status != PU_OK ? pu_fail(s->status, "%s", s->error) : status;
}

pu_status pu_loader_next(pu_loader *loader, pu_batch *batch) {
    bool ready = false;
    return take(loader, true, batch, &ready);
}

pu_status pu_loader_try(pu_loader *loader, pu_batch *batch, bool *ready) {
    return take(loader, false, batch, ready);
}

void pu_loader_release(pu_loader *loader, const pu_batch *batch) {
    if (batch->slot < 0 || batch->slot >= loader->slot_count) return;
    pthread_mutex_lock(&loader->lock);
    if (loader->slots[batch->slot].state == HELD) loader->slots[batch->slot].state = FREE;
    if (loader->readers_waiting > 0) pthread_cond_broadcast(&loader->freed);
    pthread_mutex_unlock(&loader->lock);
}

pu_loader_metrics pu_loader_measure(const pu_loader *loader) {
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&loader->lock;
    pthread_mutex_lock(lock);
    const pu__waits *waits = &loader->waits;
    const pu__read_counts *counts = &loader->counts;
    const pu_loader_metrics metrics = {
        .windows = loader->windows,
        .batches = loader->taken,
        .waited_s = waits->sum_s,
        .waited_p50_s = pu__waits_quantile(waits, 0.5),
        .waited_p99_s = pu__waits_quantile(waits, 0.99),
        .waited_max_s = waits->max_s,
        .reading_s = loader->reading_s,
        .blocked_s = loader->blocked_s,
        .bytes_read = counts->bytes_read,
        .in_memory_ratio = counts->rows > 0 ? (double)counts->rows_in_memory / (double)counts->rows : 0,
        .ready_mean = waits->count > 0 ? (double)loader->ready_sum / (double)waits->count : 0};
    pthread_mutex_unlock(lock);
    return metrics;
}
