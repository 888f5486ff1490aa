// Handles and descriptors.

#include "cudnn.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

bool known(unsigned type) { return type == FLOAT || type == BFLOAT16; }

bool positive(const int* sizes, int count) {
    for (int i = 0; i < count; i++) {
        if (sizes[i] <= 0) return false;
    }
    return true;
}

template <class T>
Status create(T** to) {
    if (!to) return BAD_PARAM;
    *to = new T();
    return SUCCESS;
}

template <class T>
Status destroy(T* p) {
    delete p;
    return SUCCESS;
}

}  // namespace

API Status cudnnCreate(Handle** to) {
    Status status = create(to);
    const char* refuses = getenv("EMULATED_CUDNN_REFUSES");
    if (status == SUCCESS) (*to)->refuses = refuses && !strcmp(refuses, "1");
    return status;
}

API Status cudnnDestroy(Handle* handle) { return destroy(handle); }

API Status cudnnSetStream(Handle* handle, void* stream) {
    if (!handle) return BAD_PARAM;
    handle->stream = stream;
    return SUCCESS;
}

API Status cudnnGetStream(Handle* handle, void** to) {
    if (!handle || !to) return BAD_PARAM;
    *to = handle->stream;
    return SUCCESS;
}

API size_t cudnnGetVersion() { return 92100; }
API size_t cudnnGetCudartVersion() { return 13000; }

API const char* cudnnGetErrorString(Status status) {
    switch (status) {
        case SUCCESS: return "CUDNN_STATUS_SUCCESS";
        case BAD_PARAM: return "CUDNN_STATUS_BAD_PARAM";
        case NOT_SUPPORTED: return "CUDNN_STATUS_NOT_SUPPORTED";
        case ALLOC_FAILED: return "CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED";
        case EXECUTION_FAILED: return "CUDNN_STATUS_EXECUTION_FAILED";
    }
    return "CUDNN_UNKNOWN_STATUS";
}

API void cudnnGetLastErrorString(char* to, size_t size) {
    if (to && size) snprintf(to, size, "emulated cuDNN keeps no messages");
}

API Status cudnnCreateTensorDescriptor(Tensor** to) { return create(to); }
API Status cudnnDestroyTensorDescriptor(Tensor* t) { return destroy(t); }

API Status cudnnSetTensor4dDescriptorEx(Tensor* t, unsigned type, int n, int c, int h, int w, int n_stride,
                                        int c_stride, int h_stride, int w_stride) {
    int size[] = {n, c, h, w}, stride[] = {n_stride, c_stride, h_stride, w_stride};
    if (!t || !positive(size, 4) || !positive(stride, 4)) return BAD_PARAM;
    if (!known(type)) return NOT_SUPPORTED;
    t->type = Type(type);
    memcpy(t->size, size, sizeof size);
    memcpy(t->stride, stride, sizeof stride);
    return SUCCESS;
}

API Status cudnnSetTensor4dDescriptor(Tensor* t, unsigned format, unsigned type, int n, int c, int h, int w) {
    if (format == NCHW) return cudnnSetTensor4dDescriptorEx(t, type, n, c, h, w, c * h * w, h * w, w, 1);
    if (format == NHWC) return cudnnSetTensor4dDescriptorEx(t, type, n, c, h, w, h * w * c, 1, w * c, c);
    return NOT_SUPPORTED;
}

API Status cudnnGetTensor4dDescriptor(Tensor* t, unsigned* type, int* n, int* c, int* h, int* w, int* n_stride,
                                      int* c_stride, int* h_stride, int* w_stride) {
    if (!t) return BAD_PARAM;
    *type = t->type;
    int* to[] = {n, c, h, w, n_stride, c_stride, h_stride, w_stride};
    for (int i = 0; i < 4; i++) {
        *to[i] = t->size[i];
        *to[i + 4] = t->stride[i];
    }
    return SUCCESS;
}

API Status cudnnCreateFilterDescriptor(Filter** to) { return create(to); }
API Status cudnnDestroyFilterDescriptor(Filter* f) { return destroy(f); }

API Status cudnnSetFilter4dDescriptor(Filter* f, unsigned type, unsigned format, int k, int c, int r, int s) {
    int size[] = {k, c, r, s};
    if (!f || !positive(size, 4)) return BAD_PARAM;
    if (!known(type) || format > NHWC) return NOT_SUPPORTED;
    f->type = Type(type);
    f->format = Format(format);
    memcpy(f->size, size, sizeof size);
    return SUCCESS;
}

API Status cudnnCreateConvolutionDescriptor(Convolution** to) {
    Status status = create(to);
    if (status == SUCCESS) (*to)->groups = 1;
    return status;
}

API Status cudnnDestroyConvolutionDescriptor(Convolution* c) { return destroy(c); }

API Status cudnnSetConvolution2dDescriptor(Convolution* c, int pad_h, int pad_w, int stride_h, int stride_w,
                                           int dilation_h, int dilation_w, unsigned mode, unsigned type) {
    int steps[] = {stride_h, stride_w, dilation_h, dilation_w};
    if (!c || pad_h < 0 || pad_w < 0 || !positive(steps, 4) || mode > CROSS_CORRELATION) return BAD_PARAM;
    // Sums are in f32; a convolution that turns its filter round is not emulated.
    if (type != FLOAT || mode != CROSS_CORRELATION) return NOT_SUPPORTED;
    *c = {{pad_h, pad_w}, {stride_h, stride_w}, {dilation_h, dilation_w}, mode, type, c->math, c->groups};
    return SUCCESS;
}

API Status cudnnSetConvolutionMathType(Convolution* c, unsigned math) {
    if (!c || math > FMA_MATH) return BAD_PARAM;
    c->math = math;
    return SUCCESS;
}

API Status cudnnGetConvolutionMathType(Convolution* c, unsigned* to) {
    if (!c || !to) return BAD_PARAM;
    *to = c->math;
    return SUCCESS;
}

API Status cudnnSetConvolutionGroupCount(Convolution* c, int groups) {
    if (!c || groups < 1) return BAD_PARAM;
    c->groups = groups;
    return SUCCESS;
}

API Status cudnnGetConvolutionGroupCount(Convolution* c, int* to) {
    if (!c || !to) return BAD_PARAM;
    *to = c->groups;
    return SUCCESS;
}
