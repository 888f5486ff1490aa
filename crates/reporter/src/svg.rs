//! A small SVG emitter whose colours are classes.
//!
//! Text and axes take `currentColor`, series take classes of `plot.css`. So the same drawing fits
//! a light and a dark page, and a file of its own, which carries that style sheet in itself. (A
//! plotting library writes fixed colours, which would have to be found and replaced afterwards.)

use std::fmt::Write as _;

/// The classes that drawings use; the page and every file carry it once.
pub const STYLE: &str = include_str!("plot.css");

/// A drawing in the making: elements without the `svg` around them.
#[derive(Debug, Clone, Default)]
pub struct Drawing(String);

/// A place in user units, x to the right and y down.
pub type Point = (f64, f64);

impl Drawing {
    /// A straight line.
    pub fn line(&mut self, class: &str, from: Point, to: Point) {
        self.put(format_args!(
            r#"<line class="{class}" x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}"/>"#,
            from.0, from.1, to.0, to.1
        ));
    }

    /// A line through `points`; nothing for less than two.
    pub fn polyline(&mut self, class: &str, points: &[Point]) {
        if points.len() > 1 {
            let at = places(points);
            self.put(format_args!(r#"<polyline class="{class}" points="{at}"/>"#));
        }
    }

    /// A filled shape.
    pub fn polygon(&mut self, class: &str, points: &[Point]) {
        let at = places(points);
        self.put(format_args!(r#"<polygon class="{class}" points="{at}"/>"#));
    }

    /// A dot, with what the pointer shows over it.
    pub fn dot(&mut self, class: &str, at: Point, says: &str) {
        let says = escape(says);
        self.put(format_args!(
            r#"<circle class="{class}" cx="{:.1}" cy="{:.1}" r="2.6"><title>{says}</title></circle>"#,
            at.0, at.1
        ));
    }

    /// A rectangle from its upper left corner, with what the pointer shows over it.
    pub fn rect(&mut self, class: &str, at: Point, size: Point, says: &str) {
        let says = escape(says);
        self.put(format_args!(
            r#"<rect class="{class}" x="{:.1}" y="{:.1}" width="{:.1}" height="{:.1}"><title>{says}</title></rect>"#,
            at.0, at.1, size.0, size.1
        ));
    }

    /// Text at its baseline; the class `m` or `e` puts its middle or end there.
    pub fn text(&mut self, class: &str, at: Point, text: &str) {
        let text = escape(text);
        self.put(format_args!(
            r#"<text class="{class}" x="{:.1}" y="{:.1}">{text}</text>"#,
            at.0, at.1
        ));
    }

    /// `other` moved by `by`.
    pub fn group(&mut self, by: Point, other: &Drawing) {
        self.put(format_args!(
            r#"<g transform="translate({:.1} {:.1})">{}</g>"#,
            by.0, by.1, other.0
        ));
    }

    /// An element for a page that carries [`STYLE`]; `title` is read to who cannot see it.
    pub fn inline(&self, size: Point, title: &str) -> String {
        let (w, h, title) = (size.0, size.1, escape(title));
        format!(
            r#"<svg class="plot" viewBox="0 0 {w:.0} {h:.0}" role="img" aria-label="{title}"><title>{title}</title>{}</svg>"#,
            self.0
        )
    }

    /// A small mark within text, which says nothing of its own.
    pub fn mark(&self, size: Point) -> String {
        let (w, h) = size;
        format!(
            r#"<svg class="plot mark" viewBox="0 0 {w:.0} {h:.0}" width="{w:.0}" height="{h:.0}" aria-hidden="true">{}</svg>"#,
            self.0
        )
    }

    /// A whole file.
    pub fn file(&self, size: Point, title: &str) -> String {
        let (w, h, title) = (size.0, size.1, escape(title));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot alone\" width=\"{w:.0}\" \
             height=\"{h:.0}\" viewBox=\"0 0 {w:.0} {h:.0}\" role=\"img\"><title>{title}</title>\
             <style>{STYLE}</style>\n<rect class=\"paper\" width=\"100%\" height=\"100%\"/>{}</svg>\n",
            self.0
        )
    }

    fn put(&mut self, element: std::fmt::Arguments) {
        writeln!(self.0, "{element}").expect("writing to a String cannot fail");
    }
}

/// About how wide `text` comes out in the plots' 11-unit type.
pub fn width(text: &str) -> f64 {
    text.chars().count() as f64 * 6.6
}

fn places(points: &[Point]) -> String {
    let places: Vec<String> = points.iter().map(|p| format!("{:.1},{:.1}", p.0, p.1)).collect();
    places.join(" ")
}

fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML has no place for control characters, not even escaped.
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_element() {
        let mut drawing = Drawing::default();
        drawing.text("m", (1.0, 2.0), "<script>\"&\u{1}");
        let text = drawing.inline((10.0, 10.0), "</title><b>");
        assert!(text.contains("&lt;script&gt;&quot;&amp; </text>"), "{text}");
        assert!(text.contains("<title>&lt;/title&gt;&lt;b&gt;</title>"), "{text}");
    }

    #[test]
    fn a_line_of_one_point_is_no_line() {
        let mut drawing = Drawing::default();
        drawing.polyline("line", &[(1.0, 1.0)]);
        assert!(!drawing.inline((1.0, 1.0), "t").contains("polyline"));
    }
}
