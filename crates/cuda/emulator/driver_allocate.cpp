// The calls that allocate and free; pools.

#include <string>

#include "driver_memory.h"
#include "driver_work.h"

namespace {

unsigned long long kept[16];

// Where there is no room, what is queued may give some back.
Result allocate(Pointer* to, size_t size, Device device) {
    Result result = memory_allocate(to, size, device, false);
    if (result != OUT_OF_MEMORY || size > memory_total()) return result;
    work_finish_all(device);
    return memory_allocate(to, size, device, false);
}

}  // namespace

API Result cuMemGetInfo_v2(size_t* unused, size_t* total) {
    NEEDS_CONTEXT(context);
    *total = memory_total();
    *unused = *total - memory_used(context->device);
    return SUCCESS;
}

API Result cuMemAlloc_v2(Pointer* to, size_t size) {
    NEEDS_CONTEXT(context);
    return allocate(to, size, context->device);
}

API Result cuMemAllocAsync(Pointer* to, size_t size, void* stream) {
    NEEDS_CONTEXT(context);
    return stream_of(stream) ? allocate(to, size, context->device) : INVALID_HANDLE;
}

API Result cuMemFree_v2(Pointer p) {
    NEEDS_CONTEXT(context);
    size_t size;
    if (!p) return SUCCESS;
    if (memory_leave(p, &size) != SUCCESS) return INVALID_VALUE;
    work_finish_all(context->device);
    return memory_release(p, false);
}

API Result cuMemFreeAsync(Pointer p, void* handle) {
    NEEDS_CONTEXT(context);
    Stream* stream = stream_of(handle);
    if (!stream) return INVALID_HANDLE;
    size_t size;
    if (!p) return SUCCESS;
    if (memory_leave(p, &size) != SUCCESS) return INVALID_VALUE;
    work_give(stream, {"free of " + std::to_string(size) + " bytes", [p] { memory_release(p, false); }});
    return SUCCESS;
}

API Result cuMemHostAlloc(void** to, size_t size, unsigned) {
    NEEDS_CONTEXT(context);
    Pointer p = 0;
    Result result = to ? memory_allocate(&p, size, context->device, true) : INVALID_VALUE;
    if (result == SUCCESS) *to = reinterpret_cast<void*>(uintptr_t(p));
    return result;
}

API Result cuMemAllocHost_v2(void** to, size_t size) { return cuMemHostAlloc(to, size, 0); }

// Waits for nothing: what still uses the memory is found out.
API Result cuMemFreeHost(void* p) {
    NEEDS_CONTEXT(context);
    return memory_release(Pointer(uintptr_t(p)), true);
}

// Pools: a device has its default one, whose handle is the address of its threshold.

API Result cuDeviceGetDefaultMemPool(unsigned long long** to, Device d) {
    if (d < 0 || d >= 16) return INVALID_DEVICE;
    *to = &kept[d];
    return SUCCESS;
}

API Result cuDeviceGetMemPool(unsigned long long** to, Device d) { return cuDeviceGetDefaultMemPool(to, d); }

API Result cuMemPoolSetAttribute(unsigned long long* pool, int attribute, void* value) {
    if (!pool || !value) return INVALID_VALUE;
    if (attribute == 4) *pool = *static_cast<unsigned long long*>(value);
    return SUCCESS;
}

API Result cuMemPoolGetAttribute(unsigned long long* pool, int attribute, void* value) {
    if (!pool || !value || attribute < 4 || attribute > 8) return INVALID_VALUE;
    auto device = Device(pool - kept);
    unsigned long long now = memory_used(device), most = memory_highest(device);
    // Threshold; reserved now and at most; used now and at most.
    unsigned long long values[] = {*pool, now, most, now, most};
    *static_cast<unsigned long long*>(value) = values[attribute - 4];
    return SUCCESS;
}

API Result cuMemPoolTrimTo(unsigned long long* pool, size_t) { return pool ? SUCCESS : INVALID_VALUE; }
