// Memory: allocation between guards.
//
// An allocation starts at a multiple of 256 and is mapped by itself. What lies between its end and the
// next multiple of 256 is filled with a pattern that is looked at later; behind that nothing is
// mapped. No address is given out twice, so what uses freed memory faults.

#include "driver_memory.h"

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
    bool leaving;   // its free is queued
    unsigned held;  // by copies that are queued
};

std::mutex lock;
// Never destroyed, like all such tables here: threads may outlive the end of `main`.
auto& live = *new std::map<uintptr_t, Allocation>();
size_t used[16], highest[16];
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

using Entry = std::map<uintptr_t, Allocation>::iterator;

// The allocation that an address lies in, or the end of `live`.
Entry around(const void* p) {
    auto at = live.upper_bound(uintptr_t(p));
    if (at == live.begin()) return live.end();
    --at;
    return uintptr_t(p) - at->first < at->second.size ? at : live.end();
}

size_t room_in(Entry at, const void* p) { return at->second.size - (uintptr_t(p) - at->first); }

void drop(Entry at) {
    const Allocation& a = at->second;
    if (a.held) die("pinned memory of %zu bytes is freed that a queued copy still uses", a.size);
    check(at->first, a);
    munmap(a.mapping, a.mapped);
    if (!a.host) used[a.device] -= rounded(a.size, ALIGNMENT);
    live.erase(at);
}

}  // namespace

Result memory_allocate(Pointer* to, size_t size, Device device, bool host) {
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
    live[uintptr_t(start)] = {size, device, host, begin, mapped, false, 0};
    if (!host) {
        used[device] += room;
        highest[device] = std::max(highest[device], used[device]);
    }
    *to = Pointer(uintptr_t(start));
    return SUCCESS;
}

Result memory_leave(Pointer p, size_t* size) {
    std::lock_guard<std::mutex> guard(lock);
    auto at = live.find(uintptr_t(p));
    if (at == live.end() || at->second.host || at->second.leaving) return INVALID_VALUE;
    at->second.leaving = true;
    *size = at->second.size;
    return SUCCESS;
}

Result memory_release(Pointer p, bool host) {
    std::lock_guard<std::mutex> guard(lock);
    auto at = live.find(uintptr_t(p));
    if (at == live.end() || at->second.host != host) return INVALID_VALUE;
    drop(at);
    return SUCCESS;
}

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
    auto at = around(p);
    return at == live.end() || at->second.host || at->second.leaving ? 0 : room_in(at, p);
}

bool memory_there(const void* p, size_t size) {
    std::lock_guard<std::mutex> guard(lock);
    auto at = around(p);
    return at != live.end() && !at->second.host && room_in(at, p) >= size;
}

Pinned memory_hold(const void* p, size_t size) {
    std::lock_guard<std::mutex> guard(lock);
    auto at = around(p);
    if (at == live.end() || !at->second.host) return Pinned::NOT;
    if (room_in(at, p) < size) return Pinned::SHORT;
    at->second.held++;
    return Pinned::HELD;
}

void memory_let_go(const void* p) {
    std::lock_guard<std::mutex> guard(lock);
    auto at = around(p);
    if (at != live.end()) at->second.held--;
}

size_t memory_used(Device device) {
    std::lock_guard<std::mutex> guard(lock);
    return used[device];
}

size_t memory_highest(Device device) {
    std::lock_guard<std::mutex> guard(lock);
    return highest[device];
}
