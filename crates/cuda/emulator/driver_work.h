// Queued work, for the files of the stand-in for libcuda that give some.
#pragma once

#include <functional>
#include <string>

#include "driver.h"

struct Stream;

// A place in the order of a stream; reached once it and all before it were run. Without a stream it
// is reached from the start.
struct Place {
    Stream* stream = nullptr;
    uint64_t number = 0;
};

struct Work {
    std::string name;           // for messages
    std::function<void()> run;  // none: only waits
    Place after = {};           // run after this, besides what stands before it in its stream
    size_t staged = 0;          // bytes that `run` keeps
    uint64_t number = 0;        // set when it is given
};

// The stream of a handle, or null. That of a default stream is the current context's.
Stream* stream_of(void* handle);

// Queues work. Returns its place.
Place work_give(Stream* stream, Work work);
bool work_reached(Place place);
// Runs what stands before a place, and what that waits for.
void work_reach(Place place);
// Runs all that a stream, or a device, was given up to now.
void work_finish(Stream* stream);
void work_finish_all(Device device);
// Says SUCCESS if there is nothing left to be run, otherwise NOT_READY, after running one thing.
Result work_query(Place place);
Result work_query(Stream* stream);

// What this thread runs now, or null.
const Work* work_running();
