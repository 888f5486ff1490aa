// The sums of the three convolutions, in f32 and always in one order; values in and out of memory.

#include <cstdint>
#include <cstring>

#include "cudnn.h"

// The compiler makes one for processors with AVX2 beside one for all; both add in the same order.
#if defined(__x86_64__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("avx2", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif

namespace {

float from_bf16(uint16_t bits) {
    uint32_t wide = uint32_t(bits) << 16;
    float v;
    memcpy(&v, &wide, 4);
    return v;
}

uint32_t bits_of(float v) {
    uint32_t bits;
    memcpy(&bits, &v, 4);
    return bits;
}

// The upper bits, to the nearest and of two to the even; not of what is infinite or no number.
uint32_t rounded(uint32_t bits, int dropped) {
    if ((bits & 0x7f800000) == 0x7f800000) return bits;
    uint32_t half = (1u << (dropped - 1)) - 1;
    return (bits + half + (bits >> dropped & 1)) & ~((1u << dropped) - 1);
}

uint16_t to_bf16(float v) { return v != v ? 0x7fff : uint16_t(rounded(bits_of(v), 16) >> 16); }

float to_tf32(float v) {
    uint32_t bits = rounded(bits_of(v), 13);
    memcpy(&v, &bits, 4);
    return v;
}

// Calls `f(place in memory, place in n, h, w, c)` for each value.
template <class F>
void each(const Array& a, F f) {
    size_t i = 0;
    for (int n = 0; n < a.size[0]; n++) {
        for (int h = 0; h < a.size[2]; h++) {
            for (int w = 0; w < a.size[3]; w++) {
                size_t at = size_t(n) * a.stride[0] + size_t(h) * a.stride[2] + size_t(w) * a.stride[3];
                for (int c = 0; c < a.size[1]; c++, at += a.stride[1]) f(at, i++);
            }
        }
    }
}

}  // namespace

size_t Array::count() const { return size_t(size[0]) * size_t(size[1]) * size_t(size[2]) * size_t(size[3]); }
size_t Array::bytes() const { return count() * (type == FLOAT ? 4 : 2); }

std::vector<float> load(const Array& a, const void* from, bool tf32) {
    std::vector<float> values(a.count());
    if (a.type == BFLOAT16) {
        auto* p = static_cast<const uint16_t*>(from);
        each(a, [&](size_t at, size_t i) { values[i] = from_bf16(p[at]); });
    } else {
        auto* p = static_cast<const float*>(from);
        each(a, [&](size_t at, size_t i) { values[i] = tf32 ? to_tf32(p[at]) : p[at]; });
    }
    return values;
}

void store(const Array& a, void* to, const std::vector<float>& values, float alpha, float beta) {
    auto sum = [&](float value, float before) { return beta == 0 ? alpha * value : alpha * value + beta * before; };
    if (a.type == BFLOAT16) {
        auto* p = static_cast<uint16_t*>(to);
        each(a, [&](size_t at, size_t i) { p[at] = to_bf16(sum(values[i], from_bf16(p[at]))); });
    } else {
        auto* p = static_cast<float*>(to);
        each(a, [&](size_t at, size_t i) { p[at] = sum(values[i], p[at]); });
    }
}

FOR_EACH_PROCESSOR static void add(float* to, const float* from, float factor, int count) {
    for (int i = 0; i < count; i++) to[i] += factor * from[i];
}

// The pixel of `x` that tap `tap` of output `o` reads, along one side; -1 outside.
static int input(const Sizes& z, int side, int o, int tap, int size) {
    int i = o * z.stride[side] + tap * z.dilation[side] - z.pad[side];
    return i < size ? i : -1;
}

// Calls `f(pixel of y, pixel of x, tap of w)` for all that meet.
template <class F>
static void each_meeting(const Sizes& z, F f) {
    for (int n = 0; n < z.n; n++) {
        for (int oy = 0; oy < z.oh; oy++) {
            for (int ox = 0; ox < z.ow; ox++) {
                for (int r = 0; r < z.r; r++) {
                    int y = input(z, 0, oy, r, z.h);
                    if (y < 0) continue;
                    for (int s = 0; s < z.s; s++) {
                        int x = input(z, 1, ox, s, z.w);
                        if (x < 0) continue;
                        f((size_t(n) * z.oh + oy) * z.ow + ox, (size_t(n) * z.h + y) * z.w + x, r * z.s + s);
                    }
                }
            }
        }
    }
}

void sum_forward(const Sizes& z, const float* x, const float* w, float* y) {
    int cs = z.c / z.groups, ks = z.k / z.groups, taps = z.r * z.s;
    // As (group, tap, c, k): the inner loop runs over outputs that lie side by side.
    std::vector<float> turned(size_t(z.k) * taps * cs);
    for (int k = 0; k < z.k; k++) {
        for (int tap = 0; tap < taps; tap++) {
            for (int c = 0; c < cs; c++) {
                turned[((size_t(k / ks) * taps + tap) * cs + c) * ks + k % ks] = w[(size_t(k) * taps + tap) * cs + c];
            }
        }
    }
    each_meeting(z, [&](size_t to, size_t from, int tap) {
        for (int g = 0; g < z.groups; g++) {
            float* sums = y + to * z.k + g * ks;
            for (int c = 0; c < cs; c++) {
                add(sums, &turned[((size_t(g) * taps + tap) * cs + c) * ks], x[from * z.c + g * cs + c], ks);
            }
        }
    });
}

void sum_data(const Sizes& z, const float* w, const float* dy, float* dx) {
    int cs = z.c / z.groups, ks = z.k / z.groups, taps = z.r * z.s;
    each_meeting(z, [&](size_t from, size_t to, int tap) {
        for (int k = 0; k < z.k; k++) {
            add(dx + to * z.c + k / ks * cs, w + (size_t(k) * taps + tap) * cs, dy[from * z.k + k], cs);
        }
    });
}

void sum_filter(const Sizes& z, const float* x, const float* dy, float* dw) {
    int cs = z.c / z.groups, ks = z.k / z.groups, taps = z.r * z.s;
    each_meeting(z, [&](size_t at, size_t from, int tap) {
        for (int k = 0; k < z.k; k++) {
            add(dw + (size_t(k) * taps + tap) * cs, x + from * z.c + k / ks * cs, dy[at * z.k + k], cs);
        }
    });
}
