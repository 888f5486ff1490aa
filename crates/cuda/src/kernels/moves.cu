// Values in another place: channels out of and into rows of more, maps with zeros around them.

// y[row, to + c] = x[row, from + c] for `count` channels, where rows have `wide` and `tall` of them.
extern "C" __global__ void move_channels(
    const T* x, T* y, size_t packs, int count, int from, int wide, int to, int tall) {
    int lanes = count / V;
    for (size_t i = thread_index(); i < packs; i += thread_count()) {
        size_t row = i / lanes;
        int lane = i % lanes * V;
        float v[V];
        load(x + row * wide + from + lane, v);
        store(y + row * tall + to + lane, v);
    }
}

// y[row, start + c] = x[row, c] for `count` channels, and zeros as the other ones of `channels`.
extern "C" __global__ void pad_channels(
    const T* x, T* y, size_t packs, int count, int start, int channels) {
    int lanes = channels / V;
    for (size_t i = thread_index(); i < packs; i += thread_count()) {
        size_t row = i / lanes;
        int lane = (int)(i % lanes * V) - start;
        float v[V] = {};
        if (lane >= 0 && lane < count) load(x + row * count + lane, v);
        store(y + i * V, v);
    }
}

// y[row, c] = x[row, c % groups * (channels / groups) + c / groups]
extern "C" __global__ void shuffle_channels(
    const T* x, T* y, size_t count, int channels, int groups) {
    int each = channels / groups;
    for (size_t i = thread_index(); i < count; i += thread_count()) {
        int c = i % channels;
        y[i] = x[i - c + c % groups * each + c / groups];
    }
}

// y[n, c, r] = x[n, r, c] for `rows` and `columns` of each n.
extern "C" __global__ void transpose(const T* x, T* y, size_t count, int rows, int columns) {
    for (size_t i = thread_index(); i < count; i += thread_count()) {
        int r = i % rows, c = i / rows % columns;
        y[i] = x[i - i % ((size_t)rows * columns) + (size_t)r * columns + c];
    }
}

// A map in a larger one, `top` and `left` pixels from its corner.
struct Border {
    int h, w, top, left, outer_h, outer_w;
};

// y: x with zeros around each map.
extern "C" __global__ void pad_borders(
    const T* x, T* y, size_t packs, int channels, const Border b) {
    int lanes = channels / V;
    for (size_t i = thread_index(); i < packs; i += thread_count()) {
        size_t pixel = i / lanes, image = pixel / b.outer_w / b.outer_h;
        int row = (int)(pixel / b.outer_w % b.outer_h) - b.top;
        int column = (int)(pixel % b.outer_w) - b.left;
        float v[V] = {};
        if (row >= 0 && row < b.h && column >= 0 && column < b.w) {
            load(x + ((image * b.h + row) * b.w + column) * channels + i % lanes * V, v);
        }
        store(y + i * V, v);
    }
}

// y: each map of x without what is around it.
extern "C" __global__ void crop_borders(
    const T* x, T* y, size_t packs, int channels, const Border b) {
    int lanes = channels / V;
    for (size_t i = thread_index(); i < packs; i += thread_count()) {
        size_t pixel = i / lanes, image = pixel / b.w / b.h;
        size_t row = image * b.outer_h + pixel / b.w % b.h + b.top;
        float v[V];
        load(x + (row * b.outer_w + pixel % b.w + b.left) * channels + i % lanes * V, v);
        store(y + i * V, v);
    }
}
