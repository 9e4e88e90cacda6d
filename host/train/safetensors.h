/* The safetensors format: eight bytes of header length (little endian), a JSON header, the data.
 * Source: the format section of the safetensors project's README. The reader trusts nothing: every length and
 * offset is checked before
 * it is used, tensors must cover the data without holes or overlap, names are unique. */
#ifndef PU_HOST_TRAIN_SAFETENSORS_H
#define PU_HOST_TRAIN_SAFETENSORS_H

#include "plusultra/train.h"

/* Serialises into one pu_calloc block that the caller frees. PU_ERR_ARGUMENT for duplicate or empty names. */
pu_status pu__safetensors_encode(int tensor_count, const pu_saved_tensor *tensors, char **bytes, size_t *size);

/* Parses; *tensors is one pu_calloc array, each `data` its own pu_calloc block (pu_checkpoint_free frees both).
 * `source` names the file in
 * messages. PU_ERR_CORRUPT says which check failed. Only F32 and U64 are accepted. */
pu_status pu__safetensors_decode(const char *bytes, size_t size, const char *source, int *tensor_count,
                                 pu_saved_tensor **tensors);

#endif
