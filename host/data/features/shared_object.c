#include "host/data/features/shared_object.h"

#include <dlfcn.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"
#include "host/data/store/digest.h"
#include "plusultra/memory.h"

enum { FILE_BYTES_MAX = 256 << 20 };

pu_status pu__object_path(const char *path, char *out) {
    if (!path || !*path) return pu_fail(PU_ERR_CONFIG, "the path of a plug-in is empty");
    if (sodium_init() < 0) return pu_fail(PU_ERR_UNSUPPORTED, "libsodium cannot be started");
    return realpath(path, out) ? PU_OK : pu_fail(PU_ERR_CONFIG, "plug-in %s: %s", path, strerror(errno));
}

pu_status pu__object_hash(const char *path, char out[65]) {
    char *data = NULL;
    size_t bytes = 0;
    const pu_status status = pu__file_read(path, FILE_BYTES_MAX, &data, &bytes);
    if (status == PU_ERR_MEMORY) return status;
    if (status != PU_OK) return pu_fail_within(PU_ERR_CONFIG, "plug-in");
    pu__digest(data, bytes, out);
    pu_free(data);
    return PU_OK;
}

pu_status pu__object_open(const char *path, const char *entry, void **object, void **symbol) {
    *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!*object) return pu_fail(PU_ERR_CONFIG, "plug-in %s cannot be loaded: %s", path, dlerror());
    *symbol = dlsym(*object, entry);
    if (*symbol) return PU_OK;
    dlclose(*object);
    *object = NULL;
    return pu_fail(PU_ERR_CONFIG, "plug-in %s exports no %s: see docs/plugins.md", path, entry);
}
