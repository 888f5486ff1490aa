//! Windows of convolutions and poolings as ONNX writes them.

use geometry::{Sides, Size, Window};

use super::attributes::Attributes;
use super::constant::Found;

/// The window with these attributes over a map of `size`.
pub fn window(with: Attributes, kernel: Size, size: Size) -> Found<Window> {
    let stride = pair(with, "strides")?;
    let dilation = pair(with, "dilations")?;
    let window = Window { kernel, stride, dilation, padding: Sides::all(0) };
    let auto = with.text("auto_pad").unwrap_or_default();
    let padding = match auto.as_str() {
        "" | "NOTSET" => {
            let [top, left, bottom, right] = with.sizes("pads", &[0; 4])?[..] else {
                unreachable!("four sizes were asked for")
            };
            Sides { top, left, bottom, right }
        }
        "VALID" => Sides::all(0),
        "SAME_UPPER" | "SAME_LOWER" => same(&window, size, auto == "SAME_LOWER")?,
        other => return Err(format!("auto_pad {other}; expected NOTSET, VALID or SAME_*")),
    };
    Ok(Window { padding, ..window })
}

/// Padding before and behind of a kernel of `width` along `size` values, one value at a time.
pub fn pair_along(with: Attributes, width: usize, size: usize) -> Found<[usize; 2]> {
    for name in ["strides", "dilations"] {
        if with.sizes(name, &[1])? != [1] {
            return Err(format!("{name} over 1 in one dimension"));
        }
    }
    if with.int("group").unwrap_or(1) != 1 || with.sizes("kernel_shape", &[width])? != [width] {
        return Err("groups or another kernel_shape than its weights' in one dimension".into());
    }
    let auto = with.text("auto_pad").unwrap_or_default();
    let found = match auto.as_str() {
        "" | "NOTSET" => with.sizes("pads", &[0; 2])?,
        other => return Err(format!("auto_pad {other} in one dimension; expected pads")),
    };
    let [before, after] = found[..] else { unreachable!("two sizes were asked for") };
    if before.max(after) >= size.max(width) {
        return Err(format!("pads {found:?} of {size} values; expected fewer"));
    }
    Ok([before, after])
}

fn pair(with: Attributes, name: &str) -> Found<Size> {
    let sizes = with.sizes(name, &[1; 2])?;
    Ok(Size { h: sizes[0], w: sizes[1] })
}

/// Padding such that there are as many windows as strides in the map.
fn same(window: &Window, size: Size, lower: bool) -> Found<Sides> {
    let span = window.span();
    let along = |size: usize, span: usize, stride: usize| {
        let count = if stride == 0 { None } else { Some(size.div_ceil(stride)) };
        let total = count.map(|n| ((n.max(1) - 1) * stride + span).saturating_sub(size));
        let total = total.ok_or("a stride of 0")?;
        let (less, more) = (total / 2, total - total / 2);
        Ok::<_, String>(if lower { (more, less) } else { (less, more) })
    };
    let (top, bottom) = along(size.h, span.h, window.stride.h)?;
    let (left, right) = along(size.w, span.w, window.stride.w)?;
    Ok(Sides { top, left, bottom, right })
}
