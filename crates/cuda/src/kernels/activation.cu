// Functions of each value by itself and their derivatives, as kernels::activation has them. `saved` is
// what comes out of the function where that suffices, else what goes in. At kinks the derivatives are
// PyTorch's.

enum { NONE, RELU, RELU6, LEAKY_RELU, SILU, HARD_SWISH, HARD_SIGMOID, SIGMOID, GELU, GELU_TANH };

#define OF __device__ __forceinline__ float of(float x) const
#define GRADIENT __device__ __forceinline__ float gradient(float saved, float g) const

__device__ __forceinline__ float positive(float x) { return x < 0 ? 0.0f : x; }
__device__ __forceinline__ float at_most_six(float x) { return x > 6 ? 6.0f : x; }
__device__ __forceinline__ float logistic(float x) { return 1.0f / (1.0f + expf(-x)); }

struct Identity {
    OF { return x; }
    GRADIENT { return g; }
};

struct Relu {
    OF { return positive(x); }
    GRADIENT { return saved <= 0 ? 0.0f : g; }
};

struct Relu6 {
    OF { return at_most_six(positive(x)); }
    GRADIENT { return saved <= 0 || saved >= 6 ? 0.0f : g; }
};

struct LeakyRelu {
    float slope;
    OF { return x < 0 ? slope * x : x; }
    GRADIENT { return g * (saved > 0 ? 1.0f : slope); }
};

struct Silu {
    OF { return x * logistic(x); }
    GRADIENT {
        float s = logistic(saved);
        return g * (s * (1.0f + saved * (1.0f - s)));
    }
};

struct HardSwish {
    OF { return x * at_most_six(positive(x + 3.0f)) / 6.0f; }
    GRADIENT {
        float upper = saved < 3 ? g * (saved / 3.0f + 0.5f) : g;
        return saved <= -3 ? 0.0f : upper;
    }
};

struct HardSigmoid {
    OF { return at_most_six(positive(x + 3.0f)) / 6.0f; }
    GRADIENT { return saved > -3 && saved < 3 ? g / 6.0f : 0.0f; }
};

struct Sigmoid {
    OF { return logistic(x); }
    GRADIENT { return g * (saved * (1.0f - saved)); }
};

struct Gelu {
    // (1 + erf(x / sqrt(2))) / 2
    __device__ __forceinline__ float below(float x) const {
        return 0.5f * (1.0f + erff(x * 0.70710678f));
    }
    OF { return x * below(x); }
    GRADIENT { return g * (below(saved) + saved * 0.3989423f * expf(-0.5f * saved * saved)); }
};

struct GeluTanh {
    // (1 + tanh(a)) / 2 is the logistic function of 2 a.
    __device__ __forceinline__ float below(float x) const {
        return logistic(2.0f * 0.79788456f * (x + 0.044715f * x * x * x));
    }
    OF { return x * below(x); }
    GRADIENT {
        float s = below(saved), slope = 2.0f * 0.79788456f * (1.0f + 3.0f * 0.044715f * saved * saved);
        return g * (s + saved * s * (1.0f - s) * slope);
    }
};

// Calls `f` with the function, one of those that a norm can end with. It stands outside of loops, so
// that these are compiled once for each and hold no branch.
template <class F> __device__ __forceinline__ void with_tail(int activation, float slope, F f) {
    switch (activation) {
        case RELU: return f(Relu{});
        case RELU6: return f(Relu6{});
        case LEAKY_RELU: return f(LeakyRelu{slope});
        default: return f(Identity{});
    }
}

// As `with_tail`, any of them.
template <class F> __device__ __forceinline__ void with_activation(int activation, float slope, F f) {
    switch (activation) {
        case SILU: return f(Silu{});
        case HARD_SWISH: return f(HardSwish{});
        case HARD_SIGMOID: return f(HardSigmoid{});
        case SIGMOID: return f(Sigmoid{});
        case GELU: return f(Gelu{});
        case GELU_TANH: return f(GeluTanh{});
        default: return with_tail(activation, slope, f);
    }
}
