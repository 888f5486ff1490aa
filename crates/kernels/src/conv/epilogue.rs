//! What follows a convolution's sums: bias, summand and activation.
#![allow(unsafe_code, reason = "summands are read through pointers at the sums' offsets")]

use pulp::Simd;

use super::micro::{load, store};
use crate::Activation;
use crate::activation::Applied;
use crate::shared::Shared;

/// What happens to a convolution's sums before they are written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Epilogue<'a> {
    /// Added to each output channel, one value a channel; empty for none.
    pub bias: &'a [f32],
    /// Added to the output, as many values as it has; empty for none.
    pub add: &'a [f32],
    /// Applied last.
    pub activation: Option<Activation>,
}

impl Epilogue<'_> {
    /// Refuses operands that do not fit `outputs` channels of `len` values in all.
    pub(crate) fn check(&self, outputs: usize, len: usize) {
        assert!(self.bias.is_empty() || self.bias.len() == outputs, "bias");
        assert!(self.add.is_empty() || self.add.len() == len, "summand");
    }

    #[inline(always)]
    pub(crate) fn bias_of(&self, output: usize) -> f32 {
        self.bias.get(output).copied().unwrap_or(0.0)
    }

    /// The activation if it is one of the rectifiers, the most frequent: instructions where the sums
    /// are finished anyway.
    pub(crate) fn rectifier(&self) -> Rectifier {
        match self.activation {
            Some(Activation::Relu) => Rectifier::Relu,
            Some(Activation::Relu6) => Rectifier::Relu6,
            _ => Rectifier::None,
        }
    }

    /// Any other activation: it is applied by [`activate`] to the lines just written. In the loops
    /// that finish sums in registers it would be a branch a register, and more code than the
    /// compiler unrolls.
    pub(crate) fn curve(&self) -> Option<Activation> {
        self.activation.filter(|_| self.rectifier() == Rectifier::None)
    }
}

/// What cuts values off at zero, and at six.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rectifier {
    None,
    Relu,
    Relu6,
}

impl Rectifier {
    /// As [`Activation::of`], of a register.
    #[inline(always)]
    pub(crate) fn of<S: Simd>(self, simd: S, value: S::f32s) -> S::f32s {
        let [zero, six] = [0.0, 6.0].map(|bound| simd.splat_f32s(bound));
        // On x86, min and max return the second operand if either is NaN.
        let second = cfg!(target_arch = "x86_64") && S::F32_LANES > 1;
        let positive = |value| {
            if second {
                simd.max_f32s(zero, value)
            } else {
                simd.select_f32s(simd.less_than_f32s(value, zero), zero, value)
            }
        };
        let at_most_six = |value| {
            if second {
                simd.min_f32s(six, value)
            } else {
                simd.select_f32s(simd.greater_than_f32s(value, six), six, value)
            }
        };
        match self {
            Self::None => value,
            Self::Relu => positive(value),
            Self::Relu6 => at_most_six(positive(value)),
        }
    }
}

/// Applies `activation` to `values`, which were just written and are in a near cache.
#[inline(always)]
pub(crate) fn activate<S: Simd>(simd: S, activation: Activation, values: &mut [f32]) {
    simd.vectorize(Applied { activation, y: values });
}

/// The part of an epilogue that is done register by register: the summand, and a rectifier.
#[derive(Clone, Copy)]
pub(crate) struct Finish {
    /// Where the sums and where the summands begin; both null where nothing is added.
    y: *const f32,
    add: *const f32,
    rectifier: Rectifier,
}

impl Finish {
    /// Nothing.
    pub(crate) const NONE: Self =
        Self { y: std::ptr::null(), add: std::ptr::null(), rectifier: Rectifier::None };

    /// As `epilogue` has it, for sums in `y`.
    pub(crate) fn new(epilogue: &Epilogue, y: &Shared) -> Self {
        let rectifier = epilogue.rectifier();
        if epilogue.add.is_empty() {
            return Self { rectifier, ..Self::NONE };
        }
        Self { y: y.pointer(0, epilogue.add.len()), add: epilogue.add.as_ptr(), rectifier }
    }

    /// Rectifies complete sums that nothing is added to, before they are written.
    #[inline(always)]
    pub(crate) fn rectify<S: Simd, const R: usize, const N: usize>(
        self,
        simd: S,
        sums: &mut [[S::f32s; N]; R],
    ) {
        let all = sums.as_flattened_mut().iter_mut();
        // One branch for all registers, not one each.
        match self.rectifier {
            _ if self.adds() => {}
            Rectifier::None => {}
            Rectifier::Relu => all.for_each(|v| *v = Rectifier::Relu.of(simd, *v)),
            Rectifier::Relu6 => all.for_each(|v| *v = Rectifier::Relu6.of(simd, *v)),
        }
    }

    /// Whether sums are finished once they are written, as their summands are then read beside them.
    #[inline(always)]
    pub(crate) fn adds(self) -> bool {
        !self.add.is_null()
    }

    /// Whether there is anything to do.
    #[inline(always)]
    pub(crate) fn is_something(self) -> bool {
        self.rectifier != Rectifier::None || !self.add.is_null()
    }

    /// Finishes the register at `at`. The sums are written first and finished then: with more to
    /// do in it the compiler would not unroll the loop that writes them, and keep them in memory.
    ///
    /// # Safety
    /// As for [`Self::apply`].
    #[inline(always)]
    pub(crate) unsafe fn apply_at<S: Simd>(self, simd: S, at: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { store::<S>(at, self.apply(simd, load::<S>(at), at)) };
    }

    /// The complete sum `value`, to be written to `at`.
    ///
    /// # Safety
    /// `at` must point into the sums that this was made for, a register's worth inside.
    #[inline(always)]
    pub(crate) unsafe fn apply<S: Simd>(
        self,
        simd: S,
        mut value: S::f32s,
        at: *const f32,
    ) -> S::f32s {
        if !self.add.is_null() {
            // SAFETY: the summands are as many as the sums, and `at` is one of these.
            value = unsafe {
                let summand = load::<S>(self.add.offset(at.offset_from(self.y)));
                simd.add_f32s(value, summand)
            };
        }
        self.rectifier.of(simd, value)
    }
}
