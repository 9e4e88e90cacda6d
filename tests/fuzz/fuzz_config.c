/* The YAML reader: any text, and behind a zero byte an override. What is accepted must survive being written and
 * read back. */
#include <stdlib.h>
#include <string.h>

#include "plusultra/config.h"
#include "plusultra/memory.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    const size_t length = zero ? (size_t)(zero - data) : size;
    char *override = calloc(1, size - length + 1);
    if (!override) return 0;
    if (zero) memcpy(override, zero + 1, size - length - 1);
    const char *const overrides[] = {override};
    pu_config *config = NULL, *again = NULL;
    if (pu_config_parse((const char *)data, (int64_t)length, "input", zero != NULL, overrides, &config) == PU_OK) {
        char *first = pu_config_text(config);
        if (!first || pu_config_parse(first, (int64_t)strlen(first), "text", 0, NULL, &again) != PU_OK) abort();
        char *second = pu_config_text(again);
        if (!second || strcmp(first, second) != 0) abort();
        pu_free(first);
        pu_free(second);
    }
    pu_config_free(config);
    pu_config_free(again);
    free(override);
    return 0;
}
