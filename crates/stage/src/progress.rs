//! Progress for people, on stderr: a bar on a terminal, plain lines elsewhere, nothing with -q.

use artifact::printable_lines;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output;

/// The progress of one piece of work.
pub struct Progress {
    bar: ProgressBar,
    plain: bool,
}

impl Progress {
    /// Progress over `total` steps of `unit` (say, `images`), begun with `label`.
    pub fn new(label: &str, unit: &str, total: u64) -> Self {
        let quiet = !tracing::enabled!(tracing::Level::INFO);
        let bar = ProgressBar::new(total);
        bar.set_draw_target(if quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr_with_hz(8)
        });
        let template =
            format!("{{prefix}} [{{bar:10}}] {{speed}} {unit}/s, ETA {{eta}} {{wide_msg}}");
        let style = ProgressStyle::with_template(&template).expect("a constant template");
        bar.set_style(
            style
                .with_key("speed", |s: &indicatif::ProgressState, w: &mut dyn std::fmt::Write| {
                    let _ = write!(w, "{:.0}", s.per_sec());
                })
                .progress_chars("=> "),
        );
        bar.set_prefix(printable_lines(label));
        let plain = !quiet && bar.is_hidden();
        Self { bar, plain }
    }

    /// Sets the label and begins again at 0 (an epoch of several).
    pub fn begin(&self, label: &str) {
        self.bar.set_prefix(printable_lines(label));
        self.bar.reset();
    }

    /// `n` more steps are done; `message` is shown behind the bar.
    pub fn advance(&self, n: u64, message: &str) {
        self.bar.set_message(printable_lines(message));
        self.bar.inc(n);
    }

    /// A line that stays.
    pub fn line(&self, text: &str) {
        if self.plain {
            output::tell(text);
        } else {
            self.bar.println(printable_lines(text));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
