// Copies and fills. What is named on the device must lie within one live allocation: at the call, and
// when the work's turn comes.

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "driver_memory.h"
#include "driver_work.h"

namespace {

void* bytes(Pointer p) { return reinterpret_cast<void*>(uintptr_t(p)); }

bool lies(Pointer p, size_t size) { return emulated_room(bytes(p)) >= size; }

void check_there(Pointer p, size_t size) {
    if (!memory_there(bytes(p), size)) die("the memory of the device was freed before");
}

std::string copy_of(size_t size, const char* where) { return "copy of " + std::to_string(size) + " bytes " + where; }

bool reads_late() {
    const char* text = getenv("EMULATED_PAGEABLE");
    return text && !strcmp(text, "late");
}

template <class T>
Result fill(Pointer p, T value, size_t count, void* handle) {
    NEEDS_CONTEXT(context);
    Stream* stream = stream_of(handle);
    if (!stream) return INVALID_HANDLE;
    if (p % sizeof(T) || count > SIZE_MAX / sizeof(T)) return INVALID_VALUE;
    size_t size = count * sizeof(T);
    if (size == 0) return SUCCESS;
    if (!lies(p, size)) return INVALID_VALUE;
    work_give(stream, {"fill of " + std::to_string(size) + " bytes", [=] {
        check_there(p, size);
        std::fill_n(static_cast<T*>(bytes(p)), count, value);
    }});
    return SUCCESS;
}

// Pinned memory is read when the copy's turn comes. Of other memory a copy is made now, unless the call
// waits for the device anyway.
Result to_device(Pointer to, const void* from, size_t size, void* handle, bool waits) {
    NEEDS_CONTEXT(context);
    Stream* stream = stream_of(handle);
    if (!stream) return INVALID_HANDLE;
    if (size == 0) return SUCCESS;
    if (!from || !lies(to, size)) return INVALID_VALUE;
    Pinned pinned = memory_hold(from, size);
    if (pinned == Pinned::SHORT) return INVALID_VALUE;
    auto* first = static_cast<const char*>(from);
    std::vector<char> staged;
    if (pinned == Pinned::NOT && !waits && !reads_late()) staged.assign(first, first + size);
    size_t kept = staged.size();
    auto run = [=, staged = std::move(staged)] {
        check_there(to, size);
        memmove(bytes(to), staged.empty() ? from : staged.data(), size);
        if (pinned == Pinned::HELD) memory_let_go(from);
    };
    Place place = work_give(stream, {copy_of(size, "to the device"), std::move(run), {}, kept});
    if (waits) work_reach(place);
    return SUCCESS;
}

// Into pinned memory when the copy's turn comes; for other memory the call waits.
Result to_host(void* to, Pointer from, size_t size, void* handle, bool waits) {
    NEEDS_CONTEXT(context);
    Stream* stream = stream_of(handle);
    if (!stream) return INVALID_HANDLE;
    if (size == 0) return SUCCESS;
    if (!to || !lies(from, size)) return INVALID_VALUE;
    Pinned pinned = memory_hold(to, size);
    if (pinned == Pinned::SHORT) return INVALID_VALUE;
    Place place = work_give(stream, {copy_of(size, "to the host"), [=] {
        check_there(from, size);
        memmove(to, bytes(from), size);
        if (pinned == Pinned::HELD) memory_let_go(to);
    }});
    if (waits || pinned == Pinned::NOT) work_reach(place);
    return SUCCESS;
}

Result on_device(Pointer to, Pointer from, size_t size, void* handle) {
    NEEDS_CONTEXT(context);
    Stream* stream = stream_of(handle);
    if (!stream) return INVALID_HANDLE;
    if (size == 0) return SUCCESS;
    if (!lies(to, size) || !lies(from, size)) return INVALID_VALUE;
    work_give(stream, {copy_of(size, "on the device"), [=] {
        check_there(to, size);
        check_there(from, size);
        memmove(bytes(to), bytes(from), size);
    }});
    return SUCCESS;
}

}  // namespace

// Those without a stream go to the default one. To and from the host they wait; on the device, as is
// documented, they do not.

API Result cuMemcpyHtoD_v2(Pointer to, const void* from, size_t size) {
    return to_device(to, from, size, nullptr, true);
}
API Result cuMemcpyDtoH_v2(void* to, Pointer from, size_t size) { return to_host(to, from, size, nullptr, true); }
API Result cuMemcpyDtoD_v2(Pointer to, Pointer from, size_t size) { return on_device(to, from, size, nullptr); }
API Result cuMemcpyHtoDAsync_v2(Pointer to, const void* from, size_t size, void* stream) {
    return to_device(to, from, size, stream, false);
}
API Result cuMemcpyDtoHAsync_v2(void* to, Pointer from, size_t size, void* stream) {
    return to_host(to, from, size, stream, false);
}
API Result cuMemcpyDtoDAsync_v2(Pointer to, Pointer from, size_t size, void* stream) {
    return on_device(to, from, size, stream);
}
API Result cuMemcpyPeerAsync(Pointer to, Context*, Pointer from, Context*, size_t size, void* stream) {
    return on_device(to, from, size, stream);
}

API Result cuMemsetD8_v2(Pointer p, unsigned char value, size_t count) { return fill(p, value, count, nullptr); }
API Result cuMemsetD16_v2(Pointer p, unsigned short value, size_t count) { return fill(p, value, count, nullptr); }
API Result cuMemsetD32_v2(Pointer p, unsigned value, size_t count) { return fill(p, value, count, nullptr); }
API Result cuMemsetD8Async(Pointer p, unsigned char value, size_t count, void* stream) {
    return fill(p, value, count, stream);
}
API Result cuMemsetD16Async(Pointer p, unsigned short value, size_t count, void* stream) {
    return fill(p, value, count, stream);
}
API Result cuMemsetD32Async(Pointer p, unsigned value, size_t count, void* stream) {
    return fill(p, value, count, stream);
}
