// One convolution, as it is done when its turn in the stream comes.

#include <cstring>

#include "cudnn.h"

namespace {

// The array that is written: its values, then where they go.
template <class Sum>
void write(const Array& a, void* to, const Job& job, Sum sum) {
    std::vector<float> sums(a.count());
    sum(sums.data());
    store(a, to, sums, job.scale, job.keep);
}

void run(const void* block) {
    const Job& job = *static_cast<const Job*>(block);
    const Sizes& z = job.sizes;
    if (job.workspace) memset(job.workspace, 0xff, job.workspace_size);
    auto values = [&](const Array& array, const void* p) { return load(array, p, job.tf32); };
    switch (job.direction) {
        case FORWARD: {
            auto x = values(job.x, job.xp), w = values(job.w, job.wp);
            write(job.y, job.yp, job, [&](float* to) { sum_forward(z, x.data(), w.data(), to); });
            break;
        }
        case DATA: {
            auto w = values(job.w, job.wp), y = values(job.y, job.yp);
            write(job.x, job.xp, job, [&](float* to) { sum_data(z, w.data(), y.data(), to); });
            break;
        }
        case FILTER: {
            auto x = values(job.x, job.xp), y = values(job.y, job.yp);
            write(job.w, job.wp, job, [&](float* to) { sum_filter(z, x.data(), y.data(), to); });
            break;
        }
    }
}

}  // namespace

bool queue_job(const Job& job, void* stream) {
    static const char* const names[] = {"convolution", "convolution's gradient of x", "convolution's gradient of w"};
    return emulated_queue(stream, names[job.direction], run, &job, sizeof job) == 0;
}
