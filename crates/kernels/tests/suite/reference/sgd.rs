//! Stochastic gradient descent, as the documentation of `torch.optim.SGD` writes it.

use kernels::optimiser::Sgd;

/// One weight and its momentum.
#[derive(Clone, Copy)]
pub struct State {
    pub weight: f64,
    pub velocity: f64,
}

impl State {
    /// One step along `grad`; a masked weight stays 0.
    pub fn step(&mut self, sgd: Sgd, grad: f64, keep: bool) {
        let momentum = f64::from(sgd.momentum);
        let grad = grad + f64::from(sgd.weight_decay) * self.weight;
        self.velocity = momentum * self.velocity + grad;
        let direction = if sgd.nesterov { grad + momentum * self.velocity } else { self.velocity };
        self.weight -= f64::from(sgd.lr) * direction;
        if !keep {
            *self = Self { weight: 0.0, velocity: 0.0 };
        }
    }
}
