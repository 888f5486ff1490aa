//! What is asked for of a file: a prefix, and tensors to leave out.

use pytorch::Selection;

use crate::try_read;
use crate::writer::{bytes, call, dict, vector, zipped};

/// `model.a`, `model.b`, `ema.a`, and a quantised `loss.q`.
fn file() -> Vec<u8> {
    let quantised = call("torch._utils", "_rebuild_qtensor", &[]);
    let one = || vector("0", 1);
    let all = [("model.a", one()), ("model.b", one()), ("ema.a", one()), ("loss.q", quantised)];
    zipped(&dict(&all), &[("0", bytes(&[1.0]))])
}

fn check(prefix: Option<&str>, ignore: &[&str], expected: Result<(&[&str], &[&str]), &str>) {
    let ignore: Vec<String> = ignore.iter().map(|p| (*p).to_owned()).collect();
    let found = try_read(&file(), &Selection { key: None, prefix, ignore: &ignore });
    match (found, expected) {
        (Ok(found), Ok((names, notes))) => {
            assert_eq!(found.tensors.keys().collect::<Vec<_>>(), names);
            assert_eq!(found.notes[..notes.len()], *notes);
        }
        (Err(e), Err(expected)) => {
            assert!(e.to_string().contains(expected), "{e} lacks {expected}");
        }
        (found, expected) => panic!("{found:?} is not {expected:?}"),
    }
}

#[test]
fn tensors_are_taken_by_prefix_and_left_out_by_pattern() {
    let taken = "took the 2 tensors below model.";
    let beside = "passed over 2 tensors beside it: ema.a, loss.q";
    check(Some("model"), &[], Ok((&["a", "b"], &[taken, beside])));
    check(Some("model."), &[], Ok((&["a", "b"], &[taken, beside])));
    let ignored = "ignored 2 tensors, as asked: ema.a, loss.q";
    check(None, &["ema.*", "loss.?"], Ok((&["a", "b"], &[ignored])));
    check(
        Some("model"),
        &["*.b", "loss.q"],
        Ok((&["a"], &["ignored 2 tensors, as asked: model.b, loss.q"])),
    );
}

#[test]
fn what_has_no_effect_is_refused() {
    let all = "there are: model.a, model.b, ema.a, loss.q";
    check(None, &["lost.*"], Err(&format!("--ignore lost.* matches no tensor; {all}")));
    let fronts = "no tensor is below --prefix mod.; names begin with: model, ema, loss";
    check(Some("mod"), &[], Err(fronts));
    // What stands where a tensor belongs is refused with the call that helps, and with the way out.
    let told = "loss.q: the pickle would call torch._utils._rebuild_qtensor where a tensor belongs; \
                nothing of it was run; it is quantised: save loss.q.dequantize() in its place; if the \
                network does without it, --ignore 'loss.q' leaves it out";
    check(None, &[], Err(told));
    check(Some("model"), &["*"], Err("no tensor is below --prefix model."));
}
