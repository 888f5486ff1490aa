// Activations, sums, products and changes of type.

// y = f(x), value by value; `count` is of packs, here and below. `y` may be `x`.
template <class F> __device__ __forceinline__ void map(const T* x, T* y, size_t count, F f) {
    for (size_t i = thread_index(); i < count; i += thread_count()) {
        float v[V];
        load(x + i * V, v);
#pragma unroll
        for (int k = 0; k < V; k++) v[k] = f(v[k]);
        store(y + i * V, v);
    }
}

// a = f(a, b), value by value.
template <class F> __device__ __forceinline__ void update(T* a, const T* b, size_t count, F f) {
    for (size_t i = thread_index(); i < count; i += thread_count()) {
        float u[V], v[V];
        load(a + i * V, u);
        load(b + i * V, v);
#pragma unroll
        for (int k = 0; k < V; k++) u[k] = f(u[k], v[k]);
        store(a + i * V, u);
    }
}

// y = activation(x); `y` may be `x`.
extern "C" __global__ void activate(
    const T* x, T* y, size_t count, int activation, float slope) {
    with_activation(activation, slope, [=](auto a) {
        map(x, y, count, [=](float v) { return a.of(v); });
    });
}

// Takes the gradient `dy` through the activation, in place.
extern "C" __global__ void activate_grad(
    T* dy, const T* saved, size_t count, int activation, float slope) {
    with_activation(activation, slope, [=](auto a) {
        update(dy, saved, count, [=](float g, float v) { return a.gradient(v, g); });
    });
}

// out += x
extern "C" __global__ void add(T* out, const T* x, size_t count) {
    update(out, x, count, [](float a, float b) { return a + b; });
}

// y = a * b
extern "C" __global__ void multiply(const T* a, const T* b, T* y, size_t count) {
    for (size_t i = thread_index(); i < count; i += thread_count()) {
        float u[V], v[V];
        load(a + i * V, u);
        load(b + i * V, v);
#pragma unroll
        for (int k = 0; k < V; k++) u[k] *= v[k];
        store(y + i * V, u);
    }
}

// y = x * factor + shift, each a value a channel and either null for none; `y` may be `x`.
extern "C" __global__ void affine(
    const T* x, const float* factor, const float* shift, T* y, size_t rows, int channels) {
    Column c = column(channels);
    if (!c.in) return;
    float a[V], b[V];
#pragma unroll
    for (int i = 0; i < V; i++) {
        a[i] = factor ? factor[c.lane + i] : 1.0f;
        b[i] = shift ? shift[c.lane + i] : 0.0f;
    }
    for (size_t row = c.row; row < rows; row += c.step) {
        size_t at = row * channels + c.lane;
        float v[V];
        load(x + at, v);
#pragma unroll
        for (int i = 0; i < V; i++) v[i] = v[i] * a[i] + b[i];
        store(y + at, v);
    }
}

// For each block the sums of its rows, a channel: of x, or of its products with `factor`.
extern "C" __global__ void row_sums(
    const T* x, const T* factor, size_t rows, int channels, float* partial) {
    __shared__ float shared[BLOCK * V];
    Column c = column(channels);
    float sums[V] = {};
    if (c.in) {
        for (size_t row = c.row; row < rows; row += c.step) {
            float v[V], f[V];
            load(x + row * channels + c.lane, v);
            if (factor) load(factor + row * channels + c.lane, f);
#pragma unroll
            for (int i = 0; i < V; i++) sums[i] += factor ? v[i] * f[i] : v[i];
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

// f32 to activations, rows of `from` values into rows of `to` of them, zeros behind.
extern "C" __global__ void narrow(const float* x, T* y, size_t rows, int from, int to) {
    for (size_t i = thread_index(); i < rows * to; i += thread_count()) {
        int c = i % to;
        from_float(c < from ? x[i / to * from + c] : 0.0f, y[i]);
    }
}
