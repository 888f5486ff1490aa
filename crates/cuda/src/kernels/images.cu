// Batches out of bytes that lie on the device, and out of f32 images that were made elsewhere.

// How one image is shown: which it is, where it is cropped in a black border, whether flipped, and
// up to two rectangles that are set to zero: rows, then columns, from (first, behind the last).
struct Draw {
    unsigned image;
    int y, x, flip;
    int patch[2][4];
};

// x[n, row, column, 0..3] for each of `draws`, other channels zero. `table` holds the normalised
// value of every byte, channel by channel.
extern "C" __global__ void draw(
    const unsigned char* bytes, const Draw* draws, const float* table, T* x, size_t count, int side,
    int padding, int channels) {
    for (size_t i = thread_index(); i < count; i += thread_count()) {
        int column = i % side, row = i / side % side;
        const Draw d = draws[i / side / side];
        // Flipping comes after cropping.
        int from_x = (d.flip ? side - 1 - column : column) + d.x - padding;
        int from_y = row + d.y - padding;
        bool inside = from_x >= 0 && from_x < side && from_y >= 0 && from_y < side;
        bool blank = false;
        for (int k = 0; k < 2; k++) {
            const int* p = d.patch[k];
            blank = blank || (row >= p[0] && row < p[1] && column >= p[2] && column < p[3]);
        }
        for (int c = 0; c < channels; c++) {
            float v = 0;
            if (c < 3 && !blank) {
                size_t plane = d.image * (size_t)3 + c;
                v = table[c * 256 + (inside ? bytes[(plane * side + from_y) * side + from_x] : 0)];
            }
            from_float(v, x[i * channels + c]);
        }
    }
}

// Images (n, 3, pixels) of f32 as they lie on the host.
extern "C" __global__ void unplane(const float* from, T* x, size_t count, int pixels, int channels) {
    for (size_t i = thread_index(); i < count; i += thread_count()) {
        size_t image = i / pixels;
        int pixel = i % pixels;
        for (int c = 0; c < channels; c++) {
            from_float(c < 3 ? from[(image * 3 + c) * pixels + pixel] : 0.0f, x[i * channels + c]);
        }
    }
}

// y[n] = share * x[n] + (1 - share) * x[other[n]]
extern "C" __global__ void mix(
    const T* x, const int* other, T* y, size_t packs, size_t image, float share) {
    for (size_t i = thread_index(); i < packs; i += thread_count()) {
        size_t n = i / image;
        float a[V], b[V];
        load(x + i * V, a);
        load(x + ((size_t)other[n] * image + i % image) * V, b);
#pragma unroll
        for (int k = 0; k < V; k++) a[k] = share * a[k] + (1.0f - share) * b[k];
        store(y + i * V, a);
    }
}
