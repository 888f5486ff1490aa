// What all kernels share. Activations are in NHWC order, seen as rows (pixels) of channels;
// parameters, statistics and sums are f32. A source is compiled for the activations' type T, f32 or
// (BF16) bf16, and for V of them at a time: one or (WIDE) 16 bytes of them.

struct bf16 {
    unsigned short bits;
};

#ifdef BF16
typedef bf16 T;
#else
typedef float T;
#endif

#ifdef WIDE
enum { V = 16 / sizeof(T) };
#else
enum { V = 1 };
#endif

__device__ __forceinline__ float to_float(float v) { return v; }
__device__ __forceinline__ float to_float(bf16 v) {
    return __uint_as_float((unsigned)v.bits << 16);
}

__device__ __forceinline__ void from_float(float v, float& out) { out = v; }
// Round to nearest even; a NaN keeps being one.
__device__ __forceinline__ void from_float(float v, bf16& out) {
    unsigned bits = __float_as_uint(v);
    if (v != v) {
        out.bits = (unsigned short)((bits >> 16) | 0x40);
    } else {
        out.bits = (unsigned short)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    }
}

// V activations that are loaded and stored at once.
struct alignas(sizeof(T) * V) Pack {
    T v[V];
};

__device__ __forceinline__ void load(const T* from, float (&to)[V]) {
    Pack pack = *reinterpret_cast<const Pack*>(from);
#pragma unroll
    for (int i = 0; i < V; i++) to[i] = to_float(pack.v[i]);
}

__device__ __forceinline__ void store(T* to, const float (&from)[V]) {
    Pack pack;
#pragma unroll
    for (int i = 0; i < V; i++) from_float(from[i], pack.v[i]);
    *reinterpret_cast<Pack*>(to) = pack;
}

// The index of this thread among all of a launch, and how many there are.
__device__ __forceinline__ size_t thread_index() {
    return blockIdx.x * (size_t)blockDim.x + threadIdx.x;
}
__device__ __forceinline__ size_t thread_count() { return (size_t)gridDim.x * blockDim.x; }

// Where a thread of a launch over columns stands: `lane` is its first channel, none if beyond the
// last; its rows are `row`, `row + step`, ...
struct Column {
    int lane;
    bool in;
    size_t row, step;
};

__device__ __forceinline__ Column column(int channels) {
    Column c;
    c.lane = (blockIdx.y * blockDim.x + threadIdx.x) * V;
    c.in = c.lane < channels;
    c.row = blockIdx.x * (size_t)blockDim.y + threadIdx.y;
    c.step = (size_t)gridDim.x * blockDim.y;
    return c;
}

// Threads of a block, at most.
#define BLOCK 256

// Sums each of the N values over the threads of a column of the block; the first has the sums.
// Every thread of the block must come here. `shared` holds N values for each thread: those of all
// threads side by side, so that they fall into different banks.
template <int N> __device__ __forceinline__ void sum_column(float (&values)[N], float* shared) {
    int width = blockDim.x, self = threadIdx.y * width + threadIdx.x;
#pragma unroll
    for (int i = 0; i < N; i++) shared[i * BLOCK + self] = values[i];
    __syncthreads();
    for (int left = blockDim.y; left > 1;) {
        int half = (left + 1) / 2;
        if ((int)threadIdx.y + half < left) {
#pragma unroll
            for (int i = 0; i < N; i++) {
                shared[i * BLOCK + self] += shared[i * BLOCK + self + half * width];
            }
        }
        __syncthreads();
        left = half;
    }
#pragma unroll
    for (int i = 0; i < N; i++) values[i] = shared[i * BLOCK + self];
}

// The sum over the threads of a block of up to 256 in one dimension, in a fixed order; the first
// has it.
__device__ __forceinline__ double sum_block(double value, double* shared) {
    shared[threadIdx.x] = value;
    __syncthreads();
    for (int left = blockDim.x; left > 1;) {
        int half = (left + 1) / 2;
        if ((int)threadIdx.x + half < left) shared[threadIdx.x] += shared[threadIdx.x + half];
        __syncthreads();
        left = half;
    }
    double sum = shared[0];
    __syncthreads();
    return sum;
}

// Windows along an axis: `kernel` taps, `dilation` pixels apart. There are `before` and `after` zeros
// around the pixels; window `o` begins at pixel `o * stride - before`.
struct Axis {
    int kernel, stride, dilation, before, after;
    // The pixel that tap `tap` of window `o` reads, which may be one of the zeros.
    __device__ __forceinline__ int pixel(int o, int tap) const {
        return o * stride - before + tap * dilation;
    }
    // The window whose tap `tap` reads pixel `at`; negative where there is none.
    __device__ __forceinline__ int window(int at, int tap) const {
        int start = at + before - tap * dilation;
        return start < 0 || start % stride != 0 ? -1 : start / stride;
    }
};
