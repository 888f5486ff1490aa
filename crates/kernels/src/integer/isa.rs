//! Which instructions multiply bytes.

use std::sync::OnceLock;

use crate::isa;

/// Instructions for sums of products of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instructions {
    /// Matrices of bytes where no weight is skipped, and AVX-512 VNNI elsewhere: AMX.
    Amx,
    /// Four products a lane, sixteen lanes: AVX-512 VNNI.
    Vnni512,
    /// Four products a lane, eight lanes: AVX-VNNI.
    Vnni256,
    /// Pairs of products in sixteen bits, which overflow where both weights are large, eight lanes.
    Avx2,
    /// Four products a lane, four lanes: NEON with the dot-product instructions.
    Neon,
    /// One lane.
    Scalar,
}

impl Instructions {
    /// The fastest of this machine, or those that `SECATEUR_SIMD` stands for: of `avx512` those with
    /// AVX-512 VNNI where the machine has it, without AMX; of `avx2` those without VNNI.
    pub fn chosen() -> Self {
        static CHOSEN: OnceLock<Instructions> = OnceLock::new();
        *CHOSEN.get_or_init(|| {
            let forced = std::env::var(isa::VARIABLE).is_ok();
            let all = Self::available();
            let fits = |own: &&Self| match (isa::name(), own) {
                (Ok("avx512"), Self::Amx) | (Ok("avx2"), Self::Vnni256) => !forced,
                (Ok("avx512" | "neon"), _) | (Ok("avx2"), Self::Avx2) | (_, Self::Scalar) => true,
                _ => false,
            };
            *all.iter().find(fits).expect("there are always scalar ones")
        })
    }

    /// What this machine has, fastest first.
    pub fn available() -> Vec<Self> {
        let mut all = vec![];
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            if has!("avx512f") && has!("avx512bw") && has!("avx512vl") && has!("avx512vnni") {
                if super::matrix::available() {
                    all.push(Self::Amx);
                }
                all.push(Self::Vnni512);
            }
            if has!("avx2") && has!("fma") && has!("avxvnni") {
                all.push(Self::Vnni256);
            }
            if has!("avx2") && has!("fma") {
                all.push(Self::Avx2);
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("dotprod") {
            all.push(Self::Neon);
        }
        all.push(Self::Scalar);
        all
    }

    /// Its word, for people and as a part of what measurements are kept by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Amx => "AMX",
            Self::Vnni512 => "AVX-512 VNNI",
            Self::Vnni256 => "AVX-VNNI",
            Self::Avx2 => "AVX2",
            Self::Neon => "NEON",
            Self::Scalar => "scalar",
        }
    }

    /// Those that multiply vectors: the same, but where there are matrices.
    #[must_use]
    pub fn of_vectors(self) -> Self {
        match self {
            Self::Amx => Self::Vnni512,
            other => other,
        }
    }

    /// Whether pairs of products must stay within sixteen bits.
    pub(super) fn have_narrow_sums(self) -> bool {
        self == Self::Avx2
    }

    /// Windows whose sums for four outputs fit the registers beside each other.
    pub(super) fn windows_of_four(self) -> usize {
        match self {
            Self::Amx | Self::Vnni512 => 4,
            Self::Vnni256 | Self::Avx2 | Self::Neon | Self::Scalar => 1,
        }
    }

    /// Windows whose sums fit the registers beside each other.
    pub(super) fn windows(self) -> usize {
        match self {
            Self::Amx | Self::Vnni512 => 16,
            Self::Vnni256 | Self::Avx2 | Self::Neon | Self::Scalar => 4,
        }
    }
}
