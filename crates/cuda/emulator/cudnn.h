// The stand-in for libcudnn, the older interface of convolutions: what its files share.
#pragma once

#include <cstddef>
#include <vector>

#define API extern "C" __attribute__((visibility("default")))

// Of libcuda: bytes behind an address of the device; a call of `f` with a copy of `block` in a stream's
// order; an end to all that a stream was given. (0 is success.)
extern "C" size_t emulated_room(const void* p);
extern "C" unsigned emulated_queue(void* stream, const char* name, void (*f)(const void* block), const void* block,
                                   size_t size);
extern "C" unsigned emulated_finish(void* stream);

enum Status : unsigned {
    SUCCESS = 0,
    BAD_PARAM = 2000,
    NOT_SUPPORTED = 3000,
    // What cuDNN 9 calls a failed allocation: of an algorithm whose workspace was too small.
    ALLOC_FAILED = 4003,
    EXECUTION_FAILED = 5000,
};

enum Type : unsigned { FLOAT = 0, BFLOAT16 = 9 };
enum Format : unsigned { NCHW = 0, NHWC = 1 };
enum Direction { FORWARD, DATA, FILTER };
enum : unsigned { CROSS_CORRELATION = 1, FMA_MATH = 3 };

struct Handle {
    void* stream;
    // EMULATED_CUDNN_REFUSES: no algorithm is ever found.
    bool refuses;
};

// Sizes and strides in the order n, c, h, w.
struct Tensor {
    Type type;
    int size[4], stride[4];
};

// Sizes in the order k, c, r, s.
struct Filter {
    Type type;
    Format format;
    int size[4];
};

struct Convolution {
    int pad[2], stride[2], dilation[2];
    unsigned mode, type, math;
    int groups;
};

// A convolution whose sizes agree. Arrays lie as NHWC and KRSC here.
struct Sizes {
    int n, c, h, w, k, r, s, oh, ow, groups;
    int pad[2], stride[2], dilation[2];
};

// Sums in a fixed order. What they write is zero before.
void sum_forward(const Sizes& z, const float* x, const float* w, float* y);
void sum_data(const Sizes& z, const float* w, const float* dy, float* dx);
void sum_filter(const Sizes& z, const float* x, const float* dy, float* dw);

// An array on the device: strides in the order n, c, h, w, whatever the order in memory.
struct Array {
    Type type;
    int size[4];
    size_t stride[4];
    size_t count() const;
    size_t bytes() const;
};

// Values in the order n, h, w, c, as f32; rounded to TF32 if asked.
std::vector<float> load(const Array& a, const void* from, bool tf32);
// `to = alpha * values + beta * to`, rounded to the type. With beta 0 nothing is read.
void store(const Array& a, void* to, const std::vector<float>& values, float alpha, float beta);

// A convolution that was checked, with all it needs: it is copied into the queue.
struct Job {
    Direction direction;
    Sizes sizes;
    Array x, w, y;
    void *xp, *wp, *yp;
    float scale, keep;
    bool tf32;
    // What a device would overwrite; or null.
    void* workspace;
    size_t workspace_size;
};

// False if the stream is none.
bool queue_job(const Job& job, void* stream);
