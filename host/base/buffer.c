#include "host/base/buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "plusultra/memory.h"

enum { CAPACITY_MIN = 256 };

/* Room for `count` more bytes and the zero byte; doubling keeps a text of n bytes at O(n) copies. */
static bool reserve(pu__buffer *buffer, size_t count) {
    if (buffer->failed) return false;
    if (count < buffer->capacity - buffer->used) return true;
    size_t capacity = buffer->capacity ? buffer->capacity : CAPACITY_MIN;
    while (capacity - buffer->used <= count && capacity <= SIZE_MAX / 2) capacity *= 2;
    char *grown = capacity - buffer->used > count ? pu_regrow(buffer->data, buffer->capacity, capacity) : NULL;
    if (!grown) {
        buffer->failed = true;
        return false;
    }
    buffer->data = grown;
    buffer->capacity = capacity;
    return true;
}

void pu__buffer_add(pu__buffer *buffer, const char *bytes, size_t count) {
    if (!reserve(buffer, count)) return;
    memcpy(buffer->data + buffer->used, bytes, count);
    buffer->used += count;
}

void pu__buffer_printf(pu__buffer *buffer, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    const int length = vsnprintf(NULL, 0, format, arguments);
    if (length < 0) {
        buffer->failed = true;
    } else if (reserve(buffer, (size_t)length)) {
        vsnprintf(buffer->data + buffer->used, (size_t)length + 1, format, again);
        buffer->used += (size_t)length;
    }
    va_end(again);
    va_end(arguments);
}

char *pu__buffer_take(pu__buffer *buffer) {
    char *text = NULL;
    if (reserve(buffer, 0)) {
        buffer->data[buffer->used] = '\0';
        text = buffer->data;
    } else {
        pu_free(buffer->data);
    }
    *buffer = (pu__buffer){0};
    return text;
}
