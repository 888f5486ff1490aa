// The stand-in for libcuda: what its files share. Everything is done on the processor, when something
// must wait for it and not before (driver_work.cpp); device memory is host memory.
//
// From the environment, at cuInit: EMULATED_MEMORY, bytes of a device (4 GiB); EMULATED_DRIVER, the version
// of CUDA that the driver tells (13000); EMULATED_DEVICES, how many there are (1). libnvrtc reads
// EMULATOR_CACHE, the folder of compiled kernels; libcudnn EMULATED_CUDNN_REFUSES, where 1 refuses all.
//
// EMULATED_SYNCHRONOUS=1 does everything at the call, so that what goes wrong does so there.
// EMULATED_PAGEABLE=late reads memory of the host that is not pinned when a copy's turn comes, like
// pinned memory: a driver need not have made a copy of it when the call returns, though NVIDIA's has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>

#include "state.h"

#define API extern "C" __attribute__((visibility("default")))

using Device = int;
using Pointer = unsigned long long;

enum Result : unsigned {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NOT_INITIALIZED = 3,
    NO_DEVICE = 100,
    INVALID_DEVICE = 101,
    INVALID_CONTEXT = 201,
    INVALID_PTX = 218,
    FILE_NOT_FOUND = 301,
    INVALID_HANDLE = 400,
    NOT_FOUND = 500,
    NOT_READY = 600,
    NOT_PERMITTED = 800,
    NOT_SUPPORTED = 801,
};

struct Context {
    Device device;
    int retained;
    unsigned flags;
};

// A kernel of a loaded module.
struct Function {
    const char* name;
    void (*call)(void** parameters);
    EmulatedState* state;
    // Of each parameter; ends with 0.
    const unsigned* sizes;
    int most_threads;
    int most_dynamic;
};

// The current context, or null and `error`: not initialised, none current, or asked for by queued work,
// which must not call CUDA.
Context* current(Result& error);

// Returns from the calling function where no context is current.
#define NEEDS_CONTEXT(context)                  \
    Result no_context;                          \
    Context* context = current(no_context);     \
    if (!context) return no_context;            \
    (void)context

// Ends the process: for what would be undefined on a device, so that a test cannot pass over it.
[[noreturn]] __attribute__((format(printf, 1, 2))) void die(const char* format, ...);

// Bytes from `p` to the end of the device allocation it lies in; 0 if in none, or in one whose free was
// queued: what is asked for later may not use it. For libcudnn too.
API size_t emulated_room(const void* p);
// Bytes of one device's memory.
size_t memory_total();
// Looks for writes beyond the ends of all live allocations; dies of one.
void memory_check();
// Frees what was allocated on a device.
void memory_free_all(Device device);
// Says where an address lies, for the message about a fault.
void memory_describe(uintptr_t address, char* text, size_t size);

// Runs a whole grid; one at a time. Dimensions have been checked.
void run_grid(const Function& f, EmulatedIndex grid, EmulatedIndex block, unsigned dynamic, void** parameters);
// Says which thread of a grid runs, for the message about a fault; nothing if none does.
void grid_describe(char* text, size_t size);
