/* A model graph compiled for one use, with its inputs and outputs by name; and what training and prediction open
 * in common. */
#ifndef PU_HOST_TRAIN_NETWORK_H
#define PU_HOST_TRAIN_NETWORK_H

#include "host/train/staging.h"
#include "plusultra/train.h"

typedef enum pu__network_use {
    PU__NETWORK_TRAIN,    /* dropout, loss, gradients, update */
    PU__NETWORK_EVALUATE, /* loss only */
    PU__NETWORK_PREDICT   /* prediction only */
} pu__network_use;

/* Tensors that a use does not have are null. Owns graph and program. */
typedef struct pu__network {
    pu_graph *graph;
    pu_program *program;
    pu_tensor *bars, *start, *target, *weight, *clock, *hyper;
    pu_tensor *prediction, *loss, *stats;
    int64_t batch;
} pu__network;

pu_status pu__network_build(const pu_config *config, pu_model_dims dims, pu_parameters *parameters, int64_t batch,
                            pu__network_use use, pu__network *out);
/* Of its products and of attention. */
pu_precision pu__network_precision(const pu_config *config);
void pu__network_free(pu__network *network); /* accepts a zeroed struct */

/* The next run reads this batch. Of a network for training or evaluation: the others have inputs of their own, which
 * pu_program_write fills. */
pu_status pu__network_bind(pu__network *network, const pu__staged *batch);

/* Dataset, device and freshly initialised parameters of a configuration. */
typedef struct pu__session {
    const pu_config *config; /* borrowed */
    pu_dataset *dataset;
    pu_device *device;
    pu_parameters *parameters;
    pu_model_dims dims;
    char folder[2048]; /* <run.out>/<run.name> */
} pu__session;

pu_status pu__session_open(const pu_config *config, pu__session *out);
void pu__session_close(pu__session *session); /* accepts a zeroed struct */

/* Elements of all parameters, without the padding between them. */
int64_t pu__parameter_elements(const pu_parameters *parameters);

/* "<folder>/<name>" into out[4096]. */
pu_status pu__session_path(const pu__session *session, const char *name, char *out);

/* Puts the values (and, where `moments`, the optimiser's state) of a checkpoint into the parameters, by name.
 * PU_ERR_CORRUPT or PU_ERR_CONFIG names
 * what does not fit. */
pu_status pu__session_restore(pu__session *session, int tensor_count, const pu_saved_tensor *tensors,
                              bool moments);

/* SHA-256 (hex) of everything that determines the trained bits: the configuration without paths, threads, device
 * and evaluation keys;
 * the data; the feature set. */
pu_status pu__session_identity(const pu__session *session, char out[65]);

/* The same of what gives a checkpoint's forecasts their meaning: features, windows, model, objective, latency. It
 * may be applied to other bars, other assets and other segments. */
pu_status pu__session_recipe(const pu__session *session, char out[65]);

#endif
