/* validation.html: the page of host/data/validate/validation.html with the results put in. */
#include <time.h>

#include "host/data/validate/results.h"
#include "host/page/page.h"

extern const char pu__validation_page[];

pu_status pu_validation_page(const pu_validation *validation, const char *title, const char *path) {
    char created[32];
    pu_time_format((int64_t)time(NULL), true, created);
    json_t *data = pu__validation_json(validation, true);
    if (!data) return pu_fail(PU_ERR_MEMORY, "out of memory for %s", path);
    json_object_set_new(data, "title", json_string(title));
    json_object_set_new(data, "version", json_string(PU_VERSION));
    json_object_set_new(data, "created", json_string(created));
    const pu_status status = pu__page_write(path, pu__validation_page, data);
    json_decref(data);
    return status;
}
