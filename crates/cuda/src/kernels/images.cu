// Batches out of bytes that lie on the device, and out of f32 images that were made elsewhere.

// How one image is shown: which it is, where it is cropped in a black border, whether flipped, and
// up to two rectangles that are set to zero: rows, then columns, from (first, behind the last).
struct Draw {
    unsigned image;
    int y, x, flip;
    int patch[2][4];
};

// Where the images lie: the bytes of all, (images, channels, h, w), and how one is cropped.
struct Images {
    const unsigned char* bytes;
    // The normalised value of every byte, channel by channel.
    const float* table;
    int channels, h, w, padding;
};

// The byte of channel c at (row, column) of the crop, black outside of the image.
__device__ __forceinline__ int cropped(const Images& all, const Draw& d, int c, int row, int column) {
    // Flipping comes after cropping.
    int x = (d.flip ? all.w - 1 - column : column) + d.x - all.padding;
    int y = row + d.y - all.padding;
    if (x < 0 || x >= all.w || y < 0 || y >= all.h) return 0;
    return all.bytes[((d.image * (size_t)all.channels + c) * all.h + y) * all.w + x];
}

__device__ __forceinline__ bool blank(const Draw& d, int row, int column) {
    bool found = false;
    for (int k = 0; k < 2; k++) {
        const int* p = d.patch[k];
        found = found || (row >= p[0] && row < p[1] && column >= p[2] && column < p[3]);
    }
    return found;
}

// x[n, row, column, c] for each of `draws`; those of the `channels` that no image has are zero.
extern "C" __global__ void draw(
    const Images all, const Draw* draws, T* x, size_t count, int channels) {
    for (size_t i = thread_index(); i < count; i += thread_count()) {
        int column = i % all.w, row = i / all.w % all.h;
        const Draw d = draws[i / all.w / all.h];
        bool none = blank(d, row, column);
        for (int c = 0; c < channels; c++) {
            bool real = c < all.channels && !none;
            float v = real ? all.table[c * 256 + cropped(all, d, c, row, column)] : 0.0f;
            from_float(v, x[i * channels + c]);
        }
    }
}

// How an axis is resized to `size`: for each output its first input, and the weights of `most` inputs
// from there, zero behind the last.
struct Taps {
    const int* first;
    const float* weights;
    int most, size;
};

// As `draw`, resized in between: across, then down, rounded to a whole grey level.
extern "C" __global__ void draw_resized(
    const Images all, const Taps down, const Taps across, const Draw* draws, T* x, size_t count,
    int channels) {
    for (size_t i = thread_index(); i < count; i += thread_count()) {
        int column = i % across.size, row = i / across.size % down.size;
        const Draw d = draws[i / across.size / down.size];
        bool none = blank(d, row, column);
        const float* rows = down.weights + row * down.most;
        const float* columns = across.weights + column * across.most;
        for (int c = 0; c < channels; c++) {
            float v = 0;
            if (c < all.channels && !none) {
                float sum = 0.5f;
                for (int r = 0; r < down.most; r++) {
                    if (rows[r] == 0) continue;
                    float wide = 0;
                    for (int s = 0; s < across.most; s++) {
                        if (columns[s] == 0) continue;
                        int y = down.first[row] + r, left = across.first[column] + s;
                        wide += (float)cropped(all, d, c, y, left) * columns[s];
                    }
                    sum += rows[r] * wide;
                }
                v = all.table[c * 256 + (int)sum];
            }
            from_float(v, x[i * channels + c]);
        }
    }
}

// Images (n, real, pixels) of f32 as they lie on the host; channels beyond the real ones are zero.
extern "C" __global__ void unplane(
    const float* from, T* x, size_t count, int pixels, int real, int channels) {
    for (size_t i = thread_index(); i < count; i += thread_count()) {
        size_t image = i / pixels;
        int pixel = i % pixels;
        for (int c = 0; c < channels; c++) {
            float v = c < real ? from[(image * real + c) * pixels + pixel] : 0.0f;
            from_float(v, x[i * channels + c]);
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
