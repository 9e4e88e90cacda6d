/* The training loop.
 *
 *     for each launch of one or several steps (steps.h):  next batches (staging.h) -> schedule -> program (forward,
 *     backward, clip, update) -> the uploads of the batches behind them
 *     every eval_every steps and at the end:   validation -> train.jsonl -> checkpoint/best if improved -> patience
 *     every checkpoint_every steps, at the end and when interrupted:   checkpoint/last
 *
 * Invariants:
 *  1. Everything that influences later bits is in the parameters, the moments and pu__train_state; the sampler,
 *  the dropout masks and the
 *     schedule are functions of (seed, step).
 *  2. checkpoint/last is written after the validation of its step, so that a resumed run repeats no decision.
 *  3. state.step counts the steps that were launched; before a validation, a checkpoint and the end all of them are
 *     waited for, so that what is decided and stored there includes their losses. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/base/file.h"
#include "host/train/budget.h"
#include "host/train/state.h"
#include "host/train/steps.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"
#include "plusultra/validate.h"

enum { PATH_BYTES = 4096, SKIPS_MAX = 10 };

typedef struct trainer {
    const pu_config *config;
    pu__session session;
    pu__network train, evaluate;
    pu_loader *loader;
    pu__staging *staging, *evaluate_staging;
    pu__steps *steps;
    int steps_per_launch;
    pu__train_state state;
    pu__train_log log;
    char identity[65];
    double started_s, gradient_norm, lr;
    int64_t first_step, skips_in_a_row;
    int lock;       /* of the run's folder; -1: not held */
    char *accepted; /* faults of the data that data.accept lets pass, one a line */
} trainer;

/* Linear warm-up, then cosine down to lr * lr_final_ratio at the last step (Loshchilov & Hutter 2017, eq. 5,
 * without restarts). */
static double learning_rate(const pu_config *config, int64_t step) {
    const int64_t warmup = config->train.warmup_steps, last = config->train.steps - 1;
    if (step < warmup) return config->train.lr * (double)(step + 1) / (double)warmup;
    const double progress = last > warmup ? (double)(step - warmup) / (double)(last - warmup) : 1;
    const double floor = config->train.lr_final_ratio;
    return config->train.lr * (floor + (1 - floor) * 0.5 * (1 + cos(M_PI * (progress < 1 ? progress : 1))));
}

static pu__step_told tell(trainer *t, int64_t step) {
    const pu_config *config = t->config;
    t->lr = learning_rate(config, step);
    return (pu__step_told){.clock = {(uint64_t)config->run.seed, (uint64_t)step},
                           .hyper = {(float)t->lr, (float)config->train.beta1, (float)config->train.beta2,
                                     (float)config->train.epsilon, (float)config->train.weight_decay,
                                     (float)config->train.clip_norm,
                                     (float)(1 - pow(config->train.beta1, (double)(step + 1))),
                                     (float)(1 - pow(config->train.beta2, (double)(step + 1)))}};
}

static pu_status take_result(trainer *t, const pu__step_gave *gave) {
    t->gradient_norm = gave->stats[0];
    if (gave->stats[2] != 0) {
        ++t->state.skipped;
        if (++t->skips_in_a_row >= SKIPS_MAX) {
            return pu_fail(PU_ERR_DATA,
                           "step %lld: the loss or its gradient was not finite %d times in a row (last loss %g); "
                           "no update was applied "
                           "from them. Lower train.lr, or look for extreme values with `plusultra validate`",
                           (long long)gave->step + 1, SKIPS_MAX, (double)gave->loss);
        }
        return PU_OK;
    }
    t->skips_in_a_row = 0;
    t->state.loss_sum += gave->loss;
    ++t->state.loss_count;
    return PU_OK;
}

/* Reads what the steps gave of all launches but the last `behind`. */
static pu_status take_results(trainer *t, int behind) {
    pu__step_gave gave;
    PU_TRY(pu__steps_wait(t->steps, behind));
    while (pu__steps_result(t->steps, &gave)) PU_TRY(take_result(t, &gave));
    return PU_OK;
}

static int64_t until_next(int64_t step, int64_t every) { return every - step % every; }
static int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }

/* Up to the next validation, checkpoint or end. */
static int64_t steps_to_launch(const trainer *t, int64_t stop_after) {
    const int64_t step = t->state.step;
    int64_t steps = lesser(t->steps_per_launch, t->config->train.steps - step);
    steps = lesser(steps, until_next(step, t->config->train.eval_every));
    steps = lesser(steps, until_next(step, t->config->train.checkpoint_every));
    if (stop_after > step) steps = lesser(steps, stop_after - step);
    return steps < 1 ? 1 : steps;
}

static pu_status run_steps(trainer *t, int64_t steps) {
    PU_TRY(take_results(t, pu_device_is_host(t->session.device) ? 0 : 1));
    for (int64_t k = 0; k < steps; ++k) {
        pu__staged batch;
        const pu__step_told told = tell(t, t->state.step + k);
        PU_TRY(pu__staging_next(t->staging, &batch));
        PU_TRY(pu__steps_add(t->steps, &batch, &told));
        t->state.position = batch.host.position + t->config->train.batch;
    }
    PU_TRY(pu__steps_launch(t->steps));
    t->state.step += steps;
    for (int64_t k = 0; k < steps; ++k) PU_TRY(pu__staging_done(t->staging));
    return PU_OK;
}

static double weight_of(const pu__session *session, const pu_config *config, const pu_batch *batch) {
    const int64_t count = config->train.batch * config->windows.window_bars * session->dims.horizons;
    double sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += batch->weights[i];
    return sum;
}

static pu_status validate_batches(trainer *t, double *loss_sum, double *weight_sum) {
    for (;;) {
        pu__staged batch;
        PU_TRY(pu__staging_next(t->evaluate_staging, &batch));
        if (batch.host.windows == 0) return PU_OK;
        const double weight = weight_of(&t->session, t->config, &batch.host);
        float loss = 0;
        PU_TRY(pu__network_bind(&t->evaluate, &batch));
        PU_TRY(pu_program_run(t->evaluate.program));
        PU_TRY(pu__staging_done(t->evaluate_staging));
        PU_TRY(pu_program_read(t->evaluate.program, t->evaluate.loss, &loss));
        *loss_sum += (double)loss * weight;
        *weight_sum += weight;
    }
}

static pu_status validation_loss(trainer *t, double *out) {
    pu_loader *loader = NULL;
    PU_TRY(
        pu_loader_open(t->session.dataset, t->config, PU_SEGMENT_VALID, t->session.device, false, 0, 0, &loader));
    double loss_sum = 0, weight_sum = 0;
    pu__staging_start(t->evaluate_staging, loader);
    const pu_status status = validate_batches(t, &loss_sum, &weight_sum);
    pu__staging_stop(t->evaluate_staging);
    pu_loader_close(loader);
    PU_TRY(status);
    if (weight_sum <= 0)
        return pu_fail(PU_ERR_DATA,
                       "the validation segment has no labelled bar; widen split.valid or split.valid_ratio");
    *out = loss_sum / weight_sum;
    return PU_OK;
}

static pu_status validate(trainer *t) {
    pu__train_state *s = &t->state;
    s->train_loss = s->loss_count > 0 ? s->loss_sum / (double)s->loss_count : NAN;
    s->loss_sum = 0;
    s->loss_count = 0;
    PU_TRY(validation_loss(t, &s->valid_loss));
    const bool better = s->valid_loss < s->best_valid_loss; /* false for NaN */
    if (better) {
        s->best_valid_loss = s->valid_loss;
        s->best_step = s->step;
        s->stale = 0;
        PU_TRY(pu__train_best_save(&t->session, s, t->identity));
    } else {
        ++s->stale;
    }
    if (t->config->train.patience > 0 && s->stale >= t->config->train.patience) s->finished = 1;
    const double seconds = pu_clock_s() - t->started_s;
    const double windows = (double)((s->step - t->first_step) * t->config->train.batch);
    const pu__train_pace pace = {.lr = t->lr,
                                 .gradient_norm = t->gradient_norm,
                                 .seconds = seconds,
                                 .windows_per_s = seconds > 0 ? windows / seconds : 0,
                                 .loader = pu_loader_measure(t->loader)};
    return pu__train_log_line(&t->session, &t->log, s, &pace);
}

/* Before the first validation there is none to show. */
static void describe(const trainer *t, double train_loss, char note[160]) {
    const pu__train_state *s = &t->state;
    int used = snprintf(note, 160, isfinite(train_loss) ? "train %.5f" : "no validation yet", train_loss);
    if (isfinite(s->best_valid_loss)) {
        used += snprintf(note + used, 160 - (size_t)used, " valid %.5f best %.5f at step %lld", s->valid_loss,
                         s->best_valid_loss, (long long)s->best_step);
    }
    const double seconds = pu_clock_s() - t->started_s, waited_s = pu_loader_measure(t->loader).waited_s;
    snprintf(note + used, 160 - (size_t)used, " waiting %.1f%%", seconds > 0 ? 100 * waited_s / seconds : 0);
}

static pu_status loop(trainer *t, int64_t stop_after, pu_progress *progress) {
    const pu_config *config = t->config;
    pu__train_state *s = &t->state;
    while (!s->finished) {
        PU_TRY(run_steps(t, steps_to_launch(t, stop_after)));
        const bool over = s->step >= config->train.steps, judged = over || s->step % config->train.eval_every == 0;
        const bool halt = pu_interrupted() || (stop_after > 0 && s->step >= stop_after);
        const bool saved = judged || halt || s->step % config->train.checkpoint_every == 0;
        if (saved || pu_device_is_host(t->session.device)) PU_TRY(take_results(t, 0));
        if (judged) PU_TRY(validate(t));
        if (over) s->finished = 1;
        char note[160];
        describe(t, s->loss_count ? s->loss_sum / (double)s->loss_count : s->train_loss, note);
        pu_progress_update(progress, s->step, note);
        const bool stop = !s->finished && halt;
        if (s->finished || stop || s->step % config->train.checkpoint_every == 0) {
            PU_TRY(pu__train_state_save(&t->session, s, t->identity));
        }
        if (stop)
            return pu_fail(PU_ERR_INTERRUPTED, "stopped after step %lld; --resume goes on from there",
                           (long long)s->step);
    }
    return PU_OK;
}

/* What the run works on, before it starts. */
static void announce(const trainer *t) {
    const pu_config *config = t->config;
    pu_log(
        PU_LOG_INFO, "train.plan",
        "data: %d assets, %d features, %lld training windows of %lld bars, embargo %lld bars; %d launches a step",
        pu_dataset_assets(t->session.dataset), (int)t->session.dims.features,
        (long long)pu_loader_windows(t->loader), (long long)config->windows.window_bars,
        (long long)pu_dataset_embargo_bars(t->session.dataset), pu_program_launches(t->train.program));
}

/* What was wrong with the data and was trained on all the same, beside the run; nothing when nothing was. */
static pu_status record_accepted(const trainer *t) {
    char path[PATH_BYTES];
    PU_TRY(pu__session_path(&t->session, "accepted_faults.txt", path));
    if (*t->accepted) return pu__file_replace(path, t->accepted, strlen(t->accepted));
    if (unlink(path) == 0 || errno == ENOENT) return PU_OK;
    return pu_fail(PU_ERR_IO, "cannot remove %s: %s", path, strerror(errno));
}

/* Two trainings in one folder would remove each other's checkpoints. */
static pu_status take_folder(trainer *t) {
    char path[PATH_BYTES];
    PU_TRY(pu__folder_make(t->session.folder));
    PU_TRY(pu__session_path(&t->session, "lock", path));
    return pu__file_lock(path, &t->lock);
}

static pu_status start_or_resume(trainer *t, pu_train_mode mode) {
    t->state.best_valid_loss = INFINITY;
    t->state.train_loss = t->state.valid_loss = NAN;
    char path[PATH_BYTES], *existing = NULL;
    size_t bytes = 0;
    PU_TRY(pu__session_path(&t->session, "checkpoint/last/manifest.json", path));
    const bool exists = pu__file_read(path, (size_t)1 << 24, &existing, &bytes) != PU_ERR_NOT_FOUND;
    pu_free(existing);
    if (exists && mode == PU_TRAIN_NEW) {
        return pu_fail(
            PU_ERR_ARGUMENT,
            "%s already holds a run: use --resume to go on, --overwrite to start again, or another run.name",
            t->session.folder);
    }
    if (exists && mode == PU_TRAIN_RESUME) {
        PU_TRY(pu__train_state_load(&t->session, t->identity, &t->state));
        PU_TRY(pu__train_log_load(&t->session, &t->log, &t->state));
        pu_log(PU_LOG_INFO, "train.resume", "resuming %s after step %lld", t->session.folder,
               (long long)t->state.step);
    }
    char *text = pu_config_text(t->config);
    if (!text) return PU_ERR_MEMORY;
    pu_status status = pu__session_path(&t->session, "config.yaml", path);
    if (status == PU_OK) status = pu__file_replace(path, text, strlen(text));
    pu_free(text);
    return status;
}

static pu_status open_trainer(trainer *t, const pu_config *config, pu_train_mode mode) {
    t->config = config;
    t->lock = -1;
    PU_TRY(pu_validate_gate(config, &t->accepted));
    PU_TRY(pu__session_open(config, &t->session));
    PU_TRY(pu__session_identity(&t->session, t->identity));
    PU_TRY(take_folder(t));
    PU_TRY(start_or_resume(t, mode));
    PU_TRY(record_accepted(t));
    pu_device *device = t->session.device;
    PU_TRY(pu__steps_per_launch(device, config, &t->steps_per_launch));
    const int64_t batch = config->train.batch;
    PU_TRY(pu__network_build(config, t->session.dims, t->session.parameters, batch, PU__NETWORK_TRAIN, &t->train));
    PU_TRY(pu__network_build(config, t->session.dims, t->session.parameters, batch, PU__NETWORK_EVALUATE,
                             &t->evaluate));
    PU_TRY(pu__steps_open(device, &t->train, t->steps_per_launch, &t->steps));
    pu_log(PU_LOG_INFO, "train.plan", "%s: %lld parameters on %s", config->run.name,
           (long long)pu__parameter_elements(t->session.parameters), pu_device_description(device));
    PU_TRY(pu__budget_announce(&t->session, &t->train, &t->evaluate));
    PU_TRY(pu__staging_open(device, t->session.dataset, config, &t->staging));
    PU_TRY(pu__staging_open(device, t->session.dataset, config, &t->evaluate_staging));
    PU_TRY(pu_loader_open(t->session.dataset, config, PU_SEGMENT_TRAIN, device, true, (uint64_t)config->run.seed,
                          t->state.position, &t->loader));
    pu__staging_start(t->staging, t->loader);
    return PU_OK;
}

static void close_trainer(trainer *t) {
    if (t->session.device)
        (void)pu_device_sync(t->session.device); /* nothing may still read what is freed below */
    pu__staging_stop(t->staging);
    pu_loader_close(t->loader);
    pu__staging_close(t->staging);
    pu__staging_close(t->evaluate_staging);
    pu__network_free(&t->evaluate);
    pu__network_free(&t->train);
    pu__steps_close(t->steps);
    pu_free(t->log.text);
    pu_free(t->accepted);
    if (t->lock >= 0) close(t->lock);
    pu__session_close(&t->session);
}

static void fill_result(const trainer *t, pu_status status, pu_train_result *out) {
    const pu__train_state *s = &t->state;
    const pu_loader_metrics loader = pu_loader_measure(t->loader);
    const double seconds = pu_clock_s() - t->started_s;
    const double steps = (double)(s->step - t->first_step);
    *out = (pu_train_result){.steps = s->step,
                             .train_loss = s->train_loss,
                             .valid_loss = s->valid_loss,
                             .best_valid_loss = s->best_valid_loss,
                             .best_step = s->best_step,
                             .parameter_count = pu__parameter_elements(t->session.parameters),
                             .skipped_updates = s->skipped,
                             .seconds = seconds,
                             .steps_per_s = seconds > 0 ? steps / seconds : 0,
                             .windows_per_s = seconds > 0 ? steps * (double)t->config->train.batch / seconds : 0,
                             .loader = loader,
                             .waited_ratio = seconds > 0 ? loader.waited_s / seconds : 0,
                             .stopped_early = s->finished && s->step < t->config->train.steps,
                             .interrupted = status == PU_ERR_INTERRUPTED};
}

/* Whether the windows kept up with the steps. */
static void describe_stream(const pu_train_result *result) {
    const pu_loader_metrics *l = &result->loader;
    pu_log(
        PU_LOG_INFO, "train.stream",
        "steps waited %.2f s for windows, %.1f %% of the time (median %.3f ms, 99th percentile %.3f ms, longest "
        "%.3f ms); %.1f MiB were read, %.1f %% of the rows came from memory, %.1f batches stood ready",
        l->waited_s, 100 * result->waited_ratio, 1e3 * l->waited_p50_s, 1e3 * l->waited_p99_s,
        1e3 * l->waited_max_s, (double)l->bytes_read / 1048576.0, 100 * l->in_memory_ratio, l->ready_mean);
}

static pu_status train(trainer *t, const pu_config *config, pu_train_mode mode, int64_t stop_after,
                       pu_train_result *out) {
    PU_TRY(open_trainer(t, config, mode));
    announce(t);
    t->started_s = pu_clock_s();
    t->first_step = t->state.step;
    pu_progress progress;
    pu_progress_begin(&progress, "train", "steps", config->train.steps);
    const pu_status status = loop(t, stop_after, &progress);
    char note[160];
    describe(t, t->state.train_loss, note);
    pu_progress_end(&progress, note);
    fill_result(t, status, out);
    describe_stream(out);
    return status;
}

pu_status pu_train(const pu_config *config, pu_train_mode mode, int64_t stop_after, pu_train_result *out) {
    memset(out, 0, sizeof *out);
    trainer *t = pu_calloc(1, sizeof *t);
    if (!t) return PU_ERR_MEMORY;
    const pu_status status = train(t, config, mode, stop_after, out);
    close_trainer(t);
    pu_free(t);
    return status;
}
