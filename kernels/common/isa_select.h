/* The instruction sets the CPU kernels are built for, and which one runs. */
#ifndef PU_KERNELS_COMMON_ISA_SELECT_H
#define PU_KERNELS_COMMON_ISA_SELECT_H

#ifdef __cplusplus
extern "C" {
#endif

typedef enum pu__isa { PU_ISA_BASE = 0, PU_ISA_AVX2, PU_ISA_AVX512, PU_ISA_COUNT } pu__isa;

/* The best set that this processor, this build and the limit allow. BASE is the compiler's default for the
 * architecture. */
pu__isa pu__isa_used(void);

/* Nothing above `most` is used from now on; PU_ISA_AVX512 lifts the limit. For tests and benchmarks. */
void pu__isa_limit(pu__isa most);

/* "base", "avx2", "avx512". */
const char *pu__isa_name(pu__isa isa);

#ifdef __cplusplus
}
#endif
#endif
