// Compiled before every kernel: CUDA's words for a processor, as far as our kernels use them. The
// kernels' source stands in an unnamed namespace, so that what is shared in an inline function is a plain
// variable too.
#pragma once

#include <math.h>
#include <stddef.h>

#include <utility>

#include "state.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __restrict__ __restrict
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __constant__ static const
// In a section of its own, which is filled before each block. (Not in templates, where GCC 12 does
// without the section: what is shared there holds what the block before left.)
#define __shared__ static __attribute__((section("emulator_shared")))

extern unsigned char __start_emulator_shared[], __stop_emulator_shared[];
// So that there is such a section.
__attribute__((used)) __shared__ unsigned char emulator_some[16];

__attribute__((aligned(256))) static unsigned char emulator_dynamic[EMULATED_DYNAMIC + EMULATED_MARGIN];

extern "C" {
EmulatedState emulated = {{}, {}, {}, {}, nullptr, nullptr,
                          __start_emulator_shared, __stop_emulator_shared, emulator_dynamic};
}

// `extern __shared__ TYPE NAME[];` is rewritten to this.
#define EMULATED_EXTERN(type, name) static type* const name = (type*)emulator_dynamic

#define threadIdx emulated.thread
#define blockIdx emulated.block
#define blockDim emulated.block_size
#define gridDim emulated.grid_size
#define warpSize 32
#define __syncthreads() emulated.barrier(__LINE__)
#define __threadfence() ((void)0)
#define __threadfence_block() ((void)0)

// Vectors.

#define EMULATED_VECTORS(type, name, align)                                                               \
    struct __align__(2 * align) name##2 { type x, y; };                                                   \
    struct name##3 { type x, y, z; };                                                                     \
    struct __align__(4 * align > 16 ? 16 : 4 * align) name##4 { type x, y, z, w; };                       \
    inline name##2 make_##name##2(type x, type y) { return {x, y}; }                                      \
    inline name##3 make_##name##3(type x, type y, type z) { return {x, y, z}; }                           \
    inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }
EMULATED_VECTORS(float, float, 4)
EMULATED_VECTORS(double, double, 8)
EMULATED_VECTORS(int, int, 4)
EMULATED_VECTORS(unsigned, uint, 4)
EMULATED_VECTORS(short, short, 2)
EMULATED_VECTORS(unsigned short, ushort, 2)
EMULATED_VECTORS(unsigned char, uchar, 1)
struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};

// Numbers.

template <class To, class From>
inline To emulator_bits(From from) {
    static_assert(sizeof(To) == sizeof(From), "sizes");
    To to;
    __builtin_memcpy(&to, &from, sizeof(to));
    return to;
}

inline unsigned __float_as_uint(float v) { return emulator_bits<unsigned>(v); }
inline int __float_as_int(float v) { return emulator_bits<int>(v); }
inline float __uint_as_float(unsigned v) { return emulator_bits<float>(v); }
inline float __int_as_float(int v) { return emulator_bits<float>(v); }
inline long long __double_as_longlong(double v) { return emulator_bits<long long>(v); }
inline double __longlong_as_double(long long v) { return emulator_bits<double>(v); }

inline float rsqrtf(float v) { return 1.0f / sqrtf(v); }
inline double rsqrt(double v) { return 1.0 / sqrt(v); }
inline float __expf(float v) { return expf(v); }
inline float __logf(float v) { return logf(v); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float v) { return sqrtf(v); }
inline float __frsqrt_rn(float v) { return 1.0f / sqrtf(v); }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
inline float __saturatef(float v) { return v > 0.0f ? v < 1.0f ? v : 1.0f : 0.0f; }
inline int __float2int_rn(float v) { return (int)rintf(v); }
inline int __float2int_rz(float v) { return (int)v; }
inline float __int2float_rn(int v) { return (float)v; }
inline int __popc(unsigned v) { return __builtin_popcount(v); }
inline int __clz(int v) { return v ? __builtin_clz((unsigned)v) : 32; }
inline int __ffs(int v) { return __builtin_ffs(v); }
inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((unsigned long long)a * b >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)((unsigned __int128)a * b >> 64);
}

template <class A, class B>
constexpr auto min(A a, B b) { return a < b ? a : b; }
template <class A, class B>
constexpr auto max(A a, B b) { return a > b ? a : b; }
// Of floats the number, if the other is none.
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }

// Memory.

template <class T>
inline T __ldg(const T* p) { return *p; }
template <class T>
inline T __ldcs(const T* p) { return *p; }
template <class T, class V>
inline void __stcs(T* p, V value) { *p = value; }

// One thread runs at a time, so that every operation is atomic.
#define EMULATED_ATOMIC(name, result)                                  \
    template <class T, class V>                                        \
    inline T name(T* at, V value) {                                    \
        T was = *at, given = (T)value;                                 \
        *at = (result);                                                \
        return was;                                                    \
    }
EMULATED_ATOMIC(atomicAdd, was + given)
EMULATED_ATOMIC(atomicSub, was - given)
EMULATED_ATOMIC(atomicMax, was > given ? was : given)
EMULATED_ATOMIC(atomicMin, was < given ? was : given)
EMULATED_ATOMIC(atomicOr, was | given)
EMULATED_ATOMIC(atomicAnd, was & given)
EMULATED_ATOMIC(atomicExch, given)
template <class T, class C, class V>
inline T atomicCAS(T* at, C compare, V value) {
    T was = *at;
    if (was == (T)compare) *at = (T)value;
    return was;
}

// Warps: 32 threads in the order of their index, x first.

inline int emulator_lane() {
    return (int)((threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) % 32);
}

template <class T>
inline T emulator_shuffle(unsigned mask, T value, int lane) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "what a shuffle takes");
    unsigned long long bits = 0;
    __builtin_memcpy(&bits, &value, sizeof(T));
    bits = emulated.exchange(mask, bits, lane);
    __builtin_memcpy(&value, &bits, sizeof(T));
    return value;
}

// The lane itself where the other lies outside its part of the warp.
template <class T>
inline T __shfl_sync(unsigned mask, T value, int lane, int width = 32) {
    int first = emulator_lane() & ~(width - 1);
    return emulator_shuffle(mask, value, first + (lane & (width - 1)));
}
template <class T>
inline T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32) {
    int me = emulator_lane(), other = me ^ bits;
    return emulator_shuffle(mask, value, other < (me & ~(width - 1)) + width ? other : me);
}
template <class T>
inline T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32) {
    int me = emulator_lane(), other = me + (int)by;
    return emulator_shuffle(mask, value, other < (me & ~(width - 1)) + width ? other : me);
}
template <class T>
inline T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32) {
    int me = emulator_lane(), other = me - (int)by;
    return emulator_shuffle(mask, value, other >= (me & ~(width - 1)) ? other : me);
}
inline void __syncwarp(unsigned mask = 0xffffffff) { emulated.exchange(mask, 0, emulator_lane()); }

// The sizes of a kernel's parameters, and a 0: a launch copies them.

template <class... A>
inline const unsigned* emulate_sizes(void (*)(A...)) {
    static const unsigned sizes[] = {(unsigned)sizeof(A)..., 0u};
    return sizes;
}

// Calls a kernel with parameters as a launch gives them: the address of each.

template <class... A, size_t... I>
inline __attribute__((always_inline)) void emulate_call(void (*f)(A...), void** p, std::index_sequence<I...>) {
    f(*(A*)p[I]...);
}
template <class... A>
inline __attribute__((always_inline)) void emulate_call(void (*f)(A...), void** p) {
    emulate_call(f, p, std::index_sequence_for<A...>());
}
