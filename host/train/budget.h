/* What a training run takes of the memory, before it takes it. */
#ifndef PU_HOST_TRAIN_BUDGET_H
#define PU_HOST_TRAIN_BUDGET_H

#include "host/train/network.h"

/* Logs the plan: parameters, activations, workspace, inputs, device slots, rings, readers, cache. PU_ERR_MEMORY, with
 * what to change, when what is not allocated yet does not fit what is free: the rings, the readers and the cache into
 * the host's memory, the slots into the device's. */
pu_status pu__budget_announce(const pu__session *session, const pu__network *train, const pu__network *evaluate);

#endif
