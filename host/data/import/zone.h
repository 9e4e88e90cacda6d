/* Clock times of a place to UTC. The C library's own conversion goes by one zone for the whole process; this reads
 * the same database (TZif, RFC 8536) without any state, so that threads may have different zones. */
#ifndef PU_HOST_DATA_IMPORT_ZONE_H
#define PU_HOST_DATA_IMPORT_ZONE_H

#include <stdbool.h>
#include <stdint.h>

#include "plusultra/memory.h"

typedef struct pu__zone pu__zone;

/* "UTC", "+02:00", or a name of the time zone database, such as "America/New_York", which is looked up in
 * /usr/share/zoneinfo. The zone lives as long as the arena. PU_ERR_CONFIG says what is wrong with the name;
 * PU_ERR_NOT_FOUND. */
pu_status pu__zone_open(pu_arena *arena, const char *name, pu__zone **out);

typedef enum pu__zone_found { PU__ZONE_ONE = 0, PU__ZONE_NEVER, PU__ZONE_TWICE } pu__zone_found;

/* Seconds of the local clock (as if it were UTC) to UTC seconds. When clocks are put forward an hour never is, and when
 * they are put back an hour is twice: *ts is not set then. */
pu__zone_found pu__zone_to_utc(const pu__zone *zone, int64_t local_s, int64_t *ts);

#endif
