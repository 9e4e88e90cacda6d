/* Models, training, checkpoints, prediction. */
#ifndef PLUSULTRA_TRAIN_H
#define PLUSULTRA_TRAIN_H

#include "plusultra/config.h"
#include "plusultra/graph.h"
#include "plusultra/windows.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- model ---- */

typedef struct pu_model_dims {
    int64_t features; /* F */
    int64_t horizons; /* H */
    int64_t outputs;  /* Q: quantiles, or 1 */
} pu_model_dims;

/* Declares the parameters of the configured backbone and head. */
pu_status pu_model_declare(const pu_config *config, pu_model_dims dims, pu_parameters *parameters);

/* After pu_parameters_allocate: starts the head's bias at the quantiles of a standard normal, so that the first
 * forecasts are the
 * unconditional ones. Does nothing under MSE and Huber. */
pu_status pu_model_start(const pu_config *config, pu_model_dims dims, pu_parameters *parameters);

/* Adds the model to a graph. bars f32[R,F] with start i32[B] as in pu_batch; clock u64[2] = {seed, step} for
 * dropout, null when predicting.
 * Returns the prediction [B*T, H*Q]; prediction row b*T + t depends on bars of window b up to t only. Null after
 * an error in the graph. */
pu_tensor *pu_model_forward(const pu_config *config, pu_model_dims dims, pu_graph *graph, pu_tensor *bars,
                            pu_tensor *start, pu_tensor *clock);

/* ---- training ---- */

typedef struct pu_train_result {
    int64_t steps;
    double train_loss, valid_loss, best_valid_loss;
    int64_t best_step;
    int64_t parameter_count;
    int64_t skipped_updates;
    double seconds, steps_per_s, windows_per_s;
    pu_loader_metrics loader; /* of the training windows, in this call: what the steps waited, what was read */
    double waited_ratio;      /* share of this call's time that the steps stood still for windows */
    bool stopped_early, interrupted;
} pu_train_result;

typedef enum pu_train_mode {
    PU_TRAIN_NEW = 0,  /* PU_ERR_ARGUMENT when the run's folder already holds a checkpoint */
    PU_TRAIN_RESUME,   /* goes on from checkpoint/last, or starts when there is none */
    PU_TRAIN_OVERWRITE /* starts again */
} pu_train_mode;

/* Trains as configured into <run.out>/<run.name>: config.yaml, train.jsonl (one line per validation),
 * checkpoint/last and checkpoint/best
 * (safetensors + manifest). A resumed run ends with the same bits as one that was never stopped; PU_ERR_CONFIG
 * when the configuration or the
 * data differ in a way that changes the result. `stop_after` > 0 ends this call, as an interruption would, once
 * that many steps are
 * done in all. On SIGINT, and at stop_after, saves a checkpoint and returns PU_ERR_INTERRUPTED. */
pu_status pu_train(const pu_config *config, pu_train_mode mode, int64_t stop_after, pu_train_result *out);

/* Predicts every decision time from the start of validation to the end of the data with checkpoint/best; writes
 * the predictions table and
 * <run>/predictions.csv. */
typedef struct pu_predict_result {
    int64_t assets, rows;
    double seconds;
} pu_predict_result;
pu_status pu_predict(const pu_config *config, pu_predict_result *out);

/* ---- measuring ---- */

/* The training step of a configuration on this machine, with random inputs of the right shapes. */
typedef struct pu_step_bench {
    char device[160];
    int64_t parameters;
    int launches;
    double step_s; /* median */
    double windows_per_s;
    double matrix_flops_per_s; /* best rate of a large product on this device, in the configuration's precision */
    double f32_flops_per_s;    /* the same in f32 */
    double floor_s;            /* the step's matrix products at the first of these rates */
    double matrix_ratio;       /* share of the step's time spent in matrix products */
    double copy_bytes_per_s;   /* read and written, by a pass over 64 MiB; 1 GiB on a GPU */
    double op_s[PU_OP_COUNT];
    pu_launch_info *launch; /* [launches], in order */
} pu_step_bench;

/* Measures for about `seconds`, at least five steps. Free with pu_step_bench_free. */
pu_status pu_bench_step(const pu_config *config, pu_model_dims dims, double seconds, pu_step_bench *out);
/* Of launch `launch`: the larger of its bytes and its operations at these rates. */
double pu_step_bench_limit_s(const pu_step_bench *bench, int launch);
void pu_step_bench_free(pu_step_bench *bench); /* accepts a zeroed one */

/* ---- checkpoints ---- */

/* A named float32 or uint64 array in a safetensors file. */
typedef struct pu_saved_tensor {
    char name[128];
    pu_dtype dtype; /* PU_F32 or PU_U64 */
    pu_shape shape;
    void *data; /* host memory */
} pu_saved_tensor;

/* Writes `path` (a folder) holding model.safetensors and manifest.json (SHA-256, sizes, step, configuration hash):
 * temporary files, synced,
 * renamed, folder synced, manifest last. `manifest_extra`: JSON object text merged into the manifest, may be null.
 * A crash at any point leaves the old checkpoint or the
 * new one. */
pu_status pu_checkpoint_write(const char *path, int tensor_count, const pu_saved_tensor *tensors,
                              const char *manifest_extra);

/* Reads and verifies; every length is checked before use. PU_ERR_CORRUPT says which check failed. *tensors and
 * *manifest (the JSON text) are freed with
 * pu_checkpoint_free. */
pu_status pu_checkpoint_read(const char *path, int *tensor_count, pu_saved_tensor **tensors, char **manifest);
void pu_checkpoint_free(int tensor_count, pu_saved_tensor *tensors, char *manifest);

#ifdef __cplusplus
}
#endif
#endif
