// Allocations, for the files of the stand-in for libcuda that make, free and copy them.
#pragma once

#include "driver.h"

// Of a device, or of the host (pinned).
Result memory_allocate(Pointer* to, size_t size, Device device, bool host);
// INVALID_VALUE if it is no such allocation, as a whole.
Result memory_release(Pointer p, bool host);
// From now on what is asked for finds it gone; what was asked for before still finds it there.
Result memory_leave(Pointer p, size_t* size);
// Whether memory of a device is there, for work that was asked for before it was to leave.
bool memory_there(const void* p, size_t size);

// Whether memory of the host is pinned: not at all; not all of these bytes; it is, and is held by a copy
// until that lets it go: none may free it before.
enum class Pinned { NOT, SHORT, HELD };
Pinned memory_hold(const void* p, size_t size);
void memory_let_go(const void* p);

// Bytes in use, now and at most. What is to leave is in use.
size_t memory_used(Device device);
size_t memory_highest(Device device);
