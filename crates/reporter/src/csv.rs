//! The numbers of a plot as CSV (RFC 4180): a field is quoted where it has to be.

/// A table that grows by rows.
#[derive(Debug, Clone)]
pub struct Csv(String);

/// One field.
pub enum Field<'a> {
    /// Text.
    Text(&'a str),
    /// A number; empty where it is not finite.
    Number(f64),
    /// A count.
    Count(u64),
}

impl Csv {
    /// A table with the header `columns`.
    pub fn new(columns: &[&str]) -> Self {
        let mut csv = Self(String::new());
        csv.row(columns.iter().map(|c| Field::Text(c)));
        csv
    }

    /// Adds a row.
    pub fn row<'a>(&mut self, fields: impl IntoIterator<Item = Field<'a>>) {
        let fields: Vec<String> = fields.into_iter().map(|f| f.text()).collect();
        self.0.push_str(&fields.join(","));
        self.0.push('\n');
    }

    /// The whole table.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl Field<'_> {
    fn text(&self) -> String {
        match self {
            Self::Text(t) if t.contains([',', '"', '\n', '\r']) => {
                format!("\"{}\"", t.replace('"', "\"\""))
            }
            Self::Text(t) => (*t).to_owned(),
            Self::Number(n) if n.is_finite() => n.to_string(),
            Self::Number(_) => String::new(),
            Self::Count(n) => n.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        let mut csv = Csv::new(&["layer", "ratio", "kept"]);
        csv.row([Field::Text("a,\"b\""), Field::Number(0.5), Field::Count(3)]);
        csv.row([Field::Text("c"), Field::Number(f64::NAN), Field::Count(0)]);
        assert_eq!(csv.text(), "layer,ratio,kept\n\"a,\"\"b\"\"\",0.5,3\nc,,0\n");
    }
}
