// Average and max pooling.

// Means over a grid of `tall` x `wide` windows of each channel; window `o` spans the pixels from
// floor(o * size / windows) up to ceil((o + 1) * size / windows). A block a window.
struct Grid {
    int h, w, tall, wide, channels;
};

extern "C" __global__ void average(const T* x, T* y, const Grid v) {
    __shared__ float shared[BLOCK * V];
    int lane = (blockIdx.y * blockDim.x + threadIdx.x) * V;
    int oy = blockIdx.x / v.wide % v.tall, ox = blockIdx.x % v.wide;
    size_t image = blockIdx.x / v.wide / v.tall;
    int top = oy * v.h / v.tall, bottom = ((oy + 1) * v.h + v.tall - 1) / v.tall;
    int left = ox * v.w / v.wide, right = ((ox + 1) * v.w + v.wide - 1) / v.wide;
    int across = right - left, count = (bottom - top) * across;
    float sums[V] = {};
    if (lane < v.channels) {
        for (int p = threadIdx.y; p < count; p += blockDim.y) {
            int iy = top + p / across, ix = left + p % across;
            float values[V];
            load(x + ((image * v.h + iy) * v.w + ix) * v.channels + lane, values);
#pragma unroll
            for (int i = 0; i < V; i++) sums[i] += values[i];
        }
    }
    sum_column(sums, shared);
    if (lane < v.channels && threadIdx.y == 0) {
#pragma unroll
        for (int i = 0; i < V; i++) sums[i] /= (float)count;
        store(y + blockIdx.x * (size_t)v.channels + lane, sums);
    }
}

// dx: the sum over the windows that hold the pixel of their dy / pixels.
extern "C" __global__ void average_grad(const T* dy, T* dx, size_t packs, const Grid v) {
    int lanes = v.channels / V;
    for (size_t i = thread_index(); i < packs; i += thread_count()) {
        int lane = i % lanes * V;
        size_t pixel = i / lanes, image = pixel / v.w / v.h;
        int y = pixel / v.w % v.h, x = pixel % v.w;
        float sums[V] = {};
        // Window o holds y where o * h / tall <= y and y < ceil((o + 1) * h / tall).
        for (int oy = y * v.tall / v.h; oy < v.tall && oy * v.h / v.tall <= y; oy++) {
            int rows = ((oy + 1) * v.h + v.tall - 1) / v.tall - oy * v.h / v.tall;
            for (int ox = x * v.wide / v.w; ox < v.wide && ox * v.w / v.wide <= x; ox++) {
                int columns = ((ox + 1) * v.w + v.wide - 1) / v.wide - ox * v.w / v.wide;
                float g[V];
                load(dy + ((image * v.tall + oy) * v.wide + ox) * v.channels + lane, g);
#pragma unroll
                for (int k = 0; k < V; k++) sums[k] += g[k] / (float)(rows * columns);
            }
        }
        store(dx + i * V, sums);
    }
}

// Windows that move by a stride.
struct Pooling {
    int h, w, oh, ow, channels;
    Axis down, across;
};

// By how many the sum of window `o` is divided along an axis of `size` pixels: its taps inside, with
// `padded` also those on the zeros around. What hangs over these counts in no case.
__device__ __forceinline__ int counted(Axis a, int size, int o, int padded) {
    int inside = 0;
    for (int r = 0; r < a.kernel; r++) {
        int at = a.pixel(o, r);
        inside += padded ? at < size + a.after : at >= 0 && at < size;
    }
    return inside;
}

// A window of nothing has the sum 0, and the mean 0.
__device__ __forceinline__ float divisor(Pooling p, int oy, int ox, int padded) {
    int count = counted(p.down, p.h, oy, padded) * counted(p.across, p.w, ox, padded);
    return count > 1 ? (float)count : 1.0f;
}

extern "C" __global__ void average_windows(
    const T* x, T* y, size_t packs, const Pooling p, int padded) {
    int lanes = p.channels / V;
    for (size_t i = thread_index(); i < packs; i += thread_count()) {
        int lane = i % lanes * V;
        size_t window = i / lanes, image = window / p.ow / p.oh;
        int oy = window / p.ow % p.oh, ox = window % p.ow;
        float sums[V] = {};
        for (int r = 0; r < p.down.kernel; r++) {
            int iy = p.down.pixel(oy, r);
            if (iy < 0 || iy >= p.h) continue;
            for (int s = 0; s < p.across.kernel; s++) {
                int ix = p.across.pixel(ox, s);
                if (ix < 0 || ix >= p.w) continue;
                float v[V];
                load(x + ((image * p.h + iy) * p.w + ix) * p.channels + lane, v);
#pragma unroll
                for (int k = 0; k < V; k++) sums[k] += v[k];
            }
        }
        float by = divisor(p, oy, ox, padded);
#pragma unroll
        for (int k = 0; k < V; k++) sums[k] /= by;
        store(y + i * V, sums);
    }
}

// dx: the sum over the windows that hold the pixel of their share of dy.
extern "C" __global__ void average_windows_grad(
    const T* dy, T* dx, size_t packs, const Pooling p, int padded) {
    int lanes = p.channels / V;
    for (size_t i = thread_index(); i < packs; i += thread_count()) {
        int lane = i % lanes * V;
        size_t pixel = i / lanes, image = pixel / p.w / p.h;
        int iy = pixel / p.w % p.h, ix = pixel % p.w;
        float sums[V] = {};
        for (int r = 0; r < p.down.kernel; r++) {
            int oy = p.down.window(iy, r);
            if (oy < 0 || oy >= p.oh) continue;
            for (int s = 0; s < p.across.kernel; s++) {
                int ox = p.across.window(ix, s);
                if (ox < 0 || ox >= p.ow) continue;
                float g[V], by = divisor(p, oy, ox, padded);
                load(dy + ((image * p.oh + oy) * p.ow + ox) * p.channels + lane, g);
#pragma unroll
                for (int k = 0; k < V; k++) sums[k] += g[k] / by;
            }
        }
        store(dx + i * V, sums);
    }
}

// The largest value of each channel in the window at (oy, ox), and which tap it is: the first of equal
// ones, the last NaN. Minus infinity, and none, where the window lies wholly in the padding.
__device__ __forceinline__ void largest(
    const T* x, Pooling p, size_t image, int oy, int ox, int lane, float (&best)[V], int (&tap)[V]) {
#pragma unroll
    for (int k = 0; k < V; k++) best[k] = __int_as_float(0xff800000), tap[k] = -1;
    for (int r = 0; r < p.down.kernel; r++) {
        int iy = p.down.pixel(oy, r);
        if (iy < 0 || iy >= p.h) continue;
        for (int s = 0; s < p.across.kernel; s++) {
            int ix = p.across.pixel(ox, s);
            if (ix < 0 || ix >= p.w) continue;
            float v[V];
            load(x + ((image * p.h + iy) * p.w + ix) * p.channels + lane, v);
#pragma unroll
            for (int k = 0; k < V; k++) {
                bool take = tap[k] < 0 || v[k] > best[k] || v[k] != v[k];
                best[k] = take ? v[k] : best[k];
                tap[k] = take ? r * p.across.kernel + s : tap[k];
            }
        }
    }
}

extern "C" __global__ void max_pool(const T* x, T* y, size_t packs, const Pooling p) {
    int lanes = p.channels / V;
    for (size_t i = thread_index(); i < packs; i += thread_count()) {
        size_t window = i / lanes, image = window / p.ow / p.oh;
        float best[V];
        int tap[V];
        largest(x, p, image, window / p.ow % p.oh, window % p.ow, i % lanes * V, best, tap);
        store(y + i * V, best);
    }
}

// dx: the sum of dy over the windows whose largest value the pixel is.
extern "C" __global__ void max_pool_grad(
    const T* x, const T* dy, T* dx, size_t packs, const Pooling p) {
    int lanes = p.channels / V;
    for (size_t i = thread_index(); i < packs; i += thread_count()) {
        int lane = i % lanes * V;
        size_t pixel = i / lanes, image = pixel / p.w / p.h;
        int iy = pixel / p.w % p.h, ix = pixel % p.w;
        float sums[V] = {};
        for (int r = 0; r < p.down.kernel; r++) {
            int oy = p.down.window(iy, r);
            if (oy < 0 || oy >= p.oh) continue;
            for (int s = 0; s < p.across.kernel; s++) {
                int ox = p.across.window(ix, s);
                if (ox < 0 || ox >= p.ow) continue;
                float best[V], g[V];
                int tap[V];
                largest(x, p, image, oy, ox, lane, best, tap);
                load(dy + ((image * p.oh + oy) * p.ow + ox) * p.channels + lane, g);
#pragma unroll
                for (int k = 0; k < V; k++) {
                    sums[k] += tap[k] == r * p.across.kernel + s ? g[k] : 0.0f;
                }
            }
        }
        store(dx + i * V, sums);
    }
}
