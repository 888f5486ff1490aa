//! Adam and `AdamW`, as the documentation of `torch.optim` writes them.

use kernels::optimiser::Adam;

/// One weight and the running means of its gradient and of its square.
#[derive(Clone, Copy)]
pub struct State {
    pub weight: f64,
    pub mean: f64,
    pub square: f64,
}

impl State {
    /// One step along `grad`; a masked weight stays 0.
    pub fn step(&mut self, adam: Adam, grad: f64, keep: bool) {
        let (b1, b2) = (f64::from(adam.betas.0), f64::from(adam.betas.1));
        let (lr, decay) = (f64::from(adam.lr), f64::from(adam.weight_decay));
        let grad = if adam.decoupled { grad } else { grad + decay * self.weight };
        self.weight -= if adam.decoupled { lr * decay * self.weight } else { 0.0 };
        self.mean = b1 * self.mean + (1.0 - b1) * grad;
        self.square = b2 * self.square + (1.0 - b2) * grad * grad;
        let steps = f64::from(adam.step);
        let mean = self.mean / (1.0 - b1.powf(steps));
        let square = self.square / (1.0 - b2.powf(steps));
        self.weight -= lr * mean / (square.sqrt() + f64::from(adam.eps));
        if !keep {
            *self = Self { weight: 0.0, mean: 0.0, square: 0.0 };
        }
    }
}
