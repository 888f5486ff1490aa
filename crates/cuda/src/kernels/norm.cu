// Batch normalisation with the sum and activation behind it. `stats` is interleaved a channel:
// (mean, variance). Sums over a batch are taken in two steps: f32 within a block, f64 over blocks.

// For each block and channel: the sums of (x - pivot) and of its square, the pivot being the first
// row: a channel far from zero loses no digits.
extern "C" __global__ void norm_sums(const T* x, size_t rows, int channels, float* partial) {
    __shared__ float shared[BLOCK * 2 * V];
    Column c = column(channels);
    float pivot[V], sums[2 * V] = {};
    if (c.in) {
        load(x + c.lane, pivot);
        for (size_t row = c.row; row < rows; row += c.step) {
            float v[V];
            load(x + row * channels + c.lane, v);
#pragma unroll
            for (int i = 0; i < V; i++) {
                float d = v[i] - pivot[i];
                sums[2 * i] += d;
                sums[2 * i + 1] += d * d;
            }
        }
    }
    sum_column(sums, shared);
    if (c.in && threadIdx.y == 0) {
        float* to = partial + (blockIdx.x * (size_t)channels + c.lane) * 2;
#pragma unroll
        for (int i = 0; i < 2 * V; i++) to[i] = sums[i];
    }
}

// Adds up the partial sums of channel `c` over the blocks; threads of the first row have them.
__device__ __forceinline__ void add_blocks(
    const float* partial, int blocks, int channels, int c, double* shared, double& a, double& b) {
    a = 0, b = 0;
    if (c < channels) {
        // Many loads in flight: one after the other they would wait for memory each time.
#pragma unroll 8
        for (int k = threadIdx.y; k < blocks; k += blockDim.y) {
            a += partial[(k * (size_t)channels + c) * 2];
            b += partial[(k * (size_t)channels + c) * 2 + 1];
        }
    }
    int self = threadIdx.y * blockDim.x + threadIdx.x;
    shared[2 * self] = a, shared[2 * self + 1] = b;
    __syncthreads();
    if (threadIdx.y == 0) {
        a = 0, b = 0;
        for (int y = 0; y < (int)blockDim.y; y++) {
            a += shared[2 * (y * blockDim.x + threadIdx.x)];
            b += shared[2 * (y * blockDim.x + threadIdx.x) + 1];
        }
    }
}

// Mean and variance out of the partial sums; moves the running ones towards them (their variance
// is the unbiased one).
extern "C" __global__ void norm_stats(
    const T* x, const float* partial, int blocks, size_t rows, int channels, float momentum,
    float* stats, float* running_mean, float* running_var) {
    __shared__ double shared[2 * BLOCK];
    int c = blockIdx.x * blockDim.x + threadIdx.x;
    double first, second;
    add_blocks(partial, blocks, channels, c, shared, first, second);
    if (threadIdx.y != 0 || c >= channels) return;
    double count = (double)rows, shift = first / count;
    double mean = to_float(x[c]) + shift, var = second / count - shift * shift;
    if (var < 0) var = 0;
    stats[2 * c] = (float)mean;
    stats[2 * c + 1] = (float)var;
    double unbiased = rows > 1 ? var * count / (count - 1) : var;
    running_mean[c] = (float)((1 - momentum) * (double)running_mean[c] + momentum * mean);
    running_var[c] = (float)((1 - momentum) * (double)running_var[c] + momentum * unbiased);
}

// What a channel's normalisation multiplies with and adds.
struct Affine {
    float mean[V], inverse[V], scale[V], bias[V];
    __device__ __forceinline__ void set(
        const float* stats, const float* weight, const float* b, float eps, int lane) {
#pragma unroll
        for (int i = 0; i < V; i++) {
            float root = sqrtf(stats[2 * (lane + i) + 1] + eps);
            mean[i] = stats[2 * (lane + i)];
            inverse[i] = 1.0f / root;
            scale[i] = weight[lane + i] / root;
            bias[i] = b[lane + i];
        }
    }
    __device__ __forceinline__ float of(float x, int i) const {
        return (x - mean[i]) * scale[i] + bias[i];
    }
};

// y = (x - mean) / sqrt(var + eps) * weight + bias, plus `add` if there is one, through the activation.
extern "C" __global__ void norm_apply(
    const T* x, const float* stats, const float* weight, const float* bias, const T* add, T* y,
    size_t rows, int channels, float eps, int activation, float slope) {
    Column c = column(channels);
    if (!c.in) return;
    Affine affine;
    affine.set(stats, weight, bias, eps, c.lane);
    with_tail(activation, slope, [&](auto a) {
        for (size_t row = c.row; row < rows; row += c.step) {
            size_t at = row * channels + c.lane;
            float v[V], other[V];
            load(x + at, v);
            if (add) load(add + at, other);
#pragma unroll
            for (int i = 0; i < V; i++) {
                v[i] = a.of(affine.of(v[i], i) + (add ? other[i] : 0.0f));
            }
            store(y + at, v);
        }
    });
}

// For each block and channel: the sums of the gradient before the activation and of its product
// with (x - mean). With `y`, what came out behind sum and activation, that gradient is written over
// `dy`: it is the summand's too. Without it the activation is computed again.
extern "C" __global__ void __launch_bounds__(BLOCK, 3) norm_grad_sums(
    T* dy, const T* x, const float* stats, const float* weight, const float* bias, const T* y,
    size_t rows, int channels, float eps, int activation, float slope, float* partial) {
    __shared__ float shared[BLOCK * 2 * V];
    Column c = column(channels);
    float sums[2 * V] = {};
    if (c.in) {
        Affine affine;
        affine.set(stats, weight, bias, eps, c.lane);
        with_tail(activation, slope, [&](auto a) {
            for (size_t row = c.row; row < rows; row += c.step) {
                size_t at = row * channels + c.lane;
                float g[V], v[V], out[V];
                load(dy + at, g);
                load(x + at, v);
                if (y) load(y + at, out);
#pragma unroll
                for (int i = 0; i < V; i++) {
                    g[i] = a.gradient(y ? out[i] : affine.of(v[i], i), g[i]);
                    sums[2 * i] += g[i];
                    sums[2 * i + 1] += g[i] * (v[i] - affine.mean[i]);
                }
                if (y && activation != NONE) store(dy + at, g);
            }
        });
    }
    sum_column(sums, shared);
    if (c.in && threadIdx.y == 0) {
        float* to = partial + (blockIdx.x * (size_t)channels + c.lane) * 2;
#pragma unroll
        for (int i = 0; i < 2 * V; i++) to[i] = sums[i];
    }
}

// The gradients of weight and bias out of the partial sums.
extern "C" __global__ void norm_grad_params(
    const float* partial, int blocks, int channels, const float* stats, float eps, float* dweight,
    float* dbias) {
    __shared__ double shared[2 * BLOCK];
    int c = blockIdx.x * blockDim.x + threadIdx.x;
    double plain, scaled;
    add_blocks(partial, blocks, channels, c, shared, plain, scaled);
    if (threadIdx.y != 0 || c >= channels) return;
    dbias[c] = (float)plain;
    dweight[c] = (float)(scaled / sqrtf(stats[2 * c + 1] + eps));
}

// dx = weight / sqrt(var + eps) * (dz - mean(dz) - xhat * mean(dz * xhat)); `dx` may be `dz`, which
// is still to be taken through the activation, if there is one.
extern "C" __global__ void norm_grad_input(
    const T* dz, const T* x, const float* stats, const float* weight, const float* bias,
    const float* dweight, const float* dbias, T* dx, size_t rows, int channels, float eps,
    int activation, float slope) {
    Column c = column(channels);
    if (!c.in) return;
    Affine affine;
    affine.set(stats, weight, bias, eps, c.lane);
    float mean[V], steep[V];
#pragma unroll
    for (int i = 0; i < V; i++) {
        mean[i] = dbias[c.lane + i] / (float)rows;
        steep[i] = dweight[c.lane + i] / (float)rows * affine.inverse[i];
    }
    with_tail(activation, slope, [&](auto a) {
        for (size_t row = c.row; row < rows; row += c.step) {
            size_t at = row * channels + c.lane;
            float g[V], v[V];
            load(dz + at, g);
            load(x + at, v);
#pragma unroll
            for (int i = 0; i < V; i++) {
                g[i] = a.gradient(affine.of(v[i], i), g[i]);
                g[i] = (g[i] - mean[i] - (v[i] - affine.mean[i]) * steep[i]) * affine.scale[i];
            }
            store(dx + at, g);
        }
    });
}
