#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "plusultra/import.h"
#include "plusultra/memory.h"

const char *pu_import_layout_name(pu_import_layout layout) {
    static const char *const names[] = {"auto", "yahoo", "stooq", "binance", "generic", "sqlite"};
    return names[layout];
}

typedef struct path_list {
    char **path;
    size_t count, capacity;
} path_list;

static void free_paths(path_list *list) {
    for (size_t i = 0; i < list->count; ++i) pu_free(list->path[i]);
    pu_free(list->path);
}

/* NAME.csv, NAME.txt, and these with .gz behind. */
static bool is_table(const char *name) {
    static const char *const endings[] = {".csv", ".txt"};
    size_t length = strlen(name);
    if (length > 3 && strcasecmp(name + length - 3, ".gz") == 0) length -= 3;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; ++i) {
        if (length > 4 && strncasecmp(name + length - 4, endings[i], 4) == 0) return true;
    }
    return false;
}

static pu_status add_path(path_list *list, const char *folder, const char *name) {
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return pu_fail(PU_ERR_ARGUMENT, "path too long: %.200s", name);
    if (list->count == list->capacity) {
        const size_t capacity = list->capacity ? 2 * list->capacity : 16;
        char **grown = list->path ? pu_regrow(list->path, list->capacity * sizeof *grown, capacity * sizeof *grown)
                                  : pu_calloc(capacity, sizeof *grown);
        if (!grown) return PU_ERR_MEMORY;
        list->path = grown;
        list->capacity = capacity;
    }
    list->path[list->count] = pu_strdup(path);
    return list->path[list->count++] ? PU_OK : PU_ERR_MEMORY;
}

static int compare_paths(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static pu_status list_folder(const char *folder, path_list *list) {
    DIR *entries = opendir(folder);
    if (!entries) return pu_fail(PU_ERR_IO, "cannot list %s: %s", folder, strerror(errno));
    pu_status status = PU_OK;
    while (status == PU_OK) {
        errno = 0;
        const struct dirent *entry = readdir(entries);
        if (!entry) {
            if (errno != 0) status = pu_fail(PU_ERR_IO, "cannot list %s: %s", folder, strerror(errno));
            break;
        }
        if (is_table(entry->d_name)) status = add_path(list, folder, entry->d_name);
    }
    closedir(entries);
    PU_TRY(status);
    if (list->count == 0) return pu_fail(PU_ERR_NOT_FOUND, "%s holds no .csv, .txt or .gz file", folder);
    qsort(list->path, list->count, sizeof *list->path, compare_paths);
    return PU_OK;
}

static pu_status import_listed(pu_store *store, const path_list *list, const pu_import_options *options,
                               pu_import_report report, void *context) {
    pu_status first = PU_OK;
    char message[1024] = "";
    size_t failed = 0;
    pu_import_result *result = pu_calloc(1, sizeof *result);
    if (!result) return PU_ERR_MEMORY;
    for (size_t i = 0; i < list->count; ++i) {
        const pu_status status = pu_import_file(store, list->path[i], options, result);
        if (report) report(context, list->path[i], status, result);
        if (status == PU_OK) continue;
        ++failed;
        if (first == PU_OK) {
            first = status;
            snprintf(message, sizeof message, "%s", pu_error_message());
        }
        if (status == PU_ERR_INTERRUPTED) break;
    }
    pu_free(result);
    if (first == PU_OK) return PU_OK;
    return list->count == 1
               ? pu_fail(first, "%s", message)
               : pu_fail(first, "%zu of %zu files failed; the first: %s", failed, list->count, message);
}

pu_status pu_import_path(pu_store *store, const char *path, const pu_import_options *options,
                         pu_import_report report, void *context) {
    struct stat info;
    path_list list = {0};
    if (stat(path, &info) != 0)
        return pu_fail(errno == ENOENT ? PU_ERR_NOT_FOUND : PU_ERR_IO, "cannot open %s: %s", path,
                       strerror(errno));
    pu_status status = PU_OK;
    if (S_ISDIR(info.st_mode)) {
        status = options && options->symbol
                     ? pu_fail(PU_ERR_ARGUMENT, "one symbol cannot name all files of the folder %s", path)
                     : list_folder(path, &list);
    } else {
        list.path = pu_calloc(1, sizeof *list.path);
        status = list.path && (list.path[0] = pu_strdup(path)) ? PU_OK : PU_ERR_MEMORY;
        list.count = list.path ? 1 : 0;
        list.capacity = 1;
    }
    if (status == PU_OK) status = import_listed(store, &list, options, report, context);
    free_paths(&list);
    return status;
}
