// Initialisation, devices and contexts, names of errors.

#include "driver.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "driver_work.h"

namespace {

constexpr int MOST_DEVICES = 16;

std::mutex lock;
bool initialized = false;
int devices = 1, version = 13000;
size_t total = size_t(4) << 30;
Context primary[MOST_DEVICES];
thread_local Context* bound = nullptr;

long long number(const char* name, long long otherwise) {
    const char* text = getenv(name);
    return text && *text ? atoll(text) : otherwise;
}

bool exists(Device d) { return d >= 0 && d < devices; }

}  // namespace

void die(const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("emulated CUDA: ", stderr);
    if (const Work* work = work_running()) fprintf(stderr, "%s: ", work->name.c_str());
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    abort();
}

size_t memory_total() { return total; }

Context* current(Result& error) {
    if (work_running()) {
        error = NOT_PERMITTED;
        return nullptr;
    }
    error = !initialized ? NOT_INITIALIZED : INVALID_CONTEXT;
    // A context that was released by its last owner is none.
    return initialized && bound && bound->retained > 0 ? bound : nullptr;
}

API Result cuInit(unsigned flags) {
    std::lock_guard<std::mutex> guard(lock);
    if (flags) return INVALID_VALUE;
    if (!initialized) {
        devices = int(number("EMULATED_DEVICES", 1));
        version = int(number("EMULATED_DRIVER", 13000));
        total = size_t(number("EMULATED_MEMORY", 4LL << 30));
        if (devices > MOST_DEVICES) devices = MOST_DEVICES;
        for (int d = 0; d < devices; d++) primary[d].device = d;
    }
    if (devices <= 0) return NO_DEVICE;
    initialized = true;
    return SUCCESS;
}

API Result cuDriverGetVersion(int* to) {
    // May be asked before `cuInit`.
    *to = initialized ? version : int(number("EMULATED_DRIVER", 13000));
    return SUCCESS;
}

API Result cuDeviceGetCount(int* to) {
    if (!initialized) return NOT_INITIALIZED;
    *to = devices;
    return SUCCESS;
}

API Result cuDeviceGet(Device* to, int ordinal) {
    if (!initialized) return NOT_INITIALIZED;
    if (!exists(ordinal)) return INVALID_DEVICE;
    *to = ordinal;
    return SUCCESS;
}

API Result cuDeviceGetName(char* to, int length, Device d) {
    if (!exists(d)) return INVALID_DEVICE;
    if (!to || length <= 0) return INVALID_VALUE;
    snprintf(to, size_t(length), "Emulated device");
    return SUCCESS;
}

API Result cuDeviceGetUuid_v2(char* to, Device d) {
    if (!exists(d)) return INVALID_DEVICE;
    memcpy(to, "emulated device", 16);
    to[15] = char('0' + d);
    return SUCCESS;
}

API Result cuDeviceGetUuid(char* to, Device d) { return cuDeviceGetUuid_v2(to, d); }

API Result cuDeviceTotalMem_v2(size_t* to, Device d) {
    if (!exists(d)) return INVALID_DEVICE;
    *to = total;
    return SUCCESS;
}

API Result cuDeviceGetAttribute(int* to, int attribute, Device d) {
    if (!initialized) return NOT_INITIALIZED;
    if (!exists(d)) return INVALID_DEVICE;
    switch (attribute) {
        case 1: case 2: case 3: *to = 1024; break;  // threads: a block, its x, its y
        case 4: *to = 64; break;                    // its z
        case 5: *to = 0x7fffffff; break;            // blocks: x, y, z
        case 6: case 7: *to = 65535; break;
        case 8: *to = 49152; break;                 // shared memory of a block
        case 97: *to = EMULATED_DYNAMIC; break;     // the same, where a kernel asks for it
        case 10: *to = 32; break;                   // warp
        case 16: *to = 132; break;                  // multiprocessors
        case 41: *to = 1; break;                    // unified addressing
        case 75: *to = 9; break;                    // compute capability
        case 76: *to = 0; break;
        case 115: *to = 1; break;                   // memory pools
        default: *to = 0;
    }
    return SUCCESS;
}

API Result cuDevicePrimaryCtxRetain(Context** to, Device d) {
    if (!initialized) return NOT_INITIALIZED;
    if (!exists(d)) return INVALID_DEVICE;
    std::lock_guard<std::mutex> guard(lock);
    primary[d].retained++;
    *to = &primary[d];
    return SUCCESS;
}

API Result cuDevicePrimaryCtxReset_v2(Device d) {
    if (!exists(d)) return INVALID_DEVICE;
    work_finish_all(d);
    memory_free_all(d);
    return SUCCESS;
}

API Result cuDevicePrimaryCtxRelease_v2(Device d) {
    if (!exists(d)) return INVALID_DEVICE;
    std::lock_guard<std::mutex> guard(lock);
    if (primary[d].retained == 0) return INVALID_CONTEXT;
    if (--primary[d].retained > 0) return SUCCESS;
    // With its last owner a context goes, and all of its memory; what was queued is done before.
    work_finish_all(d);
    memory_free_all(d);
    return SUCCESS;
}

API Result cuDevicePrimaryCtxSetFlags_v2(Device d, unsigned flags) {
    if (!exists(d)) return INVALID_DEVICE;
    primary[d].flags = flags;
    return SUCCESS;
}

API Result cuDevicePrimaryCtxGetState(Device d, unsigned* flags, int* active) {
    if (!exists(d)) return INVALID_DEVICE;
    *flags = primary[d].flags;
    *active = primary[d].retained > 0;
    return SUCCESS;
}

API Result cuCtxSetCurrent(Context* context) {
    if (!initialized) return NOT_INITIALIZED;
    bound = context;
    return SUCCESS;
}

API Result cuCtxGetCurrent(Context** to) {
    if (!initialized) return NOT_INITIALIZED;
    *to = bound;
    return SUCCESS;
}

API Result cuCtxGetDevice(Device* to) {
    NEEDS_CONTEXT(context);
    *to = context->device;
    return SUCCESS;
}

API Result cuCtxSetFlags(unsigned flags) {
    NEEDS_CONTEXT(context);
    context->flags = flags;
    return SUCCESS;
}

API Result cuCtxGetFlags(unsigned* to) {
    NEEDS_CONTEXT(context);
    *to = context->flags;
    return SUCCESS;
}

API Result cuCtxGetStreamPriorityRange(int* least, int* greatest) {
    NEEDS_CONTEXT(context);
    if (least) *least = 0;
    if (greatest) *greatest = -5;
    return SUCCESS;
}

namespace {

struct Name {
    Result value;
    const char *name, *text;
};

constexpr Name NAMES[] = {
    {SUCCESS, "CUDA_SUCCESS", "no error"},
    {INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {INVALID_PTX, "CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"},
    {FILE_NOT_FOUND, "CUDA_ERROR_FILE_NOT_FOUND", "file not found"},
    {INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {NOT_READY, "CUDA_ERROR_NOT_READY", "device not ready"},
    {NOT_PERMITTED, "CUDA_ERROR_NOT_PERMITTED", "operation not permitted"},
    {NOT_SUPPORTED, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
};

Result find_name(Result error, const char* Name::*part, const char** to) {
    for (const Name& n : NAMES) {
        if (n.value == error) {
            *to = n.*part;
            return SUCCESS;
        }
    }
    *to = nullptr;
    return INVALID_VALUE;
}

}  // namespace

API Result cuGetErrorName(Result error, const char** to) { return find_name(error, &Name::name, to); }
API Result cuGetErrorString(Result error, const char** to) { return find_name(error, &Name::text, to); }
