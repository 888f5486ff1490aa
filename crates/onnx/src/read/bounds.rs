//! Functions of one value that are written with rectifiers: bounds, absolute values, slopes, the larger of two.

use graph::{Activation, Op};

use super::constant::Found;
use super::draft::Step;
use super::operand::Operand;
use super::rewrite::multiplied;
use super::view::View;
use super::walk::{Call, Walk};

/// The bounds of a `Clip`, as attributes or as inputs.
pub fn clipped(call: &Call) -> Found<Step> {
    let bound = |i: usize, name: &str, open: f32| -> Found<f32> {
        let given = call.constant_if(i)?.map(|c| c.scalar()).transpose()?;
        Ok(call.with.float(name).or(given).unwrap_or(open))
    };
    let low = bound(1, "min", f32::NEG_INFINITY)?;
    Ok(between(low, bound(2, "max", f32::INFINITY)?))
}

/// These bounds. As large as f32 is, which is what ONNX writes where there are none: no bounds.
fn between(low: f32, high: f32) -> Step {
    Step::Clip {
        low: if low <= f32::MIN { f32::NEG_INFINITY } else { low },
        high: if high >= f32::MAX { f32::INFINITY } else { high },
    }
}

impl Walk<'_> {
    pub fn minus(&mut self, site: usize, node: usize) -> Found<usize> {
        let minus = self.number(-1.0, self.shape(node).c)?;
        self.scale(site, node, minus)
    }

    fn relu(&mut self, site: usize, node: usize) -> Found<usize> {
        self.push(site, Op::Activation(Activation::Relu), &[node])
    }

    /// `min(x, 0)`.
    fn negative(&mut self, site: usize, node: usize) -> Found<usize> {
        let minus = self.minus(site, node)?;
        let above = self.relu(site, minus)?;
        self.minus(site, above)
    }

    /// `max(x, k)` or `min(x, k)`: bounds, where `k` is one number.
    pub fn bounded(&mut self, kind: &str, site: usize, x: usize, by: &Operand) -> Found<usize> {
        let (low, high) = match (kind, by.same) {
            ("Max", Some(low)) => (low, f32::INFINITY),
            (_, Some(high)) => (f32::NEG_INFINITY, high),
            (_, None) => return self.bounded_each(kind, site, x, by),
        };
        self.push_part(site, between(low, high), &[x], self.shape(x))
    }

    /// `max(x, k)` as `x + max(k - x, 0)`, `min(x, k)` as `x + min(k - x, 0)`: that leaves what lies within the
    /// bounds as it is, however large these are.
    fn bounded_each(&mut self, kind: &str, site: usize, x: usize, by: &Operand) -> Found<usize> {
        let minus = self.minus(site, x)?;
        let more = self.shift(site, minus, by.map(|v| v.clamp(f32::MIN, f32::MAX)))?;
        let more = if kind == "Max" { self.relu(site, more)? } else { self.negative(site, more)? };
        self.push(site, Op::Add, &[x, more])
    }

    /// `max(a, b)` as `a + max(b - a, 0)`, `min(a, b)` as `a + min(b - a, 0)`; the larger of a value and a part
    /// of it is a leaky rectifier.
    pub fn extreme(&mut self, kind: &str, site: usize, a: usize, b: usize) -> Found<usize> {
        for (x, part) in [(a, b), (b, a)] {
            let slope = multiplied(&self.drafts, part).filter(|(by, of)| *of == x && *by < 1.0);
            if let ("Max", Some((slope, _))) = (kind, slope) {
                let leaky = Activation::LeakyRelu { slope };
                return self.push(site, Op::Activation(leaky), &[x]);
            }
        }
        let minus = self.minus(site, a)?;
        let more = self.push(site, Op::Add, &[b, minus])?;
        let more = if kind == "Max" { self.relu(site, more)? } else { self.negative(site, more)? };
        self.push(site, Op::Add, &[a, more])
    }

    /// `|x|` as `max(x, 0) + max(-x, 0)`.
    pub fn absolute(&mut self, call: &Call) -> Found<View> {
        let (view, site) = (call.data(0)?, call.site);
        let minus = self.minus(site, view.node)?;
        let (above, below) = (self.relu(site, view.node)?, self.relu(site, minus)?);
        let node = self.push(site, Op::Add, &[above, below])?;
        Ok(View { node, ..view })
    }

    /// A rectifier with slopes that are parameters: `max(x, 0) + slope * min(x, 0)`.
    pub fn sloped(&mut self, call: &Call) -> Found<View> {
        let (view, site) = (self.settle(call.data(0)?)?, call.site);
        let slope = self.operand(&view, &call.weights(1)?)?;
        if let (Some(slope), None) = (slope.same, &slope.name) {
            let leaky = Activation::LeakyRelu { slope };
            let node = self.push(site, Op::Activation(leaky), &[view.node])?;
            return Ok(View { node, ..view });
        }
        let below = self.negative(site, view.node)?;
        let below = self.scale(site, below, slope)?;
        let above = self.relu(site, view.node)?;
        let node = self.push(site, Op::Add, &[above, below])?;
        Ok(View { node, ..view })
    }

    /// `min(max(alpha * x + beta, 0), 1)`; of other slopes than `PyTorch`'s, that of another `x`.
    pub fn hard_sigmoid(&mut self, call: &Call) -> Found<View> {
        let (view, site) = (call.data(0)?, call.site);
        let alpha = call.with.float("alpha").unwrap_or(0.2);
        let beta = call.with.float("beta").unwrap_or(0.5);
        let near = |a: f32, b: f32| (a - b).abs() < 1e-4;
        let (mut node, channels) = (view.node, self.shape(view.node).c);
        if !near(alpha, 1.0 / 6.0) {
            let by = self.number(6.0 * alpha, channels)?;
            node = self.scale(site, node, by)?;
        }
        if !near(beta, 0.5) {
            let by = self.number(6.0 * (beta - 0.5), channels)?;
            node = self.shift(site, node, by)?;
        }
        let node = self.push(site, Op::Activation(Activation::HardSigmoid), &[node])?;
        Ok(View { node, ..view })
    }
}
