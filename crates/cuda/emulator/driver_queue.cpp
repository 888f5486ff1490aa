// Streams and events. Work is done when it is given, so there is never anything to wait for; handles
// are checked, and events keep the time.

#include "driver.h"

#include <chrono>
#include <set>

namespace {

using Clock = std::chrono::steady_clock;

struct Stream {
    unsigned flags;
    int priority;
};

struct Event {
    unsigned flags;
    bool recorded;
    Clock::time_point at;
};

constexpr unsigned NO_TIMING = 2;

std::mutex lock;
auto &streams = *new std::set<void*>(), &events = *new std::set<void*>();

Event* event(void* handle) {
    std::lock_guard<std::mutex> guard(lock);
    return events.count(handle) ? static_cast<Event*>(handle) : nullptr;
}

}  // namespace

bool stream_lives(void* stream) {
    // 0, 1 and 2 stand for the default streams.
    if (uintptr_t(stream) <= 2) return true;
    std::lock_guard<std::mutex> guard(lock);
    return streams.count(stream) > 0;
}

API Result cuStreamCreateWithPriority(void** to, unsigned flags, int priority) {
    NEEDS_CONTEXT(context);
    if (!to || flags > 1) return INVALID_VALUE;
    std::lock_guard<std::mutex> guard(lock);
    *to = new Stream{flags, priority};
    streams.insert(*to);
    return SUCCESS;
}

API Result cuStreamCreate(void** to, unsigned flags) { return cuStreamCreateWithPriority(to, flags, 0); }

API Result cuStreamDestroy_v2(void* stream) {
    NEEDS_CONTEXT(context);
    std::lock_guard<std::mutex> guard(lock);
    if (!streams.erase(stream)) return INVALID_HANDLE;
    delete static_cast<Stream*>(stream);
    return SUCCESS;
}

API Result cuStreamSynchronize(void* stream) {
    NEEDS_CONTEXT(context);
    if (!stream_lives(stream)) return INVALID_HANDLE;
    memory_check();
    return SUCCESS;
}

API Result cuStreamQuery(void* stream) {
    NEEDS_CONTEXT(context);
    return stream_lives(stream) ? SUCCESS : INVALID_HANDLE;
}

API Result cuStreamWaitEvent(void* stream, void* handle, unsigned) {
    NEEDS_CONTEXT(context);
    return stream_lives(stream) && event(handle) ? SUCCESS : INVALID_HANDLE;
}

API Result cuStreamGetPriority(void* stream, int* to) {
    if (!stream_lives(stream)) return INVALID_HANDLE;
    *to = uintptr_t(stream) <= 2 ? 0 : static_cast<Stream*>(stream)->priority;
    return SUCCESS;
}

API Result cuStreamGetFlags(void* stream, unsigned* to) {
    if (!stream_lives(stream)) return INVALID_HANDLE;
    *to = uintptr_t(stream) <= 2 ? 0 : static_cast<Stream*>(stream)->flags;
    return SUCCESS;
}

API Result cuStreamIsCapturing(void* stream, int* to) {
    if (!stream_lives(stream)) return INVALID_HANDLE;
    *to = 0;
    return SUCCESS;
}

API Result cuLaunchHostFunc(void* stream, void (*f)(void*), void* data) {
    if (!stream_lives(stream)) return INVALID_HANDLE;
    f(data);
    return SUCCESS;
}

API Result cuEventCreate(void** to, unsigned flags) {
    NEEDS_CONTEXT(context);
    if (!to) return INVALID_VALUE;
    std::lock_guard<std::mutex> guard(lock);
    *to = new Event{flags, false, {}};
    events.insert(*to);
    return SUCCESS;
}

API Result cuEventDestroy_v2(void* handle) {
    NEEDS_CONTEXT(context);
    std::lock_guard<std::mutex> guard(lock);
    if (!events.erase(handle)) return INVALID_HANDLE;
    delete static_cast<Event*>(handle);
    return SUCCESS;
}

API Result cuEventRecord(void* handle, void* stream) {
    NEEDS_CONTEXT(context);
    Event* e = event(handle);
    if (!e || !stream_lives(stream)) return INVALID_HANDLE;
    e->recorded = true;
    e->at = Clock::now();
    return SUCCESS;
}

API Result cuEventQuery(void* handle) {
    NEEDS_CONTEXT(context);
    return event(handle) ? SUCCESS : INVALID_HANDLE;
}

API Result cuEventSynchronize(void* handle) { return cuEventQuery(handle); }

API Result cuEventElapsedTime_v2(float* milliseconds, void* from, void* to) {
    NEEDS_CONTEXT(context);
    Event *a = event(from), *b = event(to);
    if (!a || !b || !a->recorded || !b->recorded || ((a->flags | b->flags) & NO_TIMING)) return INVALID_HANDLE;
    *milliseconds = std::chrono::duration<float, std::milli>(b->at - a->at).count();
    return SUCCESS;
}

API Result cuEventElapsedTime(float* milliseconds, void* from, void* to) {
    return cuEventElapsedTime_v2(milliseconds, from, to);
}
