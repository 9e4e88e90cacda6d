#include "host/train/safetensors.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "plusultra/memory.h"

enum { PREFIX_BYTES = 8, HEADER_BYTES_MAX = 100 << 20, TENSORS_MAX = 1 << 20 };

static size_t element_bytes(pu_dtype dtype) { return dtype == PU_U64 ? 8 : 4; }
static const char *dtype_name(pu_dtype dtype) { return dtype == PU_U64 ? "U64" : "F32"; }

static size_t tensor_bytes(const pu_saved_tensor *tensor) {
    size_t count = 1;
    for (int i = 0; i < tensor->shape.rank; ++i) count *= (size_t)tensor->shape.dim[i];
    return count * element_bytes(tensor->dtype);
}

static json_t *header_of(int tensor_count, const pu_saved_tensor *tensors) {
    json_t *header = json_object();
    size_t offset = 0;
    for (int i = 0; i < tensor_count && header; ++i) {
        const pu_saved_tensor *t = &tensors[i];
        json_t *shape = json_array();
        for (int d = 0; d < t->shape.rank; ++d) json_array_append_new(shape, json_integer(t->shape.dim[d]));
        const size_t end = offset + tensor_bytes(t);
        json_t *entry = json_pack("{s:s, s:o, s:[I,I]}", "dtype", dtype_name(t->dtype), "shape", shape,
                                  "data_offsets", (json_int_t)offset, (json_int_t)end);
        if (!entry || json_object_set_new(header, t->name, entry) != 0) {
            json_decref(header);
            return NULL;
        }
        offset = end;
    }
    return header;
}

static pu_status check_names(int tensor_count, const pu_saved_tensor *tensors) {
    for (int i = 0; i < tensor_count; ++i) {
        if (tensors[i].name[0] == '\0') return pu_fail(PU_ERR_ARGUMENT, "tensor %d has no name", i);
        for (int j = 0; j < i; ++j) {
            if (strcmp(tensors[i].name, tensors[j].name) == 0) {
                return pu_fail(PU_ERR_ARGUMENT, "two tensors are named '%s'", tensors[i].name);
            }
        }
    }
    return PU_OK;
}

pu_status pu__safetensors_encode(int tensor_count, const pu_saved_tensor *tensors, char **bytes, size_t *size) {
    PU_TRY(check_names(tensor_count, tensors));
    json_t *header = header_of(tensor_count, tensors);
    char *text = header ? json_dumps(header, JSON_COMPACT) : NULL;
    json_decref(header);
    if (!text) return pu_fail(PU_ERR_MEMORY, "out of memory for the header of a checkpoint");
    const size_t length = strlen(text);
    const size_t padded = (length + 7) / 8 * 8; /* the data starts on an eight-byte boundary */
    size_t data = 0;
    for (int i = 0; i < tensor_count; ++i) data += tensor_bytes(&tensors[i]);
    char *block = pu_calloc(1, PREFIX_BYTES + padded + data);
    if (!block) {
        free(text);
        return PU_ERR_MEMORY;
    }
    for (int i = 0; i < PREFIX_BYTES; ++i) block[i] = (char)(padded >> (8 * i) & 0xff);
    memset(block + PREFIX_BYTES, ' ', padded);
    memcpy(block + PREFIX_BYTES, text, length);
    free(text);
    char *at = block + PREFIX_BYTES + padded;
    for (int i = 0; i < tensor_count; ++i) {
        const size_t part = tensor_bytes(&tensors[i]);
        if (part > 0) memcpy(at, tensors[i].data, part);
        at += part;
    }
    *bytes = block;
    *size = PREFIX_BYTES + padded + data;
    return PU_OK;
}

static pu_status corrupt(const char *source, const char *name, const char *why) {
    return pu_fail(PU_ERR_CORRUPT, "%s: tensor '%.100s': %s; the file is damaged, use another checkpoint", source,
                   name, why);
}

static bool read_shape(const json_t *shape, pu_saved_tensor *out, size_t limit) {
    if (!json_is_array(shape) || json_array_size(shape) > PU_MAX_RANK) return false;
    out->shape.rank = (int)json_array_size(shape);
    size_t count = element_bytes(out->dtype);
    for (int i = 0; i < out->shape.rank; ++i) {
        const json_t *dim = json_array_get(shape, (size_t)i);
        if (!json_is_integer(dim) || json_integer_value(dim) < 0) return false;
        out->shape.dim[i] = json_integer_value(dim);
        if (__builtin_mul_overflow(count, (size_t)out->shape.dim[i], &count) || count > limit) return false;
    }
    return true;
}

/* One header entry; `begin` receives where its data starts. */
static pu_status read_entry(const char *source, const char *name, const json_t *entry, const char *data,
                            size_t data_bytes, pu_saved_tensor *out, size_t *begin) {
    const size_t length = strlen(name);
    if (length == 0 || length >= sizeof out->name) return corrupt(source, name, "its name is empty or too long");
    memcpy(out->name, name, length + 1);
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    if (!dtype || (strcmp(dtype, "F32") != 0 && strcmp(dtype, "U64") != 0))
        return corrupt(source, name, "its type is not F32 or U64");
    out->dtype = strcmp(dtype, "U64") == 0 ? PU_U64 : PU_F32;
    if (!read_shape(json_object_get(entry, "shape"), out, data_bytes))
        return corrupt(source, name, "its shape is invalid");
    const json_t *offsets = json_object_get(entry, "data_offsets");
    const json_t *from = json_array_get(offsets, 0), *to = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(from) || !json_is_integer(to)) {
        return corrupt(source, name, "its offsets are not two numbers");
    }
    const json_int_t first = json_integer_value(from), last = json_integer_value(to);
    if (first < 0 || last < first || (uint64_t)last > data_bytes)
        return corrupt(source, name, "its offsets lie outside the file");
    if ((size_t)(last - first) != tensor_bytes(out))
        return corrupt(source, name, "its offsets do not match its shape");
    out->data = pu_calloc(1, (size_t)(last - first));
    if (!out->data) return PU_ERR_MEMORY;
    if (last > first) memcpy(out->data, data + first, (size_t)(last - first));
    *begin = (size_t)first;
    return PU_OK;
}

typedef struct extent {
    size_t begin, end;
} extent;

static int by_begin(const void *a, const void *b) {
    const extent *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

static pu_status check_cover(const char *source, extent *extents, size_t count, size_t data_bytes) {
    qsort(extents, count, sizeof *extents, by_begin);
    size_t at = 0;
    for (size_t i = 0; i < count; ++i) {
        if (extents[i].begin != at)
            return pu_fail(PU_ERR_CORRUPT, "%s: tensors overlap or leave a hole at byte %zu", source, at);
        at = extents[i].end;
    }
    return at == data_bytes
               ? PU_OK
               : pu_fail(PU_ERR_CORRUPT, "%s: %zu bytes of data belong to no tensor", source, data_bytes - at);
}

static pu_status read_entries(json_t *header, const char *source, const char *data, size_t data_bytes,
                              int *tensor_count, pu_saved_tensor **tensors) {
    const size_t entries = json_object_size(header);
    if (entries > TENSORS_MAX) return pu_fail(PU_ERR_CORRUPT, "%s: %zu tensors are too many", source, entries);
    pu_saved_tensor *list = pu_calloc(entries + 1, sizeof *list);
    extent *extents = pu_calloc(entries + 1, sizeof *extents);
    pu_status status = list && extents ? PU_OK : PU_ERR_MEMORY;
    int count = 0;
    const char *name;
    json_t *entry;
    json_object_foreach(header, name, entry) {
        if (status != PU_OK) break;
        if (strcmp(name, "__metadata__") == 0) continue;
        size_t begin = 0;
        status = read_entry(source, name, entry, data, data_bytes, &list[count], &begin);
        if (status == PU_OK) extents[count] = (extent){begin, begin + tensor_bytes(&list[count])};
        ++count; /* also when it failed: its data, if any, is freed with the list */
    }
    if (status == PU_OK) status = check_cover(source, extents, (size_t)count, data_bytes);
    pu_free(extents);
    if (status != PU_OK) {
        pu_checkpoint_free(list ? count : 0, list, NULL);
        return status;
    }
    *tensor_count = count;
    *tensors = list;
    return PU_OK;
}

pu_status pu__safetensors_decode(const char *bytes, size_t size, const char *source, int *tensor_count,
                                 pu_saved_tensor **tensors) {
    *tensor_count = 0;
    *tensors = NULL;
    if (size < PREFIX_BYTES)
        return pu_fail(PU_ERR_CORRUPT, "%s: %zu bytes are too few for a safetensors file", source, size);
    uint64_t length = 0;
    for (int i = 0; i < PREFIX_BYTES; ++i) length |= (uint64_t)(unsigned char)bytes[i] << (8 * i);
    if (length > HEADER_BYTES_MAX || length > size - PREFIX_BYTES) {
        return pu_fail(PU_ERR_CORRUPT, "%s: the header claims %llu bytes, the file has %zu", source,
                       (unsigned long long)length, size);
    }
    json_error_t error;
    json_t *header = json_loadb(bytes + PREFIX_BYTES, (size_t)length, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(header)) {
        const bool parsed = header != NULL;
        json_decref(header);
        return pu_fail(PU_ERR_CORRUPT, "%s: the header is not a JSON object: %s", source,
                       parsed ? "it is another value" : error.text);
    }
    const size_t start = PREFIX_BYTES + (size_t)length;
    const pu_status status = read_entries(header, source, bytes + start, size - start, tensor_count, tensors);
    json_decref(header);
    return status;
}
