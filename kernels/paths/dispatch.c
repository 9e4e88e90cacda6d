/* Picks the build of pu__paths_cpu for the instruction set in use (kernels/common/isa.h). */
#include "kernels/common/isa_select.h"
#include "kernels/paths/paths.h"

#ifdef PU__ISA_VARIANTS
#define PU__PATHS_OF(isa)                                                                         \
    pu_status pu__paths_cpu_##isa(const pu__path_scenario *scenario, const pu__path_batch *batch, \
                                  struct pu_pool *pool);
PU__PATHS_OF(base)
PU__PATHS_OF(avx2)
PU__PATHS_OF(avx512)
pu_status pu__paths_cpu(const pu__path_scenario *scenario, const pu__path_batch *batch, struct pu_pool *pool) {
    switch (pu__isa_used()) {
    case PU_ISA_AVX512: return pu__paths_cpu_avx512(scenario, batch, pool);
    case PU_ISA_AVX2: return pu__paths_cpu_avx2(scenario, batch, pool);
    default: return pu__paths_cpu_base(scenario, batch, pool);
    }
}
#endif
