// The three convolutions: what is asked is checked and queued, algorithms are told.

#include "cudnn.h"

#include <cstdint>
#include <cstring>
#include <utility>

namespace {

constexpr size_t WORKSPACE = 4096;

// All three structs of cuDNN's that tell of an algorithm are laid out like this one.
struct Perf {
    unsigned algorithm;
    Status status;
    float time;
    size_t memory;
    unsigned determinism, math;
    int reserved[3];
};

// A convolution as given: `x` and `y` (or their gradients), `w`.
struct Given {
    const Handle* handle;
    const Tensor* x;
    const Filter* w;
    const Convolution* conv;
    const Tensor* y;
};

// The strides in memory of a format, as cudnnSetTensor4dDescriptor has them.
void strides(Format format, const int* size, size_t* to) {
    size_t c = size_t(size[1]), h = size_t(size[2]), w = size_t(size[3]);
    size_t nchw[] = {c * h * w, h * w, w, 1}, nhwc[] = {h * w * c, 1, w * c, c};
    memcpy(to, format == NCHW ? nchw : nhwc, sizeof nchw);
}

// Where a size is 1 its stride does not matter.
bool lies_as(const Tensor& t, Format format) {
    size_t expected[4];
    strides(format, t.size, expected);
    for (int i = 0; i < 4; i++) {
        if (t.size[i] > 1 && size_t(t.stride[i]) != expected[i]) return false;
    }
    return true;
}

int outputs(int size, int filter, int pad, int stride, int dilation) {
    return (size + 2 * pad - dilation * (filter - 1) - 1) / stride + 1;
}

Status check(const Given& g, Sizes& z) {
    if (!g.handle || !g.x || !g.w || !g.conv || !g.y) return BAD_PARAM;
    const Tensor &x = *g.x, &y = *g.y;
    const Filter& w = *g.w;
    const Convolution& c = *g.conv;
    // A descriptor that was created and never set has no sizes.
    if (x.size[0] == 0 || y.size[0] == 0 || w.size[0] == 0 || c.stride[0] == 0) return BAD_PARAM;
    z = {x.size[0], x.size[1], x.size[2], x.size[3],       w.size[0],
         w.size[2], w.size[3], y.size[2], y.size[3],       c.groups,
         {c.pad[0], c.pad[1]}, {c.stride[0], c.stride[1]}, {c.dilation[0], c.dilation[1]}};
    if (z.c % z.groups || z.k % z.groups || w.size[1] != z.c / z.groups) return BAD_PARAM;
    for (int i = 0; i < 2; i++) {
        int span = c.dilation[i] * (w.size[i + 2] - 1) + 1, padded = x.size[i + 2] + 2 * c.pad[i];
        if (span > padded) return BAD_PARAM;
        int count = outputs(x.size[i + 2], w.size[i + 2], c.pad[i], c.stride[i], c.dilation[i]);
        if (y.size[i + 2] != count) return BAD_PARAM;
    }
    if (y.size[0] != z.n || y.size[1] != z.k) return BAD_PARAM;
    if (x.type != w.type || y.type != w.type) return NOT_SUPPORTED;
    return lies_as(x, w.format) && lies_as(y, w.format) ? SUCCESS : NOT_SUPPORTED;
}

Array array(Type type, Format format, const int* size) {
    Array a = {type, {size[0], size[1], size[2], size[3]}, {}};
    strides(format, size, a.stride);
    return a;
}

bool there(const Array& a, const void* p) { return uintptr_t(p) % 16 == 0 && emulated_room(p) >= a.bytes(); }

Status algorithms(const Given& g, Direction direction, int asked, int* returned, Perf* to, size_t workspace) {
    Sizes z;
    Status status = check(g, z);
    if (status != SUCCESS) return status;
    if (!returned || !to || asked < 1) return BAD_PARAM;
    if (g.handle->refuses) return NOT_SUPPORTED;
    Perf first = {1, SUCCESS, 0.01f, WORKSPACE, 1, g.conv->math, {}};
    // Backwards this one adds in any order, on a device.
    Perf second = {0, SUCCESS, 0.02f, 0, direction == FORWARD, g.conv->math, {}};
    if (workspace < WORKSPACE) {
        first.status = ALLOC_FAILED;
        first.time = -1;
        std::swap(first, second);
    }
    *returned = asked < 2 ? 1 : 2;
    to[0] = first;
    if (asked > 1) to[1] = second;
    return SUCCESS;
}

struct Arrays {
    Array x, w, y;
};

Arrays arrays(const Given& g) {
    Format format = g.w->format;
    auto of = [&](const auto* d) { return array(d->type, format, d->size); };
    return {of(g.x), of(g.w), of(g.y)};
}

// As `algorithms`, with memory: what it would write is overwritten. Tries are timed, so that this waits
// for the stream and is done at once.
Status try_algorithms(const Given& g, Direction direction, const void* x, const void* w, const void* y, int asked,
                      int* returned, Perf* to, void* workspace, size_t size) {
    Sizes z;
    Status status = check(g, z);
    if (status != SUCCESS) return status;
    Arrays a = arrays(g);
    if (!there(a.x, x) || !there(a.w, w) || !there(a.y, y)) return BAD_PARAM;
    if (workspace && emulated_room(workspace) < size) return BAD_PARAM;
    status = algorithms(g, direction, asked, returned, to, workspace ? size : 0);
    if (status != SUCCESS) return status;
    if (emulated_finish(g.handle->stream)) return EXECUTION_FAILED;
    const void* written[] = {y, x, w};
    size_t bytes[] = {a.y.bytes(), a.x.bytes(), a.w.bytes()};
    memset(const_cast<void*>(written[direction]), 0xff, bytes[direction]);
    if (workspace) memset(workspace, 0xff, size);
    return SUCCESS;
}

Status workspace_size(const Given& g, unsigned algorithm, size_t* to) {
    Sizes z;
    Status status = check(g, z);
    if (status != SUCCESS) return status;
    if (!to) return BAD_PARAM;
    if (algorithm > 1 || g.handle->refuses) return NOT_SUPPORTED;
    *to = algorithm == 1 ? WORKSPACE : 0;
    return SUCCESS;
}

Status convolve(const Given& g, Direction direction, const void* alpha, const void* x, const void* w, const void* y,
                unsigned algorithm, void* workspace, size_t size, const void* beta) {
    Sizes z;
    Status status = check(g, z);
    if (status != SUCCESS) return status;
    if (algorithm > 1) return NOT_SUPPORTED;
    Arrays a = arrays(g);
    if (!alpha || !beta || !there(a.x, x) || !there(a.w, w) || !there(a.y, y)) return BAD_PARAM;
    bool bad = size < WORKSPACE || emulated_room(workspace) < size || uintptr_t(workspace) % 16;
    if (algorithm == 1 && bad) return BAD_PARAM;
    auto at = [](const void* p) { return const_cast<void*>(p); };
    bool tf32 = g.w->type == FLOAT && g.conv->math != FMA_MATH;
    float scale = *static_cast<const float*>(alpha), keep = *static_cast<const float*>(beta);
    Job job = {direction, z, a.x, a.w, a.y, at(x), at(w), at(y), scale, keep, tf32,
               algorithm == 1 ? workspace : nullptr, WORKSPACE};
    return queue_job(job, g.handle->stream) ? SUCCESS : EXECUTION_FAILED;
}

// Without a limit on workspace.
constexpr size_t ANY = SIZE_MAX;

}  // namespace

// Forward: x, w to y.

API Status cudnnGetConvolutionForwardAlgorithm_v7(Handle* h, Tensor* x, Filter* w, Convolution* c, Tensor* y, int asked,
                                                  int* returned, Perf* to) {
    return algorithms({h, x, w, c, y}, FORWARD, asked, returned, to, ANY);
}

API Status cudnnFindConvolutionForwardAlgorithmEx(Handle* h, Tensor* x, const void* xp, Filter* w, const void* wp,
                                                  Convolution* c, Tensor* y, void* yp, int asked, int* returned,
                                                  Perf* to, void* workspace, size_t size) {
    return try_algorithms({h, x, w, c, y}, FORWARD, xp, wp, yp, asked, returned, to, workspace, size);
}

API Status cudnnGetConvolutionForwardWorkspaceSize(Handle* h, Tensor* x, Filter* w, Convolution* c, Tensor* y,
                                                   unsigned algorithm, size_t* to) {
    return workspace_size({h, x, w, c, y}, algorithm, to);
}

API Status cudnnConvolutionForward(Handle* h, const void* alpha, Tensor* x, const void* xp, Filter* w, const void* wp,
                                   Convolution* c, unsigned algorithm, void* workspace, size_t size, const void* beta,
                                   Tensor* y, void* yp) {
    return convolve({h, x, w, c, y}, FORWARD, alpha, xp, wp, yp, algorithm, workspace, size, beta);
}

// Backward data: w, dy to dx.

API Status cudnnGetConvolutionBackwardDataAlgorithm_v7(Handle* h, Filter* w, Tensor* dy, Convolution* c, Tensor* dx,
                                                       int asked, int* returned, Perf* to) {
    return algorithms({h, dx, w, c, dy}, DATA, asked, returned, to, ANY);
}

API Status cudnnFindConvolutionBackwardDataAlgorithmEx(Handle* h, Filter* w, const void* wp, Tensor* dy,
                                                       const void* dyp, Convolution* c, Tensor* dx, void* dxp,
                                                       int asked, int* returned, Perf* to, void* workspace,
                                                       size_t size) {
    return try_algorithms({h, dx, w, c, dy}, DATA, dxp, wp, dyp, asked, returned, to, workspace, size);
}

API Status cudnnGetConvolutionBackwardDataWorkspaceSize(Handle* h, Filter* w, Tensor* dy, Convolution* c, Tensor* dx,
                                                        unsigned algorithm, size_t* to) {
    return workspace_size({h, dx, w, c, dy}, algorithm, to);
}

API Status cudnnConvolutionBackwardData(Handle* h, const void* alpha, Filter* w, const void* wp, Tensor* dy,
                                        const void* dyp, Convolution* c, unsigned algorithm, void* workspace,
                                        size_t size, const void* beta, Tensor* dx, void* dxp) {
    return convolve({h, dx, w, c, dy}, DATA, alpha, dxp, wp, dyp, algorithm, workspace, size, beta);
}

// Backward filter: x, dy to dw.

API Status cudnnGetConvolutionBackwardFilterAlgorithm_v7(Handle* h, Tensor* x, Tensor* dy, Convolution* c, Filter* dw,
                                                         int asked, int* returned, Perf* to) {
    return algorithms({h, x, dw, c, dy}, FILTER, asked, returned, to, ANY);
}

API Status cudnnFindConvolutionBackwardFilterAlgorithmEx(Handle* h, Tensor* x, const void* xp, Tensor* dy,
                                                         const void* dyp, Convolution* c, Filter* dw, void* dwp,
                                                         int asked, int* returned, Perf* to, void* workspace,
                                                         size_t size) {
    return try_algorithms({h, x, dw, c, dy}, FILTER, xp, dwp, dyp, asked, returned, to, workspace, size);
}

API Status cudnnGetConvolutionBackwardFilterWorkspaceSize(Handle* h, Tensor* x, Tensor* dy, Convolution* c, Filter* dw,
                                                          unsigned algorithm, size_t* to) {
    return workspace_size({h, x, dw, c, dy}, algorithm, to);
}

API Status cudnnConvolutionBackwardFilter(Handle* h, const void* alpha, Tensor* x, const void* xp, Tensor* dy,
                                          const void* dyp, Convolution* c, unsigned algorithm, void* workspace,
                                          size_t size, const void* beta, Filter* dw, void* dwp) {
    return convolve({h, x, dw, c, dy}, FILTER, alpha, xp, dwp, dyp, algorithm, workspace, size, beta);
}
