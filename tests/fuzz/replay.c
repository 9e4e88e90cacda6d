/* Feeds every file of a folder to a fuzz target, and truncations of the small ones, every one or evenly spread: no
 * fuzzer is needed. */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"

enum { PATH_BYTES = 4096, TRUNCATED_BYTES_MAX = 2048, TRUNCATIONS_MAX = 128 };

/* The input in a block of its exact size, so that a sanitizer sees the first byte read behind it. */
static int feed(const unsigned char *data, size_t size) {
    unsigned char *exact = malloc(size ? size : 1);
    if (!exact) return 1;
    for (size_t i = 0; i < size; ++i) exact[i] = data[i];
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    return 0;
}

static int replay(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return 1;
    }
    unsigned char *data = NULL;
    size_t size = 0, got = 0;
    char part[4096];
    int failed = 0;
    while ((got = fread(part, 1, sizeof part, file)) > 0 && !failed) {
        unsigned char *grown = realloc(data, size + got);
        failed = !grown;
        if (!grown) break;
        data = grown;
        for (size_t i = 0; i < got; ++i) data[size + i] = (unsigned char)part[i];
        size += got;
    }
    failed |= ferror(file);
    fclose(file);
    if (!failed) failed = feed(data, size);
    const size_t step = 1 + size / TRUNCATIONS_MAX;
    for (size_t cut = 0; cut < size && size <= TRUNCATED_BYTES_MAX && !failed; cut += step)
        failed = feed(data, cut);
    free(data);
    return failed;
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    struct dirent **entries = NULL;
    const int count = scandir(argv[1], &entries, NULL, alphasort);
    int replayed = 0, failed = count < 0;
    for (int i = 0; i < count; ++i) {
        char path[PATH_BYTES];
        snprintf(path, sizeof path, "%s/%s", argv[1], entries[i]->d_name);
        if (entries[i]->d_name[0] != '.') {
            failed |= replay(path);
            replayed += 1;
        }
        free(entries[i]);
    }
    free(entries);
    printf("%d inputs replayed\n", replayed);
    return failed || replayed == 0;
}
