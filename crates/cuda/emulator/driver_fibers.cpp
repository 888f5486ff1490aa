// Runs a grid: its blocks one after another, the threads of a block as fibers that take turns.
//
// A fiber takes threads one by one and calls the kernel for each. Where a thread waits, its fiber is put
// aside with it and another takes the threads that are left; so a kernel without barriers is a loop of
// calls on one fiber. Once all threads wait or have ended, those that wait go on, in the opposite order.

#include "driver.h"

#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <vector>

namespace {

constexpr size_t STACK = 64 << 10, PAGE = 4096;
constexpr unsigned MOST = 1024, WARP = 32;

struct Fiber {
    ucontext_t start;
    jmp_buf at;
    bool started;
};

struct Thread {
    enum { READY, BARRIER, LANES, ENDED } state;
    int line;                   // of the barrier
    unsigned mask;              // of the lanes that it waits for
    unsigned long long bits[2]; // what it gave to the others: by turns, since some may be one turn ahead
    unsigned turn;
    bool goes_on;
    Fiber* fiber;
};

// The launch that runs. There is one at a time, and `state` is null while there is none.
const Function* kernel;
void** parameters;
EmulatedState* state;
unsigned count, taken, me, pass;
unsigned long long block_number;
EmulatedIndex indexes[MOST];
unsigned order[MOST];
Thread threads[MOST];
Fiber* running;
jmp_buf scheduler;
std::vector<Fiber*>& idle = *new std::vector<Fiber*>();

// Threads in an order neither up nor down, in which some threads run before and some after those whose
// values they take; turned round from pass to pass and from block to block. So a missing barrier shows.
// (Down alone would hide one in a tree of sums.)
unsigned in_order(unsigned i) { return order[(block_number + pass) % 2 ? count - 1 - i : i]; }

void make_order() {
    // A step of about the golden section of `count` that has no divisor in common with it.
    unsigned step = unsigned(count * 0.618) + 1;
    while (std::gcd(step, count) != 1) step++;
    for (unsigned i = 0; i < count; i++) order[i] = i * step % count;
}

[[noreturn]] void die_of(const char* what, int a, int b) {
    const EmulatedIndex& at = state->block;
    die("block (%u, %u, %u): %s (%d, %d)", at.x, at.y, at.z, what, a, b);
}

// Switching between stacks: the first switch to one by `setcontext`; all others by `longjmp`, which does
// not ask the kernel. Not inlined: a caller's variables stay out of it.
__attribute__((noinline)) void to_fiber(Fiber* f) {
    running = f;
    if (_setjmp(scheduler)) return;
    if (f->started) _longjmp(f->at, 1);
    f->started = true;
    setcontext(&f->start);
}

__attribute__((noinline)) void to_scheduler() {
    if (!_setjmp(running->at)) _longjmp(scheduler, 1);
}

void fiber_main() {
    for (;;) {
        while (taken < count) {
            me = in_order(taken++);
            state->thread = indexes[me];
            kernel->call(parameters);
            // `me` may have become another meanwhile, and is this thread again now.
            threads[me].state = Thread::ENDED;
        }
        idle.push_back(running);
        to_scheduler();
    }
}

Fiber* new_fiber() {
    void* mapping = mmap(nullptr, STACK + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED || mprotect(mapping, PAGE, PROT_NONE)) die("no memory for the stack of a thread");
    auto* stack = static_cast<char*>(mapping);
    auto* f = new Fiber();
    getcontext(&f->start);
    f->start.uc_stack = {stack + PAGE, 0, STACK};
    f->start.uc_link = nullptr;
    makecontext(&f->start, fiber_main, 0);
    return f;
}

Fiber* fiber() {
    if (idle.empty()) return new_fiber();
    Fiber* f = idle.back();
    idle.pop_back();
    return f;
}

void wait(decltype(Thread::state) how) {
    threads[me].state = how;
    threads[me].fiber = running;
    to_scheduler();
}

void barrier(int line) {
    threads[me].line = line;
    wait(Thread::BARRIER);
}

unsigned long long exchange(unsigned mask, unsigned long long bits, int lane) {
    unsigned first = me / WARP * WARP, other = first + unsigned(lane) % WARP;
    if (!(mask >> me % WARP & 1)) die_of("a lane is not in the mask it gave: lane, mask", int(me % WARP), int(mask));
    unsigned turn = ++threads[me].turn % 2;
    threads[me].bits[turn] = bits;
    threads[me].mask = mask;
    wait(Thread::LANES);
    // Of a lane that takes no part a device gives anything.
    bool there = other < count && (mask >> other % WARP & 1);
    return there ? threads[other].bits[turn] : ~0ULL;
}

// Whether all lanes that a thread waits for have come.
void check_lanes(unsigned t) {
    for (unsigned lane = 0, u = t / WARP * WARP; lane < WARP && u < count; lane++, u++) {
        if (!(threads[t].mask >> lane & 1)) continue;
        bool here = threads[u].state == Thread::LANES && threads[u].mask == threads[t].mask;
        if (!here) die_of("lanes of a mask do not wait together: one that does, one that does not", int(t), int(u));
    }
}

// Marks the threads that can go on; false if all have ended.
bool release() {
    unsigned lanes = 0, waiting = 0, ended = 0;
    for (unsigned t = 0; t < count; t++) {
        lanes += threads[t].state == Thread::LANES;
        waiting += threads[t].state == Thread::BARRIER;
        ended += threads[t].state == Thread::ENDED;
    }
    if (ended == count) return false;
    for (unsigned t = 0; t < count; t++) {
        threads[t].goes_on = threads[t].state == (lanes ? Thread::LANES : Thread::BARRIER);
        if (threads[t].state == Thread::LANES) check_lanes(t);
    }
    if (lanes) return true;
    if (ended) die_of("a barrier that not all threads reach: waiting, ended", int(waiting), int(ended));
    for (unsigned t = 1; t < count; t++) {
        int a = threads[0].line, b = threads[t].line;
        if (a != b) die_of("threads wait at different barriers: lines", a, b);
    }
    return true;
}

void run_block(unsigned dynamic) {
    memset(state->shared, 0xff, size_t(state->shared_end - state->shared));
    if (dynamic) memset(state->dynamic, 0xff, dynamic);
    pass = 0;
    for (taken = 0; taken < count;) to_fiber(fiber());
    while (release()) {
        pass++;
        for (unsigned i = 0; i < count; i++) {
            me = in_order(i);
            if (!threads[me].goes_on) continue;
            state->thread = indexes[me];
            to_fiber(threads[me].fiber);
        }
    }
    for (unsigned i = 0; i < EMULATED_MARGIN; i++) {
        if (state->dynamic[dynamic + i] == 0xa5) continue;
        die_of("dynamic shared memory was overrun: bytes, offset", int(dynamic), int(dynamic + i));
    }
}

}  // namespace

void grid_describe(char* text, size_t size) {
    // Called from a signal handler.
    *text = 0;
    if (!state) return;
    const EmulatedIndex &b = state->block, &t = state->thread;
    snprintf(text, size, ", block (%u, %u, %u), thread (%u, %u, %u)", b.x, b.y, b.z, t.x, t.y, t.z);
}

void run_grid(const Function& f, EmulatedIndex grid, EmulatedIndex block, unsigned dynamic, void** given) {
    kernel = &f;
    parameters = given;
    state = f.state;
    state->block_size = block;
    state->grid_size = grid;
    state->barrier = barrier;
    state->exchange = exchange;
    count = 0;
    for (unsigned z = 0; z < block.z; z++) {
        for (unsigned y = 0; y < block.y; y++) {
            for (unsigned x = 0; x < block.x; x++) indexes[count++] = {x, y, z};
        }
    }
    make_order();
    memset(state->dynamic + dynamic, 0xa5, EMULATED_MARGIN);
    block_number = 0;
    for (unsigned z = 0; z < grid.z; z++) {
        for (unsigned y = 0; y < grid.y; y++) {
            for (unsigned x = 0; x < grid.x; x++, block_number++) {
                state->block = {x, y, z};
                run_block(dynamic);
            }
        }
    }
    state = nullptr;
}
