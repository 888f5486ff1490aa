// Memory: allocation between guards.
//
// An allocation starts at a multiple of 256 and is mapped by itself. What lies between its end and the
// next multiple of 256 is filled with a pattern that is looked at later; behind that nothing is
// mapped. No address is given out twice, so what uses freed memory faults.

#include "driver.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>

namespace {

constexpr size_t PAGE = 4096, ALIGNMENT = 256;

struct Allocation {
    size_t size;
    Device device;
    bool host;
    unsigned char* mapping;
    size_t mapped;
};

std::mutex lock;
// Never destroyed, like all such tables here: threads may outlive the end of `main`.
auto& live = *new std::map<uintptr_t, Allocation>();
size_t used[16], highest[16];
unsigned long long kept[16];
uintptr_t next_address = 0x100000000000;

size_t rounded(size_t n, size_t to) { return (n + to - 1) / to * to; }

// What lies around allocations, for even and for odd addresses: not a number as bf16, f32 and f64, and
// unlike fresh memory.
struct Pattern {
    unsigned char bytes[PAGE + ALIGNMENT + 1];
    Pattern() {
        for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = i % 2 ? 0x7f : 0xf5;
    }
    const unsigned char* at(const unsigned char* p) const { return bytes + uintptr_t(p) % 2; }
};
const Pattern pattern;

void fill_pattern(unsigned char* from, const unsigned char* to) { memcpy(from, pattern.at(from), size_t(to - from)); }

const unsigned char* changed(const unsigned char* from, const unsigned char* to) {
    const unsigned char* expected = pattern.at(from);
    if (!memcmp(from, expected, size_t(to - from))) return nullptr;
    while (*from == *expected) from++, expected++;
    return from;
}

void check(uintptr_t start, const Allocation& a) {
    auto* first = reinterpret_cast<unsigned char*>(start);
    const unsigned char* bad = changed(a.mapping, first);
    if (!bad) bad = changed(first + a.size, a.mapping + a.mapped);
    if (!bad) return;
    die("an allocation of %zu bytes was written at offset %td, which lies outside it", a.size, bad - first);
}

// Maps pages at a fresh address; a page that is never mapped lies between any two mappings.
unsigned char* map(size_t size) {
    constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
    for (int tries = 0; tries < 16; tries++) {
        void* p = mmap(reinterpret_cast<void*>(next_address), size, PROT_READ | PROT_WRITE, flags, -1, 0);
        next_address += size + PAGE;
        if (p != MAP_FAILED) return static_cast<unsigned char*>(p);
        if (errno != EEXIST) return nullptr;
    }
    return nullptr;
}

Result allocate(Pointer* to, size_t size, Device device, bool host) {
    if (!to || size == 0) return INVALID_VALUE;
    std::lock_guard<std::mutex> guard(lock);
    if (size > (size_t(1) << 46)) return OUT_OF_MEMORY;
    size_t room = rounded(size, ALIGNMENT), mapped = rounded(room, PAGE);
    if (!host && used[device] + room > memory_total()) return OUT_OF_MEMORY;
    auto* begin = map(mapped);
    if (!begin) return OUT_OF_MEMORY;
    auto* start = begin + (mapped - room);
    fill_pattern(begin, start);
    memset(start, 0xff, size);
    fill_pattern(start + size, begin + mapped);
    live[uintptr_t(start)] = {size, device, host, begin, mapped};
    if (!host) {
        used[device] += room;
        highest[device] = std::max(highest[device], used[device]);
    }
    *to = Pointer(uintptr_t(start));
    return SUCCESS;
}

using Entry = std::map<uintptr_t, Allocation>::iterator;

void drop(Entry at) {
    const Allocation& a = at->second;
    check(at->first, a);
    munmap(a.mapping, a.mapped);
    if (!a.host) used[a.device] -= rounded(a.size, ALIGNMENT);
    live.erase(at);
}

Result release(Pointer p, bool host) {
    std::lock_guard<std::mutex> guard(lock);
    auto at = live.find(uintptr_t(p));
    if (at == live.end() || at->second.host != host) return INVALID_VALUE;
    drop(at);
    return SUCCESS;
}

}  // namespace

void memory_check() {
    std::lock_guard<std::mutex> guard(lock);
    for (const auto& [start, a] : live) check(start, a);
}

void memory_free_all(Device device) {
    std::lock_guard<std::mutex> guard(lock);
    for (auto at = live.begin(); at != live.end();) {
        auto here = at++;
        if (here->second.device == device) drop(here);
    }
}

void memory_describe(uintptr_t address, char* text, size_t size) {
    // Called from a signal handler, where the lock may be held: told only if it is free.
    std::unique_lock<std::mutex> guard(lock, std::try_to_lock);
    snprintf(text, size, "address %#zx, which is no live allocation's", size_t(address));
    if (!guard.owns_lock()) return;
    auto at = live.upper_bound(address);
    if (at == live.begin()) return;
    --at;
    if (address - at->first < PAGE + rounded(at->second.size, PAGE)) {
        snprintf(text, size, "offset %zu of an allocation of %zu bytes", size_t(address - at->first), at->second.size);
    }
}

API size_t emulated_room(const void* p) {
    std::lock_guard<std::mutex> guard(lock);
    auto at = live.upper_bound(uintptr_t(p));
    if (at == live.begin()) return 0;
    --at;
    size_t offset = uintptr_t(p) - at->first;
    return at->second.host || offset >= at->second.size ? 0 : at->second.size - offset;
}

API Result cuMemGetInfo_v2(size_t* unused, size_t* total) {
    NEEDS_CONTEXT(context);
    std::lock_guard<std::mutex> guard(lock);
    *total = memory_total();
    *unused = *total - used[context->device];
    return SUCCESS;
}

API Result cuMemAlloc_v2(Pointer* to, size_t size) {
    NEEDS_CONTEXT(context);
    return allocate(to, size, context->device, false);
}

API Result cuMemAllocAsync(Pointer* to, size_t size, void* stream) {
    return stream_lives(stream) ? cuMemAlloc_v2(to, size) : INVALID_HANDLE;
}

API Result cuMemFree_v2(Pointer p) {
    NEEDS_CONTEXT(context);
    return p ? release(p, false) : SUCCESS;
}

API Result cuMemFreeAsync(Pointer p, void* stream) {
    return stream_lives(stream) ? cuMemFree_v2(p) : INVALID_HANDLE;
}

API Result cuMemHostAlloc(void** to, size_t size, unsigned) {
    NEEDS_CONTEXT(context);
    Pointer p = 0;
    Result result = to ? allocate(&p, size, context->device, true) : INVALID_VALUE;
    if (result == SUCCESS) *to = reinterpret_cast<void*>(uintptr_t(p));
    return result;
}

API Result cuMemAllocHost_v2(void** to, size_t size) { return cuMemHostAlloc(to, size, 0); }

API Result cuMemFreeHost(void* p) {
    NEEDS_CONTEXT(context);
    return release(Pointer(uintptr_t(p)), true);
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
    std::lock_guard<std::mutex> guard(lock);
    size_t d = size_t(pool - kept);
    // Threshold; reserved now and at most; used now and at most.
    unsigned long long values[] = {*pool, used[d], highest[d], used[d], highest[d]};
    *static_cast<unsigned long long*>(value) = values[attribute - 4];
    return SUCCESS;
}

API Result cuMemPoolTrimTo(unsigned long long* pool, size_t) { return pool ? SUCCESS : INVALID_VALUE; }
