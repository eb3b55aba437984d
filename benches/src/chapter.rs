//! What one part of the report has found, before it is written down.

use crate::goal::Goal;
use crate::series::{Series, ratio};
use crate::subject::{Role, Subject};

/// One part of the report.
#[derive(Clone, Debug, Default)]
pub struct Chapter {
    /// Its heading.
    pub title: String,
    /// What was done, in a few sentences.
    pub intro: String,
    /// One for each measurement.
    pub tables: Vec<Table>,
    /// The same to look at.
    pub figures: Vec<Figure>,
    /// What the project wants.
    pub goals: Vec<Goal>,
    /// Who could not take part, and why.
    pub absent: Vec<(String, String)>,
}

/// One table.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Its heading.
    pub title: String,
    /// The heads of its columns.
    pub head: Vec<String>,
    /// Its lines.
    pub rows: Vec<TableRow>,
}

/// One line of a table.
#[derive(Clone, Debug)]
pub struct TableRow {
    /// Whether it is this project's.
    pub ours: bool,
    /// Its cells.
    pub cells: Vec<String>,
}

/// Points in lines: for each subject one value or more, on one scale.
#[derive(Clone, Debug)]
pub struct Figure {
    /// The file's name, without extension.
    pub file: &'static str,
    /// Its heading.
    pub title: String,
    /// What the scale shows, with its unit.
    pub axis: &'static str,
    /// What stands in blue.
    pub blue: &'static str,
    /// Whether the scale is logarithmic.
    pub logarithmic: bool,
    /// What the points of one line stand for.
    pub points: Vec<&'static str>,
    /// The lines, from top to bottom.
    pub rows: Vec<FigureRow>,
    /// A line across all: a bound.
    pub bound: Option<f64>,
}

/// One line of a figure.
#[derive(Clone, Debug)]
pub struct FigureRow {
    /// Whose it is.
    pub name: String,
    /// Whether it stands in blue.
    pub ours: bool,
    /// In the order of the figure's points; `None` where there is no number.
    pub values: Vec<Option<f64>>,
}

/// Said in the figures that compare ours with others.
pub const OURS_IS_BLUE: &str = "blue: Quiescent";

/// A table of medians: the names of subjects, and their series in one company.
pub fn medians(title: &str, subjects: &[Box<dyn Subject + '_>], series: &[Series]) -> Table {
    let at = subjects.iter().position(|subject| subject.role() == Role::Baseline);
    let baseline = at.and_then(|at| series[at].median());
    let head = ["", "median ns", "× baseline", "p10 ns", "batches kept", "dropped"];
    let rows = subjects.iter().zip(series).map(|(subject, series)| {
        let median = series.median();
        let ratio = ratio(median, baseline);
        TableRow {
            ours: subject.role() == Role::Ours,
            cells: vec![
                subject.name().to_owned(),
                median.map_or_else(few_samples, number),
                ratio.map_or_else(few_samples, number),
                series.percentile(10).map_or_else(few_samples, number),
                series.kept().to_string(),
                series.dropped().to_string(),
            ],
        }
    });
    Table { title: title.to_owned(), head: head.map(str::to_owned).to_vec(), rows: rows.collect() }
}

/// One line of a figure for each subject: its median in each company.
pub fn median_rows(subjects: &[Box<dyn Subject + '_>], by_company: &[&[Series]]) -> Vec<FigureRow> {
    let rows = subjects.iter().enumerate().map(|(index, subject)| FigureRow {
        name: subject.name().to_owned(),
        ours: subject.role() == Role::Ours,
        values: by_company.iter().map(|series| series[index].median()).collect(),
    });
    rows.collect()
}

/// Instead of a number that means nothing.
pub fn few_samples() -> String {
    "few samples".to_owned()
}

/// Three digits, more or less.
pub fn number(value: f64) -> String {
    match value {
        value if value == value.trunc() && value < 1000.0 => format!("{value:.0}"),
        value if value < 1.0 && value * 10.0 == (value * 10.0).trunc() => format!("{value:.1}"),
        value if value < 9.995 => format!("{value:.2}"),
        value if value < 99.95 => format!("{value:.1}"),
        value => grouped(&format!("{value:.0}")),
    }
}

/// Thousands apart.
fn grouped(digits: &str) -> String {
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_short() {
        let written = [0.0, 0.5, 1.234, 9.999, 12.34, 123.4, 12_345.6, 1_234_567.0].map(number);
        assert_eq!(written, ["0", "0.5", "1.23", "10.0", "12.3", "123", "12 346", "1 234 567"]);
    }
}
