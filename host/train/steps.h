/* Training steps on their way through the device: what each is told, and what it gave.
 *
 * One launch runs up to steps_per_launch steps. What they are told (seed and step, schedule) goes up in one copy before
 * it; what they gave (loss, statistics) comes down by copies inside it. Launch n uses half n % 2 of both:
 *
 *     host:     wait for launch n - 2, read what it gave; write what n is told
 *     stream:   copy of what n is told    the steps of n    record finished[n % 2]
 *
 * so that whenever the host waits, a whole launch is still queued behind the one it waits for: the device never waits
 * for the host. */
#ifndef PU_HOST_TRAIN_STEPS_H
#define PU_HOST_TRAIN_STEPS_H

#include "host/train/network.h"

typedef struct pu__steps pu__steps;

typedef struct pu__step_told {
    uint64_t clock[2]; /* seed, step */
    float hyper[8];    /* of pu_adamw */
} pu__step_told;

typedef struct pu__step_gave {
    int64_t step; /* clock[1] of what it was told */
    float loss;
    float stats[4]; /* of pu_adamw */
} pu__step_gave;

/* How many steps of a configuration go into one launch: train.steps_per_launch, or by itself half of the device's
 * slots; one where the device is the host. PU_ERR_CONFIG when there are fewer slots than that. */
pu_status pu__steps_per_launch(const pu_device *device, const pu_config *config, int *out);

/* The network is borrowed. */
pu_status pu__steps_open(pu_device *device, pu__network *network, int per_launch, pu__steps **out);
void pu__steps_close(pu__steps *steps); /* accepts null; the device is idle */

/* Adds a step to the next launch. Before the first of a launch: pu__steps_wait(steps, 1), and all results read. */
pu_status pu__steps_add(pu__steps *steps, const pu__staged *batch, const pu__step_told *told);
pu_status pu__steps_launch(pu__steps *steps);

/* Waits until at most `behind` launches, 0 or 1, are not finished. */
pu_status pu__steps_wait(pu__steps *steps, int behind);
/* What the next step of a launch that was waited for gave, in order; false when there is none left. */
bool pu__steps_result(pu__steps *steps, pu__step_gave *out);

#endif
