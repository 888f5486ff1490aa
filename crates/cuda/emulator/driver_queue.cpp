// Waiting and asking: streams, contexts, events.

#include <chrono>
#include <map>
#include <memory>
#include <vector>

#include "driver_work.h"

namespace {

using Clock = std::chrono::steady_clock;

struct Event {
    unsigned flags;
    Place record;  // the latest
    // When a record was run, and its number. Those of several streams may come in any order.
    uint64_t timed;
    Clock::time_point at;
};
// Shared with records that are queued: an event may be destroyed before they are run.
using Shared = std::shared_ptr<Event>;

constexpr unsigned NO_TIMING = 2;

std::mutex lock;
auto& events = *new std::map<void*, Shared>();

Shared event(void* handle) {
    std::lock_guard<std::mutex> guard(lock);
    auto at = events.find(handle);
    return at == events.end() ? nullptr : at->second;
}

Place record_of(const Shared& e) {
    std::lock_guard<std::mutex> guard(lock);
    return e->record;
}

void keep_time(Event& e, uint64_t number) {
    std::lock_guard<std::mutex> guard(lock);
    if (number < e.timed) return;
    e.timed = number;
    e.at = Clock::now();
}

}  // namespace

API Result cuCtxSynchronize() {
    NEEDS_CONTEXT(context);
    work_finish_all(context->device);
    memory_check();
    return SUCCESS;
}

API Result cuStreamSynchronize(void* handle) {
    NEEDS_CONTEXT(context);
    Stream* stream = stream_of(handle);
    if (!stream) return INVALID_HANDLE;
    work_finish(stream);
    memory_check();
    return SUCCESS;
}

API Result cuStreamQuery(void* handle) {
    NEEDS_CONTEXT(context);
    Stream* stream = stream_of(handle);
    return stream ? work_query(stream) : INVALID_HANDLE;
}

API Result cuStreamWaitEvent(void* handle, void* awaited, unsigned) {
    NEEDS_CONTEXT(context);
    Stream* stream = stream_of(handle);
    Shared e = event(awaited);
    if (!stream || !e) return INVALID_HANDLE;
    // For the record that is the latest now; for none if there is none.
    Place after = record_of(e);
    if (after.stream) work_give(stream, {"wait for an event", nullptr, after});
    return SUCCESS;
}

API Result cuStreamIsCapturing(void* handle, int* to) {
    if (!stream_of(handle)) return INVALID_HANDLE;
    *to = 0;
    return SUCCESS;
}

API Result cuLaunchHostFunc(void* handle, void (*f)(void*), void* data) {
    NEEDS_CONTEXT(context);
    Stream* stream = stream_of(handle);
    if (!stream) return INVALID_HANDLE;
    if (!f) return INVALID_VALUE;
    work_give(stream, {"function of the host", [=] { f(data); }});
    return SUCCESS;
}

API Result cuEventCreate(void** to, unsigned flags) {
    NEEDS_CONTEXT(context);
    if (!to) return INVALID_VALUE;
    Shared e(new Event{flags, {}, 0, {}});
    std::lock_guard<std::mutex> guard(lock);
    *to = e.get();
    events[*to] = e;
    return SUCCESS;
}

API Result cuEventDestroy_v2(void* handle) {
    NEEDS_CONTEXT(context);
    std::lock_guard<std::mutex> guard(lock);
    return events.erase(handle) ? SUCCESS : INVALID_HANDLE;
}

API Result cuEventRecord(void* handle, void* of) {
    NEEDS_CONTEXT(context);
    Shared e = event(handle);
    Stream* stream = stream_of(of);
    if (!e || !stream) return INVALID_HANDLE;
    Place record = work_give(stream, {"record of an event", [e] { keep_time(*e, work_running()->number); }});
    std::lock_guard<std::mutex> guard(lock);
    e->record = record;
    return SUCCESS;
}

API Result cuEventQuery(void* handle) {
    NEEDS_CONTEXT(context);
    Shared e = event(handle);
    return e ? work_query(record_of(e)) : INVALID_HANDLE;
}

// Of an event that was never recorded there is nothing to wait for.
API Result cuEventSynchronize(void* handle) {
    NEEDS_CONTEXT(context);
    Shared e = event(handle);
    if (!e) return INVALID_HANDLE;
    work_reach(record_of(e));
    return SUCCESS;
}

API Result cuEventElapsedTime_v2(float* milliseconds, void* from, void* to) {
    NEEDS_CONTEXT(context);
    Shared a = event(from), b = event(to);
    if (!a || !b || ((a->flags | b->flags) & NO_TIMING)) return INVALID_HANDLE;
    Place begin = record_of(a), end = record_of(b);
    if (!begin.stream || !end.stream) return INVALID_HANDLE;
    if (!work_reached(begin) || !work_reached(end)) return NOT_READY;
    std::lock_guard<std::mutex> guard(lock);
    *milliseconds = std::chrono::duration<float, std::milli>(b->at - a->at).count();
    return SUCCESS;
}

API Result cuEventElapsedTime(float* milliseconds, void* from, void* to) {
    return cuEventElapsedTime_v2(milliseconds, from, to);
}

// For libcudnn: queues a call of `f` with a copy of `block`.
API Result emulated_queue(void* handle, const char* name, void (*f)(const void* block), const void* block,
                          size_t size) {
    NEEDS_CONTEXT(context);
    Stream* stream = stream_of(handle);
    if (!stream) return INVALID_HANDLE;
    auto* bytes = static_cast<const char*>(block);
    std::vector<char> copy(bytes, bytes + size);
    work_give(stream, {name, [f, copy] { f(copy.data()); }});
    return SUCCESS;
}

// For libcudnn: runs all that a stream was given.
API Result emulated_finish(void* handle) {
    NEEDS_CONTEXT(context);
    Stream* stream = stream_of(handle);
    if (!stream) return INVALID_HANDLE;
    work_finish(stream);
    return SUCCESS;
}
