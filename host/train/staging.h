/* The batches of a loader on a device, in order, ahead of the step that uses them.
 *
 * Where the host's memory is the device's, a batch is used where it lies in the loader's ring, and nothing is copied.
 * Elsewhere there are windows.device_slots buffers on the device, and batch k goes to slot s = k % slots:
 *
 *     copy stream:     wait for used[s]        upload batch k     record uploaded[s]
 *     compute stream:  wait for uploaded[s]    step k             record used[s]
 *
 * so that with two slots batch k + 1 travels while step k computes. */
#ifndef PU_HOST_TRAIN_STAGING_H
#define PU_HOST_TRAIN_STAGING_H

#include "plusultra/windows.h"

typedef struct pu__staging pu__staging;

/* Allocates the slots, each as large as one batch of `config` over `dataset`. The device outlives the staging. */
pu_status pu__staging_open(pu_device *device, const pu_dataset *dataset, const pu_config *config,
                           pu__staging **out);
void pu__staging_close(pu__staging *staging); /* accepts null; not between start and stop */

/* Takes its batches from this loader, from the next one on, until pu__staging_stop. */
void pu__staging_start(pu__staging *staging, pu_loader *loader);
/* Waits for the device and gives the loader its slots back; what was uploaded and not used is lost. */
void pu__staging_stop(pu__staging *staging); /* accepts null, and a staging that was not started */

/* A batch where the device reads it. `host` is the same in the ring, and stays valid until pu__staging_done. */
typedef struct pu__staged {
    void *bars, *start, *targets, *weights;
    pu_batch host; /* host.windows is 0 at the end */
} pu__staged;

/* The next batch; what is enqueued on the compute stream from now on finds it there. Up to windows.device_slots of them
 * (one where nothing is copied) may be taken before the steps that read them are enqueued. Each is followed by its
 * pu__staging_done, in the same order. Errors of the readers surface here, after the batches before them. */
pu_status pu__staging_next(pu__staging *staging, pu__staged *out);

/* The step that reads the oldest batch taken is enqueued. Starts the uploads of the batches behind it that are ready.
 */
pu_status pu__staging_done(pu__staging *staging);

/* Device memory of the slots; 0 where there are none. */
int64_t pu__staging_bytes(const pu_device *device, const pu_dataset *dataset, const pu_config *config);

#endif
