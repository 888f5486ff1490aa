// Copies and fills. What is named on the device must lie within one live allocation.

#include "driver.h"

#include <algorithm>
#include <cstring>

namespace {

void* bytes(Pointer p) { return reinterpret_cast<void*>(uintptr_t(p)); }

bool lies(Pointer p, size_t size) { return size == 0 || emulated_room(bytes(p)) >= size; }

template <class T>
Result fill(Pointer p, T value, size_t count) {
    NEEDS_CONTEXT(context);
    if (p % sizeof(T) || count > SIZE_MAX / sizeof(T) || !lies(p, count * sizeof(T))) return INVALID_VALUE;
    std::fill_n(static_cast<T*>(bytes(p)), count, value);
    return SUCCESS;
}

Result copy(void* to, const void* from, size_t size, bool ends) {
    NEEDS_CONTEXT(context);
    if (size == 0) return SUCCESS;
    if (!ends || !to || !from) return INVALID_VALUE;
    memmove(to, from, size);
    return SUCCESS;
}

}  // namespace

API Result cuMemcpyHtoD_v2(Pointer to, const void* from, size_t size) {
    return copy(bytes(to), from, size, lies(to, size));
}
API Result cuMemcpyDtoH_v2(void* to, Pointer from, size_t size) {
    return copy(to, bytes(from), size, lies(from, size));
}
API Result cuMemcpyDtoD_v2(Pointer to, Pointer from, size_t size) {
    return copy(bytes(to), bytes(from), size, lies(to, size) && lies(from, size));
}
API Result cuMemcpyHtoDAsync_v2(Pointer to, const void* from, size_t size, void* stream) {
    return stream_lives(stream) ? cuMemcpyHtoD_v2(to, from, size) : INVALID_HANDLE;
}
API Result cuMemcpyDtoHAsync_v2(void* to, Pointer from, size_t size, void* stream) {
    return stream_lives(stream) ? cuMemcpyDtoH_v2(to, from, size) : INVALID_HANDLE;
}
API Result cuMemcpyDtoDAsync_v2(Pointer to, Pointer from, size_t size, void* stream) {
    return stream_lives(stream) ? cuMemcpyDtoD_v2(to, from, size) : INVALID_HANDLE;
}
API Result cuMemcpyPeerAsync(Pointer to, Context*, Pointer from, Context*, size_t size, void* stream) {
    return cuMemcpyDtoDAsync_v2(to, from, size, stream);
}

API Result cuMemsetD8_v2(Pointer p, unsigned char value, size_t count) { return fill(p, value, count); }
API Result cuMemsetD16_v2(Pointer p, unsigned short value, size_t count) { return fill(p, value, count); }
API Result cuMemsetD32_v2(Pointer p, unsigned value, size_t count) { return fill(p, value, count); }
API Result cuMemsetD8Async(Pointer p, unsigned char value, size_t count, void* stream) {
    return stream_lives(stream) ? fill(p, value, count) : INVALID_HANDLE;
}
API Result cuMemsetD16Async(Pointer p, unsigned short value, size_t count, void* stream) {
    return stream_lives(stream) ? fill(p, value, count) : INVALID_HANDLE;
}
API Result cuMemsetD32Async(Pointer p, unsigned value, size_t count, void* stream) {
    return stream_lives(stream) ? fill(p, value, count) : INVALID_HANDLE;
}
