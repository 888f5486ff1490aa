// Convolutions that cuDNN does not serve: depthwise ones, and plain loops for any shape that it
// refuses (few or odd channels). Weights of a depthwise convolution lie as (taps, channels), others
// as (outputs, kernel, kernel, inputs of a group).

// Sizes of a convolution. `c` and `k` are all channels in and out.
struct Conv {
    int n, h, w, c, k, oh, ow, kernel, stride, padding, groups;
};

// y[n, oy, ox, c] = sum over taps of x[n, oy * stride - padding + r, .., c] * weight[r, s, c]
extern "C" __global__ void depthwise(
    const T* x, const T* weight, T* y, size_t packs, const Conv v) {
    int lanes = v.c / V;
    for (size_t i = thread_index(); i < packs; i += thread_count()) {
        int lane = i % lanes * V;
        size_t pixel = i / lanes, image = pixel / (v.oh * v.ow);
        int oy = pixel / v.ow % v.oh, ox = pixel % v.ow;
        float sums[V] = {};
        for (int r = 0; r < v.kernel; r++) {
            int iy = oy * v.stride - v.padding + r;
            if (iy < 0 || iy >= v.h) continue;
            for (int s = 0; s < v.kernel; s++) {
                int ix = ox * v.stride - v.padding + s;
                if (ix < 0 || ix >= v.w) continue;
                float a[V], b[V];
                load(x + ((image * v.h + iy) * v.w + ix) * v.c + lane, a);
                load(weight + (r * v.kernel + s) * (size_t)v.c + lane, b);
#pragma unroll
                for (int k = 0; k < V; k++) sums[k] += a[k] * b[k];
            }
        }
        store(y + i * V, sums);
    }
}

// dx[n, y, x, c] = sum over the windows that hold the pixel of dy * weight at its tap
extern "C" __global__ void depthwise_input_grad(
    const T* dy, const T* weight, T* dx, size_t packs, const Conv v) {
    int lanes = v.c / V;
    for (size_t i = thread_index(); i < packs; i += thread_count()) {
        int lane = i % lanes * V;
        size_t pixel = i / lanes, image = pixel / (v.h * v.w);
        int iy = pixel / v.w % v.h, ix = pixel % v.w;
        float sums[V] = {};
        for (int r = 0; r < v.kernel; r++) {
            int ty = iy + v.padding - r, oy = ty / v.stride;
            if (ty < 0 || ty % v.stride != 0 || oy >= v.oh) continue;
            for (int s = 0; s < v.kernel; s++) {
                int tx = ix + v.padding - s, ox = tx / v.stride;
                if (tx < 0 || tx % v.stride != 0 || ox >= v.ow) continue;
                float a[V], b[V];
                load(dy + ((image * v.oh + oy) * v.ow + ox) * v.c + lane, a);
                load(weight + (r * v.kernel + s) * (size_t)v.c + lane, b);
#pragma unroll
                for (int k = 0; k < V; k++) sums[k] += a[k] * b[k];
            }
        }
        store(dx + i * V, sums);
    }
}

// Taps of a kernel's row whose sums a thread keeps at the same time.
#define TAPS 5

// For each block of output pixels: partial[block, tap, c] = sum of dy * x at the tap. A launch over
// columns whose third dimension is the kernel's row: dy is read once a row of TAPS.
extern "C" __global__ void depthwise_weight_grad(
    const T* dy, const T* x, float* partial, const Conv v) {
    __shared__ float shared[BLOCK * V];
    Column c = column(v.c);
    int r = blockIdx.z;
    size_t rows = (size_t)v.n * v.oh * v.ow;
    for (int first = 0; first < v.kernel; first += TAPS) {
        float sums[TAPS][V] = {};
        for (size_t row = c.in ? c.row : rows; row < rows; row += c.step) {
            int iy = (int)(row / v.ow % v.oh) * v.stride - v.padding + r;
            if (iy < 0 || iy >= v.h) continue;
            int left = (int)(row % v.ow) * v.stride - v.padding + first;
            size_t line = (row / (v.oh * v.ow) * v.h + iy) * v.w;
            float a[V], b[V];
            load(dy + row * v.c + c.lane, a);
#pragma unroll
            for (int s = 0; s < TAPS; s++) {
                int ix = left + s;
                if (first + s >= v.kernel || ix < 0 || ix >= v.w) continue;
                load(x + (line + ix) * v.c + c.lane, b);
#pragma unroll
                for (int k = 0; k < V; k++) sums[s][k] += a[k] * b[k];
            }
        }
#pragma unroll
        for (int s = 0; s < TAPS; s++) {
            if (first + s >= v.kernel) break;
            sum_column(sums[s], shared);
            if (c.in && threadIdx.y == 0) {
                size_t tap = blockIdx.x * (size_t)(v.kernel * v.kernel) + r * v.kernel + first + s;
#pragma unroll
                for (int k = 0; k < V; k++) partial[tap * v.c + c.lane + k] = sums[s][k];
            }
            __syncthreads();
        }
    }
}

// Plain loops: a thread an output.
extern "C" __global__ void direct(const T* x, const T* weight, T* y, size_t count, const Conv v) {
    int inputs = v.c / v.groups, outputs = v.k / v.groups;
    for (size_t i = thread_index(); i < count; i += thread_count()) {
        int k = i % v.k, first = k / outputs * inputs;
        size_t pixel = i / v.k, image = pixel / (v.oh * v.ow);
        int oy = pixel / v.ow % v.oh, ox = pixel % v.ow;
        float sum = 0;
        for (int r = 0; r < v.kernel; r++) {
            int iy = oy * v.stride - v.padding + r;
            if (iy < 0 || iy >= v.h) continue;
            for (int s = 0; s < v.kernel; s++) {
                int ix = ox * v.stride - v.padding + s;
                if (ix < 0 || ix >= v.w) continue;
                const T* from = x + ((image * v.h + iy) * v.w + ix) * v.c + first;
                const T* w = weight + ((k * (size_t)v.kernel + r) * v.kernel + s) * inputs;
                for (int c = 0; c < inputs; c++) sum += to_float(from[c]) * to_float(w[c]);
            }
        }
        from_float(sum, y[i]);
    }
}

// A thread an input.
extern "C" __global__ void direct_input_grad(
    const T* dy, const T* weight, T* dx, size_t count, const Conv v) {
    int inputs = v.c / v.groups, outputs = v.k / v.groups;
    for (size_t i = thread_index(); i < count; i += thread_count()) {
        int c = i % v.c, first = c / inputs * outputs;
        size_t pixel = i / v.c, image = pixel / (v.h * v.w);
        int iy = pixel / v.w % v.h, ix = pixel % v.w;
        float sum = 0;
        for (int r = 0; r < v.kernel; r++) {
            int ty = iy + v.padding - r, oy = ty / v.stride;
            if (ty < 0 || ty % v.stride != 0 || oy >= v.oh) continue;
            for (int s = 0; s < v.kernel; s++) {
                int tx = ix + v.padding - s, ox = tx / v.stride;
                if (tx < 0 || tx % v.stride != 0 || ox >= v.ow) continue;
                const T* from = dy + ((image * v.oh + oy) * v.ow + ox) * v.k + first;
                for (int k = 0; k < outputs; k++) {
                    size_t row = ((first + k) * (size_t)v.kernel + r) * v.kernel + s;
                    sum += to_float(from[k]) * to_float(weight[row * inputs + c % inputs]);
                }
            }
        }
        from_float(sum, dx[i]);
    }
}

// A thread a weight and one part, blockIdx.y, of the images; partial[part, weight].
extern "C" __global__ void direct_weight_grad(
    const T* dy, const T* x, float* partial, size_t count, const Conv v) {
    int inputs = v.c / v.groups, outputs = v.k / v.groups;
    for (size_t i = thread_index(); i < count; i += thread_count()) {
        size_t row = i / inputs;
        int s = row % v.kernel, r = row / v.kernel % v.kernel, k = row / v.kernel / v.kernel;
        int c = k / outputs * inputs + i % inputs;
        float sum = 0;
        for (int image = blockIdx.y; image < v.n; image += gridDim.y) {
            for (int oy = 0; oy < v.oh; oy++) {
                int iy = oy * v.stride - v.padding + r;
                if (iy < 0 || iy >= v.h) continue;
                for (int ox = 0; ox < v.ow; ox++) {
                    int ix = ox * v.stride - v.padding + s;
                    if (ix < 0 || ix >= v.w) continue;
                    size_t to = ((size_t)image * v.oh + oy) * v.ow + ox;
                    size_t from = ((size_t)image * v.h + iy) * v.w + ix;
                    sum += to_float(dy[to * v.k + k]) * to_float(x[from * v.c + c]);
                }
            }
        }
        partial[blockIdx.y * count + i] = sum;
    }
}
