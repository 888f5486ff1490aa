// What a compiled kernel and libcuda share. Each compiled module holds one `EmulatedState`, named
// `emulated`; libcuda finds it there and fills it in before a launch.
#pragma once

struct EmulatedIndex {
    unsigned x, y, z;
};

// The most dynamic shared memory that a block can have, and room behind it to see what overruns it.
constexpr unsigned EMULATED_DYNAMIC = 232448, EMULATED_MARGIN = 256;

struct EmulatedState {
    EmulatedIndex thread, block, block_size, grid_size;
    // Waits for all threads of the block; `line` tells one barrier from another.
    void (*barrier)(int line);
    // Gives `bits` to the lanes of the warp in `mask`, waits for these, returns what `lane` gave.
    unsigned long long (*exchange)(unsigned mask, unsigned long long bits, int lane);
    // The `__shared__` variables, and where dynamic shared memory begins.
    unsigned char *shared, *shared_end, *dynamic;
};
