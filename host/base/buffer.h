/* A growing text: append, then take the bytes. A failed allocation is remembered, so that a writer checks once, at
 * the end. */
#ifndef PU_HOST_BASE_BUFFER_H
#define PU_HOST_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct pu__buffer {
    char *data; /* pu_calloc memory, a zero byte behind the text; null while empty */
    size_t used, capacity;
    bool failed; /* memory was short: appending does nothing from then on */
} pu__buffer;

void pu__buffer_add(pu__buffer *buffer, const char *bytes, size_t count);
void pu__buffer_printf(pu__buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The text, which the caller frees with pu_free; the buffer is empty again. Null (with pu_error_message set) when
 * memory was short. */
char *pu__buffer_take(pu__buffer *buffer);

#endif
