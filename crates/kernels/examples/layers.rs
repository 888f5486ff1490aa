//! times
use kernels::{
    Lanes,
    conv::{self, Conv},
};
use std::time::Instant;
fn time(mut f: impl FnMut()) -> f64 {
    f();
    let mut t: Vec<f64> = (0..std::env::var("REP").map_or(5, |v| v.parse().unwrap()))
        .map(|_| {
            let s = Instant::now();
            f();
            s.elapsed().as_secs_f64()
        })
        .collect();
    t.sort_by(f64::total_cmp);
    t[0]
}
fn aligned(len: usize) -> (Vec<f32>, usize) {
    let v = vec![0.1f32; len + 16];
    let off = v.as_ptr().align_offset(64);
    (v, off)
}
fn main() {
    let batch: usize = std::env::args().nth(1).map_or(64, |v| v.parse().unwrap());
    let only: usize = std::env::args().nth(2).map_or(99, |v| v.parse().unwrap());
    for (i, (inputs, outputs, h, kernel, stride)) in [
        (3, 64, 32, 3, 1),
        (64, 64, 32, 3, 1),
        (64, 128, 32, 3, 2),
        (128, 128, 16, 3, 1),
        (128, 256, 16, 3, 2),
        (256, 256, 8, 3, 1),
        (256, 512, 8, 3, 2),
        (512, 512, 4, 3, 1),
        (64, 128, 32, 1, 2),
        (256, 512, 8, 1, 2),
        (512, 10, 1, 1, 1),
        (64, 128, 32, 3, 1),
        (512, 512, 8, 3, 1),
    ]
    .into_iter()
    .enumerate()
    {
        if only != 99 && only != i {
            continue;
        }
        let c = Conv {
            lanes: Lanes::of(batch),
            inputs,
            h,
            w: h,
            outputs,
            kernel,
            stride,
            padding: kernel / 2,
        };
        let macs = (batch * outputs * inputs * kernel * kernel * c.oh() * c.ow()) as f64;
        let (x, a) = aligned(c.input_len());
        let (mut y, b) = aligned(c.output_len());
        let (mut dx, d0) = aligned(c.input_len());
        let (il, ol) = (c.input_len(), c.output_len());
        let w = vec![0.01; c.weight_len()];
        let mut dw = w.clone();
        let f = time(|| conv::forward(&c, &x[a..a + il], &w, &[], &mut y[b..b + ol]));
        let only_f = std::env::args().nth(3).is_some();
        let g = if only_f {
            1.0
        } else {
            time(|| conv::input_grad(&c, &y[b..b + ol], &w, &mut dx[d0..d0 + il]))
        };
        let wg = if only_f {
            1.0
        } else {
            time(|| conv::weight_grad(&c, &y[b..b + ol], &x[a..a + il], &mut dw))
        };
        for d in [0.1] {
            let mut random = 12345u64;
            let kept: Vec<bool> = (0..c.weight_len())
                .map(|_| {
                    random =
                        random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    (random >> 40) as f64 / (1u64 << 24) as f64 <= d
                })
                .collect();
            let mut sp = conv::Sparse::new(&c, &kept);
            let set = time(|| sp.set(&w));
            let f = time(|| {
                sp.forward(&c, &x[a..a + il], &conv::Epilogue::default(), &mut y[b..b + ol])
            });
            let g = time(|| sp.input_grad(&c, &y[b..b + ol], &mut dx[d0..d0 + il]));
            let wg = time(|| sp.weight_grad(&c, &y[b..b + ol], &x[a..a + il], &mut dw));
            let r = |t: f64| 2.0 * macs / t / 1e9;
            println!(
                "      {d:4}: fwd {:6.0} dx {:6.0} dw {:6.0} GFLOP/s   {:.2} {:.2} {:.2} ms set {:.2} ms",
                r(f),
                r(g),
                r(wg),
                f * 1e3,
                g * 1e3,
                wg * 1e3,
                set * 1e3
            );
        }
        let r = |t: f64| 2.0 * macs / t / 1e9;
        println!(
            "{inputs:4}-{outputs:4} {h:3} k{kernel} s{stride}: fwd {:6.0} dx {:6.0} dw {:6.0} GFLOP/s   {:.2} {:.2} {:.2} ms",
            r(f),
            r(g),
            r(wg),
            f * 1e3,
            g * 1e3,
            wg * 1e3
        );
    }
}
