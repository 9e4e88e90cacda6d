#include "plusultra/log.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 8192, ENDING_BYTES = 4, FIELD_BYTES = 32, BAR_CELLS = 24 };

static pu_log_level lowest_level = PU_LOG_INFO;
static pu_log_format line_format = PU_LOG_HUMAN;
static bool progress_silent;
static volatile sig_atomic_t interrupt_seen;

void pu_log_setup(pu_log_level lowest, pu_log_format format) {
    lowest_level = lowest;
    line_format = format;
}

double pu_clock_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static bool colour_wanted(void) {
    const char *no_colour = getenv("NO_COLOR");
    return isatty(STDERR_FILENO) && !(no_colour && *no_colour);
}

/* Writes everything or gives up: a log line that cannot be written has nowhere else to go. */
static void write_line(const char *line, size_t length) {
    while (length > 0) {
        const ssize_t written = write(STDERR_FILENO, line, length);
        if (written <= 0) return;
        line += written;
        length -= (size_t)written;
    }
}

/* JSON string escapes; for people, control characters become spaces so that data cannot steer the terminal. */
static size_t append_escaped(char *line, size_t used, size_t capacity, const char *text, bool json) {
    for (; *text && used + 8 < capacity; ++text) {
        const unsigned char c = (unsigned char)*text;
        if (json && (c == '"' || c == '\\')) {
            line[used++] = '\\';
            line[used++] = (char)c;
        } else if (json && c < 0x20) {
            used += (size_t)snprintf(line + used, capacity - used, "\\u%04x", c);
        } else {
            line[used++] = (c < 0x20 && c != '\n') || c == 0x7f ? ' ' : (char)c;
        }
    }
    return used;
}

static size_t begin_line(char *line, size_t capacity, pu_log_level level, const char *event) {
    static const char *const word[] = {"debug", "info", "warning", "error"};
    static const char *const colour[] = {"\033[2m", "", "\033[33m", "\033[31m"};
    if (line_format == PU_LOG_JSON) {
        struct timeval now;
        gettimeofday(&now, NULL);
        return (size_t)snprintf(line, capacity,
                                "{\"ts\":%lld.%03ld,\"level\":\"%s\",\"event\":\"%s\",\"message\":\"",
                                (long long)now.tv_sec, (long)now.tv_usec / 1000, word[level], event);
    }
    if (level == PU_LOG_INFO) return 0;
    return (size_t)snprintf(line, capacity, "%s%s:%s ", colour_wanted() ? colour[level] : "", word[level],
                            colour_wanted() ? "\033[0m" : "");
}

static void write_event(pu_log_level level, const char *event, int count, const pu_log_field *fields,
                        const char *text) {
    const bool json = line_format == PU_LOG_JSON;
    char line[LINE_BYTES];
    size_t used = begin_line(line, sizeof line, level, event);
    used = append_escaped(line, used, sizeof line - ENDING_BYTES, text, json);
    for (int i = 0; json && i < count && used + strlen(fields[i].name) + FIELD_BYTES < sizeof line; ++i) {
        used += (size_t)snprintf(line + used, sizeof line - used, "\",\"%s\":\"", fields[i].name);
        used = append_escaped(line, used, sizeof line - ENDING_BYTES, fields[i].value, true);
    }
    used += (size_t)snprintf(line + used, sizeof line - used, json ? "\"}\n" : "\n");
    write_line(line, used);
}

void pu_log(pu_log_level level, const char *event, const char *format, ...) {
    if (level < lowest_level) return;
    char text[LINE_BYTES / 2];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    write_event(level, event, 0, NULL, text);
}

void pu_log_fields(pu_log_level level, const char *event, int count, const pu_log_field *fields,
                   const char *format, ...) {
    if (level < lowest_level) return;
    char text[LINE_BYTES / 2];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    write_event(level, event, count, fields, text);
}

void pu_progress_silence(bool silent) { progress_silent = silent; }

void pu_progress_begin(pu_progress *progress, const char *label, const char *unit, int64_t total) {
    *progress = (pu_progress){.label = label, .unit = unit, .total = total};
    progress->started_s = pu_clock_s();
    progress->drawn_s = progress->started_s;
    progress->terminal = isatty(STDERR_FILENO) && line_format == PU_LOG_HUMAN;
    progress->quiet = progress_silent;
}

static void format_seconds(double seconds, char *out, size_t capacity) {
    const long s = seconds > 0 ? (long)(seconds + 0.5) : 0;
    if (s < 60) snprintf(out, capacity, "%lds", s);
    else if (s < 3600) snprintf(out, capacity, "%ldm%02lds", s / 60, s % 60);
    else snprintf(out, capacity, "%ldh%02ldm", s / 3600, s / 60 % 60);
}

static void draw(pu_progress *progress, const char *note, bool last) {
    const double elapsed = pu_clock_s() - progress->started_s;
    const double rate = elapsed > 0 ? (double)progress->done / elapsed : 0;
    char time_text[32], line[1024], bar[BAR_CELLS + 1] = "";
    const bool known = progress->total > 0;
    const double share = known ? (double)progress->done / (double)progress->total : 0;
    format_seconds(last || rate <= 0 || !known ? elapsed : (double)(progress->total - progress->done) / rate,
                   time_text, sizeof time_text);
    for (int i = 0; i < BAR_CELLS; ++i) bar[i] = (double)i < share * BAR_CELLS ? '#' : '.';
    int used = snprintf(line, sizeof line, "%s%s ", progress->terminal ? "\r\033[K" : "", progress->label);
    if (known && progress->terminal) used += snprintf(line + used, sizeof line - (size_t)used, "[%s] ", bar);
    if (known) used += snprintf(line + used, sizeof line - (size_t)used, "%3.0f%% ", 100 * share);
    used += snprintf(line + used, sizeof line - (size_t)used, "%lld %s, %.3g %s/s, %s %s%s%.400s",
                     (long long)progress->done, progress->unit, rate, progress->unit,
                     last || !known ? "took" : "left", time_text, note ? ", " : "", note ? note : "");
    if (used > (int)sizeof line - 2) used = (int)sizeof line - 2;
    if (last || !progress->terminal) line[used++] = '\n';
    write_line(line, (size_t)used);
    progress->drawn_s = pu_clock_s();
}

void pu_progress_update(pu_progress *progress, int64_t done, const char *note) {
    progress->done = done;
    if (progress->quiet) return;
    const double pause_s = progress->terminal ? 0.1 : 10.0;
    if (pu_clock_s() - progress->drawn_s >= pause_s) draw(progress, note, false);
}

void pu_progress_end(pu_progress *progress, const char *note) {
    if (!progress->quiet) draw(progress, note, true);
}

static void on_interrupt(int signal_number) {
    (void)signal_number;
    interrupt_seen = 1;
}

void pu_interrupt_install(void) {
    struct sigaction action = {.sa_handler = on_interrupt};
    sigemptyset(&action.sa_mask);
    action.sa_flags = (int)SA_RESETHAND; /* a second signal ends the process the usual way */
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool pu_interrupted(void) { return interrupt_seen != 0; }
