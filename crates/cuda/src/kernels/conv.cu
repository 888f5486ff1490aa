// Convolutions that cuDNN does not serve: depthwise ones, and plain loops for any shape that it
// refuses (few or odd channels). Weights of a depthwise convolution lie as (taps, channels), others
// as (outputs, rows, columns, inputs of a group).

// Sizes of a convolution. `c` and `k` are all channels in and out.
struct Conv {
    int n, h, w, c, k, oh, ow, groups;
    Axis down, across;
};

// y[n, oy, ox, c] = sum over taps of x[n, down.pixel(oy, r), across.pixel(ox, s), c] * weight[r, s, c]
extern "C" __global__ void depthwise(
    const T* x, const T* weight, T* y, size_t packs, const Conv v) {
    int lanes = v.c / V;
    for (size_t i = thread_index(); i < packs; i += thread_count()) {
        int lane = i % lanes * V;
        size_t pixel = i / lanes, image = pixel / (v.oh * v.ow);
        int oy = pixel / v.ow % v.oh, ox = pixel % v.ow;
        float sums[V] = {};
        for (int r = 0; r < v.down.kernel; r++) {
            int iy = v.down.pixel(oy, r);
            if (iy < 0 || iy >= v.h) continue;
            for (int s = 0; s < v.across.kernel; s++) {
                int ix = v.across.pixel(ox, s);
                if (ix < 0 || ix >= v.w) continue;
                float a[V], b[V];
                load(x + ((image * v.h + iy) * v.w + ix) * v.c + lane, a);
                load(weight + (r * v.across.kernel + s) * (size_t)v.c + lane, b);
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
        for (int r = 0; r < v.down.kernel; r++) {
            int oy = v.down.window(iy, r);
            if (oy < 0 || oy >= v.oh) continue;
            for (int s = 0; s < v.across.kernel; s++) {
                int ox = v.across.window(ix, s);
                if (ox < 0 || ox >= v.ow) continue;
                float a[V], b[V];
                load(dy + ((image * v.oh + oy) * v.ow + ox) * v.c + lane, a);
                load(weight + (r * v.across.kernel + s) * (size_t)v.c + lane, b);
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
    for (int first = 0; first < v.across.kernel; first += TAPS) {
        float sums[TAPS][V] = {};
        for (size_t row = c.in ? c.row : rows; row < rows; row += c.step) {
            int iy = v.down.pixel(row / v.ow % v.oh, r);
            if (iy < 0 || iy >= v.h) continue;
            int left = v.across.pixel(row % v.ow, first);
            size_t line = (row / (v.oh * v.ow) * v.h + iy) * v.w;
            float a[V], b[V];
            load(dy + row * v.c + c.lane, a);
#pragma unroll
            for (int s = 0; s < TAPS; s++) {
                int ix = left + s * v.across.dilation;
                if (first + s >= v.across.kernel || ix < 0 || ix >= v.w) continue;
                load(x + (line + ix) * v.c + c.lane, b);
#pragma unroll
                for (int k = 0; k < V; k++) sums[s][k] += a[k] * b[k];
            }
        }
#pragma unroll
        for (int s = 0; s < TAPS; s++) {
            if (first + s >= v.across.kernel) break;
            sum_column(sums[s], shared);
            if (c.in && threadIdx.y == 0) {
                size_t tap = (blockIdx.x * (size_t)v.down.kernel + r) * v.across.kernel + first + s;
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
        for (int r = 0; r < v.down.kernel; r++) {
            int iy = v.down.pixel(oy, r);
            if (iy < 0 || iy >= v.h) continue;
            for (int s = 0; s < v.across.kernel; s++) {
                int ix = v.across.pixel(ox, s);
                if (ix < 0 || ix >= v.w) continue;
                const T* from = x + ((image * v.h + iy) * v.w + ix) * v.c + first;
                const T* w = weight + ((k * (size_t)v.down.kernel + r) * v.across.kernel + s) * inputs;
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
        for (int r = 0; r < v.down.kernel; r++) {
            int oy = v.down.window(iy, r);
            if (oy < 0 || oy >= v.oh) continue;
            for (int s = 0; s < v.across.kernel; s++) {
                int ox = v.across.window(ix, s);
                if (ox < 0 || ox >= v.ow) continue;
                const T* from = dy + ((image * v.oh + oy) * v.ow + ox) * v.k + first;
                for (int k = 0; k < outputs; k++) {
                    size_t row = ((first + k) * (size_t)v.down.kernel + r) * v.across.kernel + s;
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
        int s = row % v.across.kernel, r = row / v.across.kernel % v.down.kernel;
        int k = row / v.across.kernel / v.down.kernel;
        int c = k / outputs * inputs + i % inputs;
        float sum = 0;
        for (int image = blockIdx.y; image < v.n; image += gridDim.y) {
            for (int oy = 0; oy < v.oh; oy++) {
                int iy = v.down.pixel(oy, r);
                if (iy < 0 || iy >= v.h) continue;
                for (int ox = 0; ox < v.ow; ox++) {
                    int ix = v.across.pixel(ox, s);
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
