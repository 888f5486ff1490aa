// Average and max pooling.

// Means over a grid of side x side windows of each channel; window `o` spans the pixels from
// floor(o * size / side) up to ceil((o + 1) * size / side). A block a window.
extern "C" __global__ void average(const T* x, T* y, int h, int w, int channels, int side) {
    __shared__ float shared[BLOCK * V];
    int lane = (blockIdx.y * blockDim.x + threadIdx.x) * V;
    int window = blockIdx.x % (side * side), oy = window / side, ox = window % side;
    size_t image = blockIdx.x / (side * side);
    int top = oy * h / side, bottom = ((oy + 1) * h + side - 1) / side;
    int left = ox * w / side, right = ((ox + 1) * w + side - 1) / side;
    int wide = right - left, count = (bottom - top) * wide;
    float sums[V] = {};
    if (lane < channels) {
        for (int p = threadIdx.y; p < count; p += blockDim.y) {
            int iy = top + p / wide, ix = left + p % wide;
            float v[V];
            load(x + ((image * h + iy) * w + ix) * channels + lane, v);
#pragma unroll
            for (int i = 0; i < V; i++) sums[i] += v[i];
        }
    }
    sum_column(sums, shared);
    if (lane < channels && threadIdx.y == 0) {
#pragma unroll
        for (int i = 0; i < V; i++) sums[i] /= (float)count;
        store(y + blockIdx.x * (size_t)channels + lane, sums);
    }
}

// dx: the sum over the windows that hold the pixel of their dy / pixels.
extern "C" __global__ void average_grad(
    const T* dy, T* dx, size_t packs, int h, int w, int channels, int side) {
    int lanes = channels / V;
    for (size_t i = thread_index(); i < packs; i += thread_count()) {
        int lane = i % lanes * V;
        size_t pixel = i / lanes, image = pixel / (h * w);
        int y = pixel / w % h, x = pixel % w;
        float sums[V] = {};
        // Window o holds y where o * h / side <= y and y < ceil((o + 1) * h / side).
        for (int oy = y * side / h; oy < side && oy * h / side <= y; oy++) {
            int tall = ((oy + 1) * h + side - 1) / side - oy * h / side;
            for (int ox = x * side / w; ox < side && ox * w / side <= x; ox++) {
                int wide = ((ox + 1) * w + side - 1) / side - ox * w / side;
                float g[V];
                load(dy + ((image * side + oy) * side + ox) * channels + lane, g);
#pragma unroll
                for (int k = 0; k < V; k++) sums[k] += g[k] / (float)(tall * wide);
            }
        }
        store(dx + i * V, sums);
    }
}

// The larger of two, NaN if the new one is.
__device__ __forceinline__ float larger(float best, float v) { return v > best || v != v ? v : best; }

// Sizes of a max pooling.
struct Pooling {
    int h, w, oh, ow, channels, kernel, stride, padding;
};

// The largest value of each channel in the window at (oy, ox).
__device__ __forceinline__ void largest(
    const T* x, Pooling p, size_t image, int oy, int ox, int lane, float (&best)[V]) {
#pragma unroll
    for (int k = 0; k < V; k++) best[k] = __int_as_float(0xff800000);
    for (int r = 0; r < p.kernel; r++) {
        int y = oy * p.stride - p.padding + r;
        if (y < 0 || y >= p.h) continue;
        for (int s = 0; s < p.kernel; s++) {
            int column = ox * p.stride - p.padding + s;
            if (column < 0 || column >= p.w) continue;
            float v[V];
            load(x + ((image * p.h + y) * p.w + column) * p.channels + lane, v);
#pragma unroll
            for (int k = 0; k < V; k++) best[k] = larger(best[k], v[k]);
        }
    }
}

extern "C" __global__ void max_pool(const T* x, T* y, size_t packs, const Pooling p) {
    int lanes = p.channels / V;
    for (size_t i = thread_index(); i < packs; i += thread_count()) {
        size_t window = i / lanes, image = window / (p.oh * p.ow);
        float best[V];
        largest(x, p, image, window / p.ow % p.oh, window % p.ow, i % lanes * V, best);
        store(y + i * V, best);
    }
}

// dx: the sum of dy over the windows whose first maximum, in scan order, the pixel is.
extern "C" __global__ void max_pool_grad(
    const T* x, const T* dy, T* dx, size_t packs, const Pooling p) {
    int lanes = p.channels / V;
    for (size_t i = thread_index(); i < packs; i += thread_count()) {
        int lane = i % lanes * V;
        size_t pixel = i / lanes, image = pixel / (p.h * p.w);
        int y = pixel / p.w % p.h, column = pixel % p.w;
        float own[V], sums[V] = {};
        load(x + i * V, own);
        int top = y + p.padding - p.kernel + 1, left = column + p.padding - p.kernel + 1;
        int oy = top <= 0 ? 0 : (top + p.stride - 1) / p.stride;
        for (; oy < p.oh && oy * p.stride - p.padding <= y; oy++) {
            int ox = left <= 0 ? 0 : (left + p.stride - 1) / p.stride;
            for (; ox < p.ow && ox * p.stride - p.padding <= column; ox++) {
                float best[V], g[V];
                bool first[V];
                largest(x, p, image, oy, ox, lane, best);
#pragma unroll
                for (int k = 0; k < V; k++) first[k] = own[k] == best[k];
                // An equal value earlier in the window takes the gradient.
                for (int r = 0; r < p.kernel; r++) {
                    int ty = oy * p.stride - p.padding + r;
                    if (ty < 0 || ty > y) continue;
                    for (int s = 0; s < p.kernel; s++) {
                        int tx = ox * p.stride - p.padding + s;
                        if (tx < 0 || tx >= p.w || (ty == y && tx >= column)) continue;
                        float v[V];
                        load(x + ((image * p.h + ty) * p.w + tx) * p.channels + lane, v);
#pragma unroll
                        for (int k = 0; k < V; k++) first[k] = first[k] && v[k] != best[k];
                    }
                }
                load(dy + ((image * p.oh + oy) * p.ow + ox) * p.channels + lane, g);
#pragma unroll
                for (int k = 0; k < V; k++) sums[k] += first[k] ? g[k] : 0.0f;
            }
        }
        store(dx + i * V, sums);
    }
}
