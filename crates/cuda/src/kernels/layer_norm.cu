// Layer normalisation over the channels of each row, a pixel. A warp works on a row at a time.

#define WARP 32

// The sum over the warp, the same in every thread of it.
__device__ __forceinline__ float sum_warp(float v) {
#pragma unroll
    for (int by = WARP / 2; by > 0; by /= 2) v += __shfl_xor_sync(0xffffffffu, v, by);
    return v;
}

// The first row of this warp, and how far it is to the next.
__device__ __forceinline__ size_t first_row() {
    return blockIdx.x * (size_t)blockDim.y + threadIdx.y;
}
__device__ __forceinline__ size_t row_step() { return (size_t)gridDim.x * blockDim.y; }

struct Statistics {
    float mean, inverse;
};

// Mean and 1 / sqrt(variance + eps) of a row. The variance is taken about a first mean, and both are
// corrected by what that was off.
__device__ __forceinline__ Statistics statistics(const T* x, int channels, float eps) {
    float sum = 0, rest = 0, squares = 0;
    for (int c = threadIdx.x * V; c < channels; c += WARP * V) {
        float v[V];
        load(x + c, v);
#pragma unroll
        for (int i = 0; i < V; i++) sum += v[i];
    }
    float mean = sum_warp(sum) / channels;
    for (int c = threadIdx.x * V; c < channels; c += WARP * V) {
        float v[V];
        load(x + c, v);
#pragma unroll
        for (int i = 0; i < V; i++) {
            float d = v[i] - mean;
            rest += d;
            squares += d * d;
        }
    }
    rest = sum_warp(rest) / channels;
    float variance = sum_warp(squares) / channels - rest * rest;
    return {mean + rest, 1.0f / sqrtf(variance + eps)};
}

// y = (x - mean) / sqrt(variance + eps) * weight + bias; both null for none.
extern "C" __global__ void layer_norm(
    const T* x, const float* weight, const float* bias, T* y, size_t rows, int channels, float eps) {
    for (size_t row = first_row(); row < rows; row += row_step()) {
        const T* from = x + row * channels;
        Statistics s = statistics(from, channels, eps);
        for (int c = threadIdx.x * V; c < channels; c += WARP * V) {
            float v[V];
            load(from + c, v);
#pragma unroll
            for (int i = 0; i < V; i++) {
                v[i] = (v[i] - s.mean) * s.inverse;
                if (weight) v[i] = v[i] * weight[c + i] + bias[c + i];
            }
            store(y + row * channels + c, v);
        }
    }
}

// The statistics of each row, (mean, inverse) interleaved.
extern "C" __global__ void layer_norm_stats(
    const T* x, float* stats, size_t rows, int channels, float eps) {
    for (size_t row = first_row(); row < rows; row += row_step()) {
        Statistics s = statistics(x + row * channels, channels, eps);
        if (threadIdx.x == 0) stats[2 * row] = s.mean, stats[2 * row + 1] = s.inverse;
    }
}

// For each block and channel the sums of dy, and behind those of all blocks the sums of dy times the
// normalised x. A launch over columns.
extern "C" __global__ void layer_norm_grad_sums(
    const T* dy, const T* x, const float* stats, size_t rows, int channels, float* partial) {
    __shared__ float shared[BLOCK * 2 * V];
    Column c = column(channels);
    float sums[2 * V] = {};
    if (c.in) {
        for (size_t row = c.row; row < rows; row += c.step) {
            float g[V], v[V], mean = stats[2 * row], inverse = stats[2 * row + 1];
            load(dy + row * channels + c.lane, g);
            load(x + row * channels + c.lane, v);
#pragma unroll
            for (int i = 0; i < V; i++) {
                sums[i] += g[i];
                sums[V + i] += g[i] * ((v[i] - mean) * inverse);
            }
        }
    }
    sum_column(sums, shared);
    if (c.in && threadIdx.y == 0) {
        float* to = partial + blockIdx.x * (size_t)channels + c.lane;
        size_t all = gridDim.x * (size_t)channels;
#pragma unroll
        for (int i = 0; i < V; i++) to[i] = sums[i], to[all + i] = sums[V + i];
    }
}

// Turns dy, in place, into the gradient of x: (dz - mean(dz) - xhat * mean(dz * xhat)) /
// sqrt(variance + eps) with dz = dy * weight.
extern "C" __global__ void layer_norm_grad(
    T* dy, const T* x, const float* weight, const float* stats, size_t rows, int channels) {
    for (size_t row = first_row(); row < rows; row += row_step()) {
        float mean = stats[2 * row], inverse = stats[2 * row + 1], plain = 0, scaled = 0;
        for (int c = threadIdx.x * V; c < channels; c += WARP * V) {
            float g[V], v[V];
            load(dy + row * channels + c, g);
            load(x + row * channels + c, v);
#pragma unroll
            for (int i = 0; i < V; i++) {
                float dz = weight ? g[i] * weight[c + i] : g[i];
                plain += dz;
                scaled += dz * ((v[i] - mean) * inverse);
            }
        }
        plain = sum_warp(plain) / channels;
        scaled = sum_warp(scaled) / channels;
        for (int c = threadIdx.x * V; c < channels; c += WARP * V) {
            float g[V], v[V];
            load(dy + row * channels + c, g);
            load(x + row * channels + c, v);
#pragma unroll
            for (int i = 0; i < V; i++) {
                float dz = weight ? g[i] * weight[c + i] : g[i];
                g[i] = (dz - plain - (v[i] - mean) * inverse * scaled) * inverse;
            }
            store(dy + row * channels + c, g);
        }
    }
}
