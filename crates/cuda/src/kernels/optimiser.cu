// Steps of the optimisers over all parameters in one launch, and what is done to gradients before.

// A parameter. Its gradient and its copy for the kernels may be activations' type, and may have rows
// longer than its own, zeros behind.
struct Parameter {
    float* weight;
    float* first;
    float* second;
    const void* grad;
    const unsigned char* mask;
    void* copy;
    int count, row, grad_row, copy_row;
    // Whether gradient and copy are of the activations' type, else f32.
    int grad_narrow, copy_narrow;
};

// Which parameter a block works on, and where it begins.
struct Piece {
    int parameter, first;
};

// Values of a piece.
#define PIECE 4096

// Where value i of the parameter lies in rows of another length.
__device__ __forceinline__ size_t padded(int i, int row, int other) {
    return row == other ? i : (size_t)(i / row) * other + i % row;
}

// The gradient of value i, within +-limit, 0 where it is masked; NaN stays NaN.
__device__ __forceinline__ float gradient(const Parameter& p, int i, float limit) {
    if (p.mask && !p.mask[i]) return 0;
    size_t at = padded(i, p.row, p.grad_row);
    float g = p.grad_narrow ? to_float(((const T*)p.grad)[at]) : ((const float*)p.grad)[at];
    return g > limit ? limit : g < -limit ? -limit : g;
}

__device__ __forceinline__ void copy_out(const Parameter& p, int i, float w) {
    if (!p.copy) return;
    size_t at = padded(i, p.row, p.copy_row);
    if (p.copy_narrow) {
        from_float(w, ((T*)p.copy)[at]);
    } else {
        ((float*)p.copy)[at] = w;
    }
}

// The sum of squares of each piece's gradients.
extern "C" __global__ void squares(
    const Parameter* parameters, const Piece* pieces, float limit, double* partial) {
    __shared__ double shared[BLOCK];
    Piece piece = pieces[blockIdx.x];
    const Parameter p = parameters[piece.parameter];
    int end = piece.first + PIECE < p.count ? piece.first + PIECE : p.count;
    double sum = 0;
    for (int i = piece.first + threadIdx.x; i < end; i += blockDim.x) {
        float g = gradient(p, i, limit);
        sum += (double)g * g;
    }
    sum = sum_block(sum, shared);
    if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

// What gradients are multiplied by so that their norm does not exceed `limit`:
// min(1, limit / (norm + 1e-6)). A norm that is no number changes nothing. One block.
extern "C" __global__ void clip_factor(const double* partial, int count, float limit, float* factor) {
    __shared__ double shared[BLOCK];
    double sum = 0;
    for (int i = threadIdx.x; i < count; i += blockDim.x) sum += partial[i];
    double norm = sqrt(sum_block(sum, shared));
    if (threadIdx.x == 0) {
        double f = limit / (norm + 1e-6);
        factor[0] = f < 1 ? (float)f : 1.0f;
    }
}

// Gradient descent with momentum: velocity = momentum * velocity + grad + decay * weight; the weight
// moves by lr along the velocity or, with Nesterov, along what one more such step would be.
extern "C" __global__ void sgd(
    const Parameter* parameters, const Piece* pieces, const float* factor, float limit, float lr,
    float momentum, float decay, int nesterov) {
    Piece piece = pieces[blockIdx.x];
    const Parameter p = parameters[piece.parameter];
    int end = piece.first + PIECE < p.count ? piece.first + PIECE : p.count;
    for (int i = piece.first + threadIdx.x; i < end; i += blockDim.x) {
        float w = 0, v = 0;
        if (!p.mask || p.mask[i]) {
            w = p.weight[i];
            float g = gradient(p, i, limit) * (factor ? factor[0] : 1.0f) + decay * w;
            v = momentum * p.first[i] + g;
            w -= lr * (nesterov ? g + momentum * v : v);
        }
        p.weight[i] = w;
        p.first[i] = v;
        copy_out(p, i, w);
    }
}

// Adam, its moments corrected for their start at 0: `size` is the learning rate over the first's
// correction, `root` the root of the second's; `shrink` is AdamW's factor on the weight.
extern "C" __global__ void adam(
    const Parameter* parameters, const Piece* pieces, const float* factor, float limit, float size,
    float root, float beta1, float beta2, float eps, float penalty, float shrink) {
    Piece piece = pieces[blockIdx.x];
    const Parameter p = parameters[piece.parameter];
    int end = piece.first + PIECE < p.count ? piece.first + PIECE : p.count;
    for (int i = piece.first + threadIdx.x; i < end; i += blockDim.x) {
        float w = 0, m = 0, s = 0;
        if (!p.mask || p.mask[i]) {
            w = p.weight[i] * shrink;
            float g = gradient(p, i, limit) * (factor ? factor[0] : 1.0f) + penalty * w;
            m = beta1 * p.first[i] + (1.0f - beta1) * g;
            s = beta2 * p.second[i] + (1.0f - beta2) * g * g;
            w -= size * m / (sqrtf(s) / root + eps);
        }
        p.weight[i] = w;
        p.first[i] = m;
        p.second[i] = s;
        copy_out(p, i, w);
    }
}

// first = decay * first + (1 - decay) * weight: the moving average of each parameter.
extern "C" __global__ void follow(const Parameter* parameters, const Piece* pieces, float decay) {
    Piece piece = pieces[blockIdx.x];
    const Parameter p = parameters[piece.parameter];
    int end = piece.first + PIECE < p.count ? piece.first + PIECE : p.count;
    for (int i = piece.first + threadIdx.x; i < end; i += blockDim.x) {
        p.first[i] = decay * p.first[i] + (1.0f - decay) * p.weight[i];
    }
}

// The copies of all weights, as they are.
extern "C" __global__ void copy(const Parameter* parameters, const Piece* pieces) {
    Piece piece = pieces[blockIdx.x];
    const Parameter p = parameters[piece.parameter];
    int end = piece.first + PIECE < p.count ? piece.first + PIECE : p.count;
    for (int i = piece.first + threadIdx.x; i < end; i += blockDim.x) copy_out(p, i, p.weight[i]);
}
