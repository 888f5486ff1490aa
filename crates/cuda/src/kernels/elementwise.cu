// Activations, sums, products, averages over pixels, max pooling and changes of type.

// x = max(x, 0) in place; NaN stays NaN. `count` is of packs, here and below.
extern "C" __global__ void relu(T* x, size_t count) {
    for (size_t i = thread_index(); i < count; i += thread_count()) {
        float v[V];
        load(x + i * V, v);
#pragma unroll
        for (int k = 0; k < V; k++) v[k] = v[k] < 0 ? 0.0f : v[k];
        store(x + i * V, v);
    }
}

// Keeps the gradient where the activation's output `y` is positive, in place.
extern "C" __global__ void relu_grad(T* dy, const T* y, size_t count) {
    for (size_t i = thread_index(); i < count; i += thread_count()) {
        float g[V], v[V];
        load(dy + i * V, g);
        load(y + i * V, v);
#pragma unroll
        for (int k = 0; k < V; k++) g[k] = v[k] <= 0 ? 0.0f : g[k];
        store(dy + i * V, g);
    }
}

__device__ __forceinline__ float sigmoid_of(float x) { return 1.0f / (1.0f + expf(-x)); }

// y = x * sigmoid(x)
extern "C" __global__ void silu(const T* x, T* y, size_t count) {
    for (size_t i = thread_index(); i < count; i += thread_count()) {
        float v[V];
        load(x + i * V, v);
#pragma unroll
        for (int k = 0; k < V; k++) v[k] = v[k] * sigmoid_of(v[k]);
        store(y + i * V, v);
    }
}

// dy *= sigmoid(x) * (1 + x * (1 - sigmoid(x)))
extern "C" __global__ void silu_grad(T* dy, const T* x, size_t count) {
    for (size_t i = thread_index(); i < count; i += thread_count()) {
        float g[V], v[V];
        load(dy + i * V, g);
        load(x + i * V, v);
#pragma unroll
        for (int k = 0; k < V; k++) {
            float s = sigmoid_of(v[k]);
            g[k] *= s * (1.0f + v[k] * (1.0f - s));
        }
        store(dy + i * V, g);
    }
}

// y = 1 / (1 + exp(-x))
extern "C" __global__ void sigmoid(const T* x, T* y, size_t count) {
    for (size_t i = thread_index(); i < count; i += thread_count()) {
        float v[V];
        load(x + i * V, v);
#pragma unroll
        for (int k = 0; k < V; k++) v[k] = sigmoid_of(v[k]);
        store(y + i * V, v);
    }
}

// dy *= y * (1 - y)
extern "C" __global__ void sigmoid_grad(T* dy, const T* y, size_t count) {
    for (size_t i = thread_index(); i < count; i += thread_count()) {
        float g[V], v[V];
        load(dy + i * V, g);
        load(y + i * V, v);
#pragma unroll
        for (int k = 0; k < V; k++) g[k] *= v[k] * (1.0f - v[k]);
        store(dy + i * V, g);
    }
}

// out += x
extern "C" __global__ void add(T* out, const T* x, size_t count) {
    for (size_t i = thread_index(); i < count; i += thread_count()) {
        float a[V], b[V];
        load(out + i * V, a);
        load(x + i * V, b);
#pragma unroll
        for (int k = 0; k < V; k++) a[k] += b[k];
        store(out + i * V, a);
    }
}

// What follows a convolution of inference: its bias, a summand if there is one, the activation.
extern "C" __global__ void epilogue(
    T* y, const float* bias, const T* add, size_t rows, int channels, int relu) {
    Column c = column(channels);
    if (!c.in) return;
    float b[V];
#pragma unroll
    for (int i = 0; i < V; i++) b[i] = bias[c.lane + i];
    for (size_t row = c.row; row < rows; row += c.step) {
        size_t at = row * channels + c.lane;
        float v[V], other[V];
        load(y + at, v);
        if (add) load(add + at, other);
#pragma unroll
        for (int i = 0; i < V; i++) {
            v[i] += b[i] + (add ? other[i] : 0.0f);
            if (relu) v[i] = v[i] < 0 ? 0.0f : v[i];
        }
        store(y + at, v);
    }
}

// For each block the sums of its rows, a channel.
extern "C" __global__ void row_sums(const T* x, size_t rows, int channels, float* partial) {
    __shared__ float shared[BLOCK * V];
    Column c = column(channels);
    float sums[V] = {};
    if (c.in) {
        for (size_t row = c.row; row < rows; row += c.step) {
            float v[V];
            load(x + row * channels + c.lane, v);
#pragma unroll
            for (int i = 0; i < V; i++) sums[i] += v[i];
        }
    }
    sum_column(sums, shared);
    if (c.in && threadIdx.y == 0) {
        float* to = partial + blockIdx.x * (size_t)channels + c.lane;
#pragma unroll
        for (int i = 0; i < V; i++) to[i] = sums[i];
    }
}

// Adds the partial sums of `blocks` up, each of `count` values.
extern "C" __global__ void sum_partial(const float* partial, int blocks, size_t count, T* out) {
    for (size_t i = thread_index(); i < count; i += thread_count()) {
        double sum = 0;
#pragma unroll 8
        for (int b = 0; b < blocks; b++) sum += partial[b * count + i];
        from_float((float)sum, out[i]);
    }
}

// x[n, p, c] *= factor[n, c] in place; the factors are activations.
extern "C" __global__ void scale(T* x, const T* factor, size_t packs, int pixels, int channels) {
    int lanes = channels / V;
    for (size_t i = thread_index(); i < packs; i += thread_count()) {
        size_t image = i / lanes / pixels;
        float v[V], f[V];
        load(x + i * V, v);
        load(factor + image * channels + i % lanes * V, f);
#pragma unroll
        for (int k = 0; k < V; k++) v[k] *= f[k];
        store(x + i * V, v);
    }
}

// The same with f32 factors: one for each of `factors` of an image's values, or one an image.
extern "C" __global__ void drop(T* x, const float* factor, size_t count, size_t image, int whole) {
    for (size_t i = thread_index(); i < count; i += thread_count()) {
        float v = to_float(x[i]) * factor[whole ? i / image : i];
        from_float(v, x[i]);
    }
}

// out[n, c] = sum over pixels of a[n, p, c] * b[n, p, c]; a block an image.
extern "C" __global__ void products(const T* a, const T* b, T* out, int pixels, int channels) {
    __shared__ float shared[BLOCK * V];
    int lane = (blockIdx.y * blockDim.x + threadIdx.x) * V;
    size_t first = blockIdx.x * (size_t)pixels;
    float sums[V] = {};
    if (lane < channels) {
        for (int p = threadIdx.y; p < pixels; p += blockDim.y) {
            size_t at = (first + p) * channels + lane;
            float u[V], v[V];
            load(a + at, u);
            load(b + at, v);
#pragma unroll
            for (int i = 0; i < V; i++) sums[i] += u[i] * v[i];
        }
    }
    sum_column(sums, shared);
    if (lane < channels && threadIdx.y == 0) store(out + blockIdx.x * (size_t)channels + lane, sums);
}

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

// f32 to activations, rows of `from` values into rows of `to` of them, zeros behind.
extern "C" __global__ void narrow(const float* x, T* y, size_t rows, int from, int to) {
    for (size_t i = thread_index(); i < rows * to; i += thread_count()) {
        int c = i % to;
        from_float(c < from ? x[i / to * from + c] : 0.0f, y[i]);
    }
}
