//! Which vector instructions and which algorithms the kernels use.

use std::sync::OnceLock;

use pulp::{Arch, WithSimd};

/// The environment variable that forces a set of instructions.
pub const VARIABLE: &str = "SECATEUR_SIMD";

/// The instructions in use: the value of `SECATEUR_SIMD` (`avx512`, `avx2`, `neon` or `scalar`)
/// if it is set, else the widest that this machine has.
///
/// # Errors
/// What is wrong with the variable: an unknown word, or instructions that this machine lacks.
pub fn name() -> Result<&'static str, String> {
    chosen().as_ref().map(|(name, _)| *name).map_err(Clone::clone)
}

/// The environment variable that chooses algorithms.
pub const ALGORITHMS: &str = "SECATEUR_KERNELS";

/// Whether every product is to be computed as it is defined: `SECATEUR_KERNELS=plain` turns off
/// Winograd's transform and the skipping of zeros, `fast` (or nothing) leaves them on. It serves to
/// tell whether a result depends on them.
///
/// # Errors
/// Another word in the variable.
pub fn plain() -> Result<bool, String> {
    static PLAIN: OnceLock<Result<bool, String>> = OnceLock::new();
    let plain = PLAIN.get_or_init(|| match std::env::var(ALGORITHMS).as_deref() {
        Err(_) | Ok("fast") => Ok(false),
        Ok("plain") => Ok(true),
        Ok(word) => Err(format!("{ALGORITHMS}={word}: expected fast or plain")),
    });
    plain.clone()
}

/// Runs `op` compiled for the instructions in use.
///
/// # Panics
/// If the variable names none; programs ask [`name`] before they compute.
#[inline]
pub(crate) fn dispatch<Op: WithSimd>(op: Op) -> Op::Output {
    match chosen() {
        Ok((_, arch)) => arch.dispatch(op),
        Err(e) => panic!("{e}"),
    }
}

/// Values of one register.
pub(crate) fn width() -> usize {
    struct Width;
    impl WithSimd for Width {
        type Output = usize;
        fn with_simd<S: pulp::Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    dispatch(Width)
}

fn chosen() -> &'static Result<(&'static str, Arch), String> {
    static CHOSEN: OnceLock<Result<(&'static str, Arch), String>> = OnceLock::new();
    CHOSEN.get_or_init(|| match std::env::var(VARIABLE) {
        Err(_) => Ok(available().remove(0)),
        Ok(word) => available().into_iter().find(|(name, _)| *name == word).ok_or_else(|| {
            let names: Vec<&str> = available().iter().map(|(name, _)| *name).collect();
            format!("{VARIABLE}={word}: expected one of {} on this machine", names.join(", "))
        }),
    })
}

/// What this machine can run, widest first.
fn available() -> Vec<(&'static str, Arch)> {
    let mut all = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        all.extend(pulp::x86::V4::try_new().map(|v| ("avx512", Arch::V4(v))));
        all.extend(pulp::x86::V3::try_new().map(|v| ("avx2", Arch::V3(v))));
    }
    #[cfg(target_arch = "aarch64")]
    all.extend(pulp::aarch64::Neon::try_new().map(|v| ("neon", Arch::Neon(v))));
    all.push(("scalar", Arch::Scalar));
    all
}
