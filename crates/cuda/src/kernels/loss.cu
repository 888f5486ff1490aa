// Softmax cross-entropy with label smoothing and mixed targets.

// The gradient of the mean loss over n images, and into `outcome` the sum of their losses and how
// many have their own class first. One block; `mixed` are second labels, or null.
extern "C" __global__ void cross_entropy(
    const T* logits, const unsigned short* labels, const unsigned short* mixed, T* grad,
    double* outcome, int n, int classes, float smoothing, float share) {
    __shared__ double shared[BLOCK];
    double loss = 0, correct = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        const T* row = logits + i * (size_t)classes;
        int own = labels[i], other = mixed ? mixed[i] : own, first = 0;
        float largest = to_float(row[0]);
        for (int c = 1; c < classes; c++) {
            float v = to_float(row[c]);
            if (v > largest) largest = v, first = c;
        }
        float sum = 0;
        for (int c = 0; c < classes; c++) sum += expf(to_float(row[c]) - largest);
        float log_sum = logf(sum), even = smoothing / classes;
        for (int c = 0; c < classes; c++) {
            float d = to_float(row[c]) - largest;
            float hit = (c == own ? share : 0.0f) + (c == other ? 1.0f - share : 0.0f);
            float target = hit * (1.0f - smoothing) + even;
            loss += (double)(target * (log_sum - d));
            if (grad) from_float((expf(d - log_sum) - target) / n, grad[i * (size_t)classes + c]);
        }
        correct += first == own;
    }
    loss = sum_block(loss, shared);
    correct = sum_block(correct, shared);
    if (threadIdx.x == 0) outcome[0] = loss, outcome[1] = correct;
}
