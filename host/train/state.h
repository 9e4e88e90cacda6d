/* What a training run knows of itself besides its parameters, and how it goes into and out of checkpoint/last. */
#ifndef PU_HOST_TRAIN_STATE_H
#define PU_HOST_TRAIN_STATE_H

#include "host/train/network.h"

/* Restoring this and the parameters is enough to go on bit for bit. */
typedef struct pu__train_state {
    int64_t step;     /* steps done */
    int64_t position; /* of the next window in the sampler's order */
    int64_t best_step;
    int64_t stale;    /* validations since the best */
    int64_t skipped;  /* updates refused because the gradient was not finite */
    int64_t finished; /* 1 when the run is over: all steps done, or patience spent */
    int64_t loss_count;
    double loss_sum; /* training losses since the last validation */
    double train_loss, valid_loss, best_valid_loss;
} pu__train_state;

pu_status pu__train_state_save(pu__session *session, const pu__train_state *state, const char *identity);
/* Only the parameters' values, as checkpoint/best. */
pu_status pu__train_best_save(pu__session *session, const pu__train_state *state, const char *identity);
/* PU_ERR_NOT_FOUND when there is no checkpoint/last; PU_ERR_CONFIG when it was made under another identity. */
pu_status pu__train_state_load(pu__session *session, const char *identity, pu__train_state *state);

/* train.jsonl: the text so far, rewritten whole and atomically with every line; one line per validation. */
typedef struct pu__train_log {
    char *text; /* pu_calloc memory */
    size_t used, capacity;
} pu__train_log;
/* What a line says besides the state: of this process, since it began to train. */
typedef struct pu__train_pace {
    double lr, gradient_norm;
    double seconds, windows_per_s;
    pu_loader_metrics loader;
} pu__train_pace;
pu_status pu__train_log_line(pu__session *session, pu__train_log *log, const pu__train_state *state,
                             const pu__train_pace *pace);
/* Loads the lines of steps that `state` includes. */
pu_status pu__train_log_load(pu__session *session, pu__train_log *log, const pu__train_state *state);

#endif
