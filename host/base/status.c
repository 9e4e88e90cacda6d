#include "plusultra/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_BYTES = 2048 };
static _Thread_local char message[MESSAGE_BYTES];

pu_status pu_fail(pu_status code, const char *format, ...) {
    char text[MESSAGE_BYTES]; /* the arguments may point into the old message */
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    memcpy(message, text, sizeof text);
    return code;
}

pu_status pu_fail_within(pu_status code, const char *format, ...) {
    char context[MESSAGE_BYTES / 2];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(context, sizeof context, format, arguments);
    va_end(arguments);
    char text[MESSAGE_BYTES];
    const int used = snprintf(text, sizeof text, "%s: ", context);
    const size_t room = sizeof text - (size_t)used - 1;
    size_t length = strlen(message);
    if (length > room) length = room;
    memcpy(text + used, message, length);
    text[(size_t)used + length] = '\0';
    memcpy(message, text, sizeof text);
    return code;
}

const char *pu_error_message(void) { return message; }

const char *pu_status_name(pu_status status) {
    static const char *const name[] = {"ok",      "argument", "config", "data",        "io",        "store",
                                       "corrupt", "memory",   "device", "unsupported", "not_found", "interrupted"};
    const size_t count = sizeof name / sizeof name[0];
    return (size_t)status < count ? name[status] : "unknown";
}
