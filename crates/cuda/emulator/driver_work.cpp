// The queues of work, and streams, which are what holds them.
//
// Nothing is run when it is given, nor beside it by a thread of ours, but when something must be known
// to be done: as late as a device may be. So what is read or freed too early is so every time.
//
// Work is numbered in the order it is given. All it may wait for has a lower number (what stands before
// it in its stream; a record of an event, which was given before the wait for it; for and in the default
// stream what the other streams were given before), so that there is always something to run.

#include "driver_work.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <vector>

#include "driver_faults.h"

struct Stream {
    Device device;
    unsigned flags;
    int priority;
    bool is_default, destroyed;
    std::deque<Work> queue;
    size_t staged;
    // Whether it and the default stream wait for each other.
    bool blocking() const { return !(flags & 1); }
};

namespace {

// A queue beyond this runs its older half, to bound memory.
constexpr size_t MOST_WORK = 4096, MOST_STAGED = size_t(64) << 20;

// `running` is held while work is run (one thing at a time on all devices); `lock`, taken after it and
// never for long, guards the queues. A stream is never deleted: no handle comes twice.
std::mutex running, lock;
auto& streams = *new std::vector<Stream*>();
uint64_t given = 0;
thread_local const Work* mine = nullptr;

bool synchronous() {
    static const bool is = [] {
        const char* text = getenv("EMULATED_SYNCHRONOUS");
        return text && !strcmp(text, "1");
    }();
    return is;
}

Stream* add(Device device, unsigned flags, int priority, bool is_default) {
    streams.push_back(new Stream{device, flags, priority, is_default, false, {}, 0});
    return streams.back();
}

bool reached(Place p) { return !p.stream || p.stream->queue.empty() || p.stream->queue.front().number > p.number; }

// A stream that the first of `s` must wait for; null if it can be run.
Stream* awaited(const Stream* s) {
    const Work& first = s->queue.front();
    if (!reached(first.after)) return first.after.stream;
    if (!s->blocking()) return nullptr;
    for (Stream* t : streams) {
        bool ordered = t != s && t->device == s->device && t->blocking() && (s->is_default || t->is_default);
        if (ordered && !reached({t, first.number})) return t;
    }
    return nullptr;
}

// Runs one thing: the first of a stream or what that waits for. `running` is held.
void step(Stream* s) {
    Work* first;
    {
        std::lock_guard<std::mutex> guard(lock);
        if (s->queue.empty()) return;
        while (Stream* other = awaited(s)) s = other;
        // It stays in the queue until it is done. Meanwhile others may add to the end, which moves nothing.
        first = &s->queue.front();
    }
    if (first->run) {
        mine = first;
        faults_watch();
        first->run();
        faults_leave();
        mine = nullptr;
    }
    Work done;  // deleted after `lock` is left
    std::lock_guard<std::mutex> guard(lock);
    s->staged -= first->staged;
    done = std::move(*first);
    s->queue.pop_front();
    if (s->destroyed && s->queue.empty()) streams.erase(std::find(streams.begin(), streams.end(), s));
}

// The ends, as of now, of a stream and of those that are ordered with it.
std::vector<Place> ends(Stream* s) {
    std::lock_guard<std::mutex> guard(lock);
    std::vector<Place> all{{s, given}};
    for (Stream* t : streams) {
        if (s->is_default && t != s && t->device == s->device && t->blocking()) all.push_back({t, given});
    }
    return all;
}

}  // namespace

const Work* work_running() { return mine; }

Stream* stream_of(void* handle) {
    std::lock_guard<std::mutex> guard(lock);
    // 0, 1 and 2 stand for the default stream. (That of each thread is not emulated.)
    if (uintptr_t(handle) <= 2) {
        Result error;
        const Context* context = current(error);
        if (!context) return nullptr;
        for (Stream* s : streams) {
            if (s->is_default && s->device == context->device) return s;
        }
        return add(context->device, 0, 0, true);
    }
    auto at = std::find(streams.begin(), streams.end(), static_cast<Stream*>(handle));
    return at == streams.end() || (*at)->destroyed ? nullptr : *at;
}

Place work_give(Stream* s, Work work) {
    Place place, until;
    {
        std::lock_guard<std::mutex> guard(lock);
        work.number = ++given;
        place = {s, given};
        s->staged += work.staged;
        s->queue.push_back(std::move(work));
        size_t count = s->queue.size();
        if (count > MOST_WORK || s->staged > MOST_STAGED) until = {s, s->queue[(count - 1) / 2].number};
    }
    work_reach(synchronous() ? place : until);
    return place;
}

bool work_reached(Place place) {
    std::lock_guard<std::mutex> guard(lock);
    return reached(place);
}

void work_reach(Place place) {
    while (!work_reached(place)) {
        std::lock_guard<std::mutex> turn(running);
        // Another thread may have come there while this one waited for its turn.
        if (!work_reached(place)) step(place.stream);
    }
}

void work_finish(Stream* stream) {
    for (Place end : ends(stream)) work_reach(end);
}

void work_finish_all(Device device) {
    std::vector<Place> all;
    {
        std::lock_guard<std::mutex> guard(lock);
        for (Stream* s : streams) {
            if (s->device == device) all.push_back({s, given});
        }
    }
    for (Place end : all) work_reach(end);
}

Result work_query(Place place) {
    if (work_reached(place)) return SUCCESS;
    // If another thread runs something, that will do.
    std::unique_lock<std::mutex> turn(running, std::try_to_lock);
    if (turn.owns_lock() && !work_reached(place)) step(place.stream);
    return NOT_READY;
}

Result work_query(Stream* stream) {
    for (Place end : ends(stream)) {
        if (work_query(end) != SUCCESS) return NOT_READY;
    }
    return SUCCESS;
}

API Result cuStreamCreateWithPriority(void** to, unsigned flags, int priority) {
    NEEDS_CONTEXT(context);
    if (!to || flags > 1) return INVALID_VALUE;
    std::lock_guard<std::mutex> guard(lock);
    *to = add(context->device, flags, priority, false);
    return SUCCESS;
}

API Result cuStreamCreate(void** to, unsigned flags) { return cuStreamCreateWithPriority(to, flags, 0); }

API Result cuStreamDestroy_v2(void* handle) {
    NEEDS_CONTEXT(context);
    Stream* stream = stream_of(handle);
    if (!stream || stream->is_default) return INVALID_HANDLE;
    std::lock_guard<std::mutex> guard(lock);
    if (stream->destroyed) return INVALID_HANDLE;
    // What it was given is still done.
    stream->destroyed = true;
    if (stream->queue.empty()) streams.erase(std::find(streams.begin(), streams.end(), stream));
    return SUCCESS;
}

API Result cuStreamGetPriority(void* handle, int* to) {
    const Stream* stream = stream_of(handle);
    if (!stream) return INVALID_HANDLE;
    *to = stream->priority;
    return SUCCESS;
}

API Result cuStreamGetFlags(void* handle, unsigned* to) {
    const Stream* stream = stream_of(handle);
    if (!stream) return INVALID_HANDLE;
    *to = stream->flags;
    return SUCCESS;
}
