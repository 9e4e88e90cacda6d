/* The device side of the emulated CUDA runtime: what a kernel (.cu) sees when the host's C++ compiler compiles
 * it. Only C++. */
#ifndef PU_EMULATED_DEVICE_H
#define PU_EMULATED_DEVICE_H

#include <math.h>
#include <string.h>

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

#include "device_entry.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
/* For what stands for hardware, not for a thread: no access of it is checked. */
#define PU__EMULATOR_ONLY __attribute__((no_sanitize("thread", "address", "undefined")))
#define __align__(bytes) alignas(bytes)
/* Function-local statics of .cu files are gathered by shared.ld, and filled with NaN before each block. */
#define __shared__ static

#define PU_DYNAMIC_SHARED(type, name) \
    type *const name = static_cast<type *>(pu__emulated_dynamic_shared(alignof(type)))
#define PU_LAUNCH(kernel, grid, block, shared_bytes, stream, ...) \
    pu__emulated_launch(#kernel, kernel, dim3(grid), dim3(block), shared_bytes, stream, ##__VA_ARGS__)

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned vx = 1, unsigned vy = 1, unsigned vz = 1) : x(vx), y(vy), z(vz) {}
    constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
    operator uint3() const { return uint3{x, y, z}; }
};

/* Vectors check where they are read from and written to: a compiler may do either in four pieces, for which any
 * address will do, or take the alignment for granted. */
static inline void pu__emulated_vector_at(const void *address, uintptr_t alignment) {
    asm volatile("" : "+r"(address)); /* forget what its type promises */
    if (reinterpret_cast<uintptr_t>(address) % alignment)
        pu__emulated_misaligned(address, static_cast<int>(alignment));
}
#define PU__EMULATED_VECTOR(name)                     \
    name() = default;                                 \
    name(const name &from) {                          \
        pu__emulated_vector_at(&from, alignof(name)); \
        copy(from);                                   \
    }                                                 \
    name &operator=(const name &from) {               \
        pu__emulated_vector_at(&from, alignof(name)); \
        pu__emulated_vector_at(this, alignof(name));  \
        copy(from);                                   \
        return *this;                                 \
    }
#define PU__EMULATED_VECTOR2(name, T)                           \
    struct alignas(2 * sizeof(T)) name {                        \
        T x, y;                                                 \
        constexpr name(T vx, T vy) : x(vx), y(vy) {}            \
        void copy(const name &from) { x = from.x, y = from.y; } \
        PU__EMULATED_VECTOR(name)                               \
    };
#define PU__EMULATED_VECTOR4(name, T)                                                   \
    struct alignas(4 * sizeof(T)) name {                                                \
        T x, y, z, w;                                                                   \
        constexpr name(T vx, T vy, T vz, T vw) : x(vx), y(vy), z(vz), w(vw) {}          \
        void copy(const name &from) { x = from.x, y = from.y, z = from.z, w = from.w; } \
        PU__EMULATED_VECTOR(name)                                                       \
    };
PU__EMULATED_VECTOR2(float2, float)
PU__EMULATED_VECTOR2(int2, int)
PU__EMULATED_VECTOR4(float4, float)
PU__EMULATED_VECTOR4(int4, int)
#undef PU__EMULATED_VECTOR
#undef PU__EMULATED_VECTOR2
#undef PU__EMULATED_VECTOR4
static inline int2 make_int2(int x, int y) { return int2(x, y); }
static inline float2 make_float2(float x, float y) { return float2(x, y); }
static inline int4 make_int4(int x, int y, int z, int w) { return int4(x, y, z, w); }
static inline float4 make_float4(float x, float y, float z, float w) { return float4(x, y, z, w); }

/* ---- the running thread ---- */

#define threadIdx (static_cast<const uint3 &>(pu__emulated_thread))
#define blockIdx (static_cast<const uint3 &>(pu__emulated_block))
#define blockDim (static_cast<const uint3 &>(pu__emulated_block_dim))
#define gridDim (static_cast<const uint3 &>(pu__emulated_grid_dim))
static constexpr int warpSize = 32;

/* ---- launches ---- */

/* Of one file alone: two files may have argument types of one name, and of two functions of one name in a program the
 * linker keeps one. For the same reason nothing here is made of std::tuple. */
namespace {
template <class... Values> struct pu__emulated_arguments {};
template <class First, class... Rest> struct pu__emulated_arguments<First, Rest...> {
    First first;
    pu__emulated_arguments<Rest...> rest;
};
inline pu__emulated_arguments<> pu__emulated_pack() { return {}; }
template <class First, class... Rest>
pu__emulated_arguments<First, Rest...> pu__emulated_pack(First first, Rest... rest) {
    return {first, pu__emulated_pack(rest...)};
}

/* kernel(passed..., what is left) */
template <class Kernel, class... Passed>
void pu__emulated_apply(Kernel kernel, const pu__emulated_arguments<> &, const Passed &...passed) {
    kernel(passed...);
}
template <class Kernel, class First, class... Rest, class... Passed>
void pu__emulated_apply(Kernel kernel, const pu__emulated_arguments<First, Rest...> &left,
                        const Passed &...passed) {
    pu__emulated_apply(kernel, left.rest, passed..., left.first);
}

template <class... Parameters> struct pu__emulated_call {
    void (*kernel)(Parameters...);
    pu__emulated_arguments<std::decay_t<Parameters>...> arguments;

    static void run(void *state) {
        const auto *call = static_cast<const pu__emulated_call *>(state);
        pu__emulated_apply(call->kernel, call->arguments);
    }
    static void drop(void *state) { delete static_cast<pu__emulated_call *>(state); }
};

template <class... Parameters, class... Arguments>
void pu__emulated_launch(const char *name, void (*kernel)(Parameters...), dim3 grid, dim3 block,
                         size_t shared_bytes, cudaStream_t stream, Arguments &&...arguments) {
    using call = pu__emulated_call<Parameters...>;
    auto *state = new (std::nothrow) call{
        kernel, pu__emulated_pack(static_cast<std::decay_t<Parameters>>(std::forward<Arguments>(arguments))...)};
    pu__emulated_enqueue(name, grid, block, shared_bytes, stream, reinterpret_cast<const void *>(kernel),
                         call::run, call::drop, state, sizeof *state);
}
} // namespace

enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
template <class Function> cudaError_t cudaFuncSetAttribute(Function *kernel, cudaFuncAttribute, int bytes) {
    return pu__emulated_shared_limit(reinterpret_cast<const void *>(kernel), bytes);
}

/* ---- synchronisation ---- */

static inline void __syncthreads(const char *file = __builtin_FILE(), int line = __builtin_LINE()) {
    pu__emulated_barrier(file, line);
}

static inline void __syncwarp(unsigned mask = 0xffffffffu, const char *file = __builtin_FILE(),
                              int line = __builtin_LINE()) {
    pu__emulated_collective(PU__SYNC, mask, 0, 0, 32, file, line);
}

template <class T>
static inline T pu__emulated_shuffle(int kind, unsigned mask, T value, int operand, int width, const char *file,
                                     int line) {
    static_assert(std::is_arithmetic<T>::value && (sizeof(T) == 4 || sizeof(T) == 8),
                  "shuffles move 4 or 8 bytes");
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    bits = pu__emulated_collective(kind, mask, bits, operand, width, file, line);
    memcpy(&value, &bits, sizeof value);
    return value;
}
#define PU__EMULATED_SHUFFLE(name, kind, operand_type)                                                \
    template <class T>                                                                                \
    static inline T name(unsigned mask, T value, operand_type operand, int width = 32,                \
                         const char *file = __builtin_FILE(), int line = __builtin_LINE()) {          \
        return pu__emulated_shuffle(kind, mask, value, static_cast<int>(operand), width, file, line); \
    }
PU__EMULATED_SHUFFLE(__shfl_sync, PU__SHFL, int)
PU__EMULATED_SHUFFLE(__shfl_up_sync, PU__SHFL_UP, unsigned)
PU__EMULATED_SHUFFLE(__shfl_down_sync, PU__SHFL_DOWN, unsigned)
PU__EMULATED_SHUFFLE(__shfl_xor_sync, PU__SHFL_XOR, int)
#undef PU__EMULATED_SHUFFLE

static inline unsigned __ballot_sync(unsigned mask, int predicate, const char *file = __builtin_FILE(),
                                     int line = __builtin_LINE()) {
    return static_cast<unsigned>(pu__emulated_collective(PU__BALLOT, mask, predicate != 0, 0, 32, file, line));
}
static inline int __all_sync(unsigned mask, int predicate, const char *file = __builtin_FILE(),
                             int line = __builtin_LINE()) {
    return static_cast<int>(pu__emulated_collective(PU__ALL, mask, predicate != 0, 0, 32, file, line));
}
static inline int __any_sync(unsigned mask, int predicate, const char *file = __builtin_FILE(),
                             int line = __builtin_LINE()) {
    return static_cast<int>(pu__emulated_collective(PU__ANY, mask, predicate != 0, 0, 32, file, line));
}

/* Refused: which lanes are active is the scheduler's affair, and flags between blocks need a weak memory model
 * this emulator has not. */
unsigned __activemask() = delete;
void __threadfence() = delete;

/* ---- atomics ---- */

#define PU__EMULATED_ATOMIC(name, T, result)                                           \
    static inline T name(T *address, T value) {                                        \
        pu__emulated_atomic(address, sizeof *address);                                 \
        return pu__emulated_exchange(address, [value](T old) -> T { return result; }); \
    }
template <class T, class F>
__attribute__((no_sanitize("thread"))) static inline T pu__emulated_exchange(T *address, F next) {
    const T old = *address;
    *address = next(old);
    return old;
}
PU__EMULATED_ATOMIC(atomicAdd, int, old + value)
PU__EMULATED_ATOMIC(atomicAdd, unsigned, old + value)
PU__EMULATED_ATOMIC(atomicAdd, unsigned long long, old + value)
PU__EMULATED_ATOMIC(atomicMax, int, old > value ? old : value)
PU__EMULATED_ATOMIC(atomicMin, int, old < value ? old : value)
PU__EMULATED_ATOMIC(atomicMax, long long, old > value ? old : value)
PU__EMULATED_ATOMIC(atomicMin, long long, old < value ? old : value)
PU__EMULATED_ATOMIC(atomicMax, unsigned long long, old > value ? old : value)
PU__EMULATED_ATOMIC(atomicMin, unsigned long long, old < value ? old : value)
PU__EMULATED_ATOMIC(atomicOr, unsigned, old | value)
PU__EMULATED_ATOMIC(atomicExch, int, (static_cast<void>(old), value))
#undef PU__EMULATED_ATOMIC
/* The order of a float sum decides its bits: adding floats atomically is a fault. */
static inline float atomicAdd(float *, float, const char *file = __builtin_FILE(), int line = __builtin_LINE()) {
    pu__emulated_float_atomic(file, line);
    return 0.0f;
}

/* ---- loads, arithmetic, bits ---- */

template <class T> static inline T __ldg(const T *address) { return *address; }

/* Rounded by itself: never fused with a product. Host code of the tests is compiled without contraction. */
static inline float __fadd_rn(float a, float b) { return a + b; }
static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
/* sin(pi x), cos(pi x); the reduction to [-1, 1] is exact. */
static inline void sincospif(float x, float *sine, float *cosine) {
    const double angle = 3.14159265358979323846 * remainder(static_cast<double>(x), 2.0);
    *sine = static_cast<float>(sin(angle));
    *cosine = static_cast<float>(cos(angle));
}
static inline double rsqrt(double x) { return 1.0 / sqrt(x); }
static inline float __fdividef(float,
                               float) = delete; /* fast-math forms are refused: their rounding is not the CPU's */
struct pu__fast_math_is_refused;
#define __expf(x) (pu__fast_math_is_refused(x))
#define __logf(x) (pu__fast_math_is_refused(x))
#define __sinf(x) (pu__fast_math_is_refused(x))
#define __cosf(x) (pu__fast_math_is_refused(x))

static inline unsigned __umulhi(unsigned a, unsigned b) {
    return static_cast<unsigned>((static_cast<uint64_t>(a) * b) >> 32);
}
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline long long __double_as_longlong(double x) {
    long long bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(static_cast<unsigned>(x)); }
static inline int __float_as_int(float x) {
    int bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}
static inline float __int_as_float(int bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
#define PU__EMULATED_MIN_MAX(T)                                       \
    static inline constexpr T min(T a, T b) { return a < b ? a : b; } \
    static inline constexpr T max(T a, T b) { return a > b ? a : b; }
PU__EMULATED_MIN_MAX(int)
PU__EMULATED_MIN_MAX(unsigned)
PU__EMULATED_MIN_MAX(long)
PU__EMULATED_MIN_MAX(unsigned long)
PU__EMULATED_MIN_MAX(long long)
PU__EMULATED_MIN_MAX(unsigned long long)
#undef PU__EMULATED_MIN_MAX
static inline float min(float a, float b) { return fminf(a, b); }
static inline float max(float a, float b) { return fmaxf(a, b); }

#endif
