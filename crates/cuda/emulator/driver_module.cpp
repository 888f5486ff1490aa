// Modules, which are shared libraries that libnvrtc made, and their kernels.

#include <dlfcn.h>

#include <cstddef>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "driver_work.h"

namespace {

struct Module {
    void* library;
    EmulatedState* state;
    // A kernel is the same handle each time it is asked for.
    std::map<std::string, Function> functions;
};

std::mutex lock;
auto& modules = *new std::set<Module*>();

// What libnvrtc gives as PTX: this, the path of a library, a line end.
constexpr char MARK[] = "EMULATED ";

// The parameters of a launch, copied at the call, each where any type may lie.
class Parameters {
    std::vector<std::max_align_t> room;
    std::vector<size_t> places;

public:
    Parameters(const unsigned* sizes, void** given) {
        for (; *sizes; sizes++, given++) {
            places.push_back(room.size());
            room.resize(room.size() + (*sizes + sizeof room[0] - 1) / sizeof room[0]);
            memcpy(&room[places.back()], *given, *sizes);
        }
    }
    std::vector<void*> addresses() const {
        std::vector<void*> all;
        for (size_t place : places) all.push_back(const_cast<std::max_align_t*>(&room[place]));
        return all;
    }
};

}  // namespace

API Result cuModuleLoadData(Module** to, const void* image) {
    NEEDS_CONTEXT(context);
    if (!to || !image) return INVALID_VALUE;
    const char* text = static_cast<const char*>(image);
    if (strncmp(text, MARK, sizeof(MARK) - 1)) return INVALID_PTX;
    text += sizeof(MARK) - 1;
    std::string path(text, strcspn(text, "\n"));
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "emulated CUDA: %s\n", dlerror());
        return FILE_NOT_FOUND;
    }
    auto* state = static_cast<EmulatedState*>(dlsym(library, "emulated"));
    if (!state) return INVALID_PTX;
    std::lock_guard<std::mutex> guard(lock);
    *to = new Module{library, state, {}};
    modules.insert(*to);
    return SUCCESS;
}

API Result cuModuleLoadDataEx(Module** to, const void* image, unsigned, void*, void**) {
    return cuModuleLoadData(to, image);
}

API Result cuModuleLoad(Module** to, const char* path) {
    std::ifstream file(path);
    if (!file) return FILE_NOT_FOUND;
    std::string text((std::istreambuf_iterator<char>(file)), {});
    return cuModuleLoadData(to, text.c_str());
}

API Result cuModuleUnload(Module* module) {
    NEEDS_CONTEXT(context);
    // Its kernels may be queued.
    work_finish_all(context->device);
    std::lock_guard<std::mutex> guard(lock);
    if (!modules.erase(module)) return INVALID_HANDLE;
    dlclose(module->library);
    delete module;
    return SUCCESS;
}

API Result cuModuleGetFunction(Function** to, Module* module, const char* name) {
    NEEDS_CONTEXT(context);
    std::lock_guard<std::mutex> guard(lock);
    if (!modules.count(module)) return INVALID_HANDLE;
    auto at = module->functions.find(name);
    if (at == module->functions.end()) {
        auto symbol = [&](const char* prefix) { return dlsym(module->library, (prefix + std::string(name)).c_str()); };
        void* call = symbol("emulated_");
        auto* sizes = reinterpret_cast<const unsigned* (*)()>(symbol("emulator_sizes_"));
        if (!call || !sizes) return NOT_FOUND;
        // What `__launch_bounds__` says, if it was there.
        auto* bound = static_cast<int*>(symbol("emulator_bound_"));
        at = module->functions.emplace(name, Function{}).first;
        at->second = {at->first.c_str(), reinterpret_cast<void (*)(void**)>(call), module->state,
                      sizes(), bound ? *bound : 1024, 49152};
    }
    *to = &at->second;
    return SUCCESS;
}

API Result cuFuncGetAttribute(int* to, int attribute, Function* f) {
    NEEDS_CONTEXT(context);
    if (!f) return INVALID_HANDLE;
    switch (attribute) {
        case 0: *to = f->most_threads; break;
        case 4: *to = 32; break;            // registers
        case 5: case 6: *to = 90; break;    // versions of PTX and binary
        case 8: *to = f->most_dynamic; break;
        case 9: *to = -1; break;            // share of the cache
        default: *to = 0;
    }
    return SUCCESS;
}

API Result cuFuncSetAttribute(Function* f, int attribute, int value) {
    NEEDS_CONTEXT(context);
    if (!f) return INVALID_HANDLE;
    if (attribute == 8) {
        if (value < 0 || value > int(EMULATED_DYNAMIC)) return INVALID_VALUE;
        f->most_dynamic = value;
    }
    return SUCCESS;
}

API Result cuFuncSetCacheConfig(Function* f, int) { return f ? SUCCESS : INVALID_HANDLE; }

API Result cuOccupancyMaxActiveBlocksPerMultiprocessor(int* to, Function* f, int block, size_t) {
    if (!f) return INVALID_HANDLE;
    if (block <= 0) return INVALID_VALUE;
    *to = block > f->most_threads ? 0 : 2048 / block > 32 ? 32 : 2048 / block;
    return SUCCESS;
}

API Result cuLaunchKernel(Function* f, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned x, unsigned y,
                          unsigned z, unsigned dynamic, void* handle, void** given, void** extra) {
    NEEDS_CONTEXT(context);
    Stream* stream = stream_of(handle);
    if (!f || !stream) return INVALID_HANDLE;
    // Parameters in a buffer are not emulated.
    if (extra) return NOT_SUPPORTED;
    bool grid = grid_x > 0 && grid_y > 0 && grid_z > 0 && grid_x <= 0x7fffffff && grid_y <= 65535 && grid_z <= 65535;
    bool block = x > 0 && y > 0 && z > 0 && x <= 1024 && y <= 1024 && z <= 64 && x * y * z <= 1024;
    if (!grid || !block || int(x * y * z) > f->most_threads || int(dynamic) > f->most_dynamic || int(dynamic) < 0) {
        return INVALID_VALUE;
    }
    if (*f->sizes && !given) return INVALID_VALUE;
    work_give(stream, {std::string("kernel ") + f->name, [=, parameters = Parameters(f->sizes, given)] {
        run_grid(*f, {grid_x, grid_y, grid_z}, {x, y, z}, dynamic, parameters.addresses().data());
    }});
    return SUCCESS;
}
