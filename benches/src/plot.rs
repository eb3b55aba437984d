//! Figures as SVG: a line for each subject, a point for each of its values, some in colour.

use crate::chapter::{Figure, FigureRow, number};
use crate::error::Error;
use crate::scale::Scale;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::fmt::{Display, Write};
use std::fs;
use std::path::Path;

const PLOT: i32 = 580;
const ROW: i32 = 26;
const TOP: i32 = 84;
const FOOT: i32 = 62;
const MARGIN: i32 = 16;
/// Room for the number behind the last point.
const RIGHT: i32 = 70;
const INK: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(222, 222, 222);
const BLUE: RGBColor = RGBColor(0, 94, 184);
const BAND: RGBColor = RGBColor(232, 241, 251);
const GREY: RGBColor = RGBColor(110, 110, 110);
const BOUND: RGBColor = RGBColor(196, 30, 58);

/// Where the reader's page is dark: each colour, and what stands for it.
const DARK: [(RGBColor, &str); 7] = [
    (WHITE, "#0D1117"),
    (INK, "#E6EDF3"),
    (GRID, "#30363D"),
    (BLUE, "#6CB6FF"),
    (BAND, "#12243A"),
    (GREY, "#9DA7B1"),
    (BOUND, "#FF7B85"),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Writes `figure` into `directory`.
pub fn draw(figure: &Figure, directory: &Path) -> Result<(), Error> {
    let path = directory.join(format!("{}.svg", figure.file));
    let layout = Layout::of(figure);
    let size = [layout.right + RIGHT, layout.bottom + FOOT].map(|length| u32::try_from(length).expect("positive"));
    let area = SVGBackend::new(&path, size.into()).into_drawing_area();
    let drawn = Canvas { area: &area }.figure(figure, &layout).and_then(|()| area.present());
    drawn.map_err(|error| Error::new(format!("cannot write {}: {error}", path.display())))?;
    drop(area);
    Ok(fs::write(&path, with_dark_colours(&fs::read_to_string(&path)?))?)
}

fn with_dark_colours(svg: &str) -> String {
    let mut style = String::from(">\n<style>@media (prefers-color-scheme: dark) {\n");
    for (RGBColor(red, green, blue), dark) in DARK {
        for property in ["fill", "stroke"] {
            let _ = writeln!(style, "[{property}=\"#{red:02X}{green:02X}{blue:02X}\"] {{ {property}: {dark}; }}");
        }
    }
    svg.replacen('>', &(style + "}</style>"), 1)
}

/// Where things are, in pixels.
struct Layout {
    left: i32,
    right: i32,
    bottom: i32,
    /// Of the line across all.
    bound: Option<i32>,
    scale: Scale,
}

impl Layout {
    fn of(figure: &Figure) -> Layout {
        let longest = figure.rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
        let left = MARGIN + text_width(longest, 15) + 12;
        let rows = i32::try_from(figure.rows.len()).expect("a few");
        let values = figure.rows.iter().flat_map(|row| row.values.iter().copied().flatten()).chain(figure.bound);
        let scale = Scale::over(values, figure.logarithmic);
        let bound = figure.bound.map(|bound| left + along(scale, bound));
        Layout { left, right: left + PLOT, bottom: TOP + rows * ROW, bound, scale }
    }

    fn x(&self, value: f64) -> i32 {
        self.left + along(self.scale, value)
    }
}

#[allow(clippy::cast_possible_truncation, reason = "pixels")]
fn along(scale: Scale, value: f64) -> i32 {
    (scale.share(value) * f64::from(PLOT)).round() as i32
}

/// About as wide as most fonts make it: only whoever shows the file knows the font.
fn text_width(characters: usize, size: i32) -> i32 {
    i32::try_from(characters).expect("short") * size * 52 / 100
}

type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

struct Canvas<'a, 'b> {
    area: &'a Area<'b>,
}

impl Canvas<'_, '_> {
    fn figure(&self, figure: &Figure, layout: &Layout) -> Drawn {
        self.area.fill(&WHITE)?;
        self.text(&figure.title, (MARGIN, 24), 20, INK, HPos::Left)?;
        self.legend(figure, layout)?;
        for (index, row) in figure.rows.iter().enumerate().filter(|(_, row)| row.ours) {
            let _ = row;
            let y = TOP + i32::try_from(index).expect("a few") * ROW;
            self.area.draw(&Rectangle::new([(layout.left, y), (layout.right, y + ROW)], BAND.filled()))?;
        }
        self.axis(figure, layout)?;
        if let Some(x) = layout.bound {
            self.area.draw(&PathElement::new([(x, TOP), (x, layout.bottom)], BOUND.stroke_width(2)))?;
        }
        let mut y = TOP + ROW / 2;
        for row in &figure.rows {
            self.row(row, layout, y)?;
            y += ROW;
        }
        Ok(())
    }

    fn axis(&self, figure: &Figure, layout: &Layout) -> Drawn {
        for tick in layout.scale.ticks() {
            let x = layout.x(tick);
            self.area.draw(&PathElement::new([(x, TOP), (x, layout.bottom + 5)], GRID))?;
            self.text(number(tick), (x, layout.bottom + 15), 14, INK, HPos::Center)?;
        }
        self.area.draw(&PathElement::new([(layout.left, layout.bottom), (layout.right, layout.bottom)], GREY))?;
        self.text(figure.axis, ((layout.left + layout.right) / 2, layout.bottom + 40), 15, INK, HPos::Center)
    }

    fn row(&self, row: &FigureRow, layout: &Layout, y: i32) -> Drawn {
        let (line, ink) = if row.ours { (BLUE, BLUE) } else { (GREY, INK) };
        self.text(&row.name, (layout.left - 12, y), 15, ink, HPos::Right)?;
        let known = || row.values.iter().copied().flatten();
        let (Some(least), Some(most)) = (known().min_by(f64::total_cmp), known().max_by(f64::total_cmp)) else {
            return self.text("few samples", (layout.left + 8, y), 13, ink, HPos::Left);
        };
        self.area.draw(&PathElement::new([(layout.x(least), y), (layout.x(most), y)], line))?;
        for (point, value) in row.values.iter().enumerate() {
            if let Some(value) = value {
                self.point((layout.x(*value), y), point, line)?;
            }
        }
        let label = (number(most), layout.x(most) + 10);
        let end = label.1 + text_width(label.0.len(), 13);
        let crossed = layout.bound.is_some_and(|bound| (label.1 - 4..end + 4).contains(&bound));
        if crossed {
            return self.text(label.0, (layout.x(least) - 10, y), 13, ink, HPos::Right);
        }
        self.text(label.0, (label.1, y), 13, ink, HPos::Left)
    }

    /// Shapes tell the values of one line apart: a disc, a ring, a cross.
    fn point(&self, at: (i32, i32), point: usize, colour: RGBColor) -> Drawn {
        match point {
            0 => self.area.draw(&Circle::new(at, 5, colour.filled())),
            1 => self.area.draw(&Circle::new(at, 6, colour.stroke_width(2))),
            _ => self.area.draw(&Cross::new(at, 5, colour.stroke_width(2))),
        }
    }

    fn legend(&self, figure: &Figure, layout: &Layout) -> Drawn {
        let y = 58;
        self.text(figure.blue, (MARGIN, y), 14, BLUE, HPos::Left)?;
        let mut x = layout.left.max(MARGIN + text_width(figure.blue.chars().count(), 14) + 24) + 6;
        for (point, name) in figure.points.iter().enumerate().filter(|_| figure.points.len() > 1) {
            self.point((x, y), point, INK)?;
            self.text(name, (x + 12, y), 14, INK, HPos::Left)?;
            x += 36 + text_width(name.chars().count(), 14);
        }
        Ok(())
    }

    fn text(&self, text: impl Display, at: (i32, i32), size: i32, colour: RGBColor, anchor: HPos) -> Drawn {
        let style = ("sans-serif", size).into_font().color(&colour).pos(Pos::new(anchor, VPos::Center));
        self.area.draw(&Text::new(text.to_string(), at, style))
    }
}

#[cfg(test)]
mod tests {
    use super::{DARK, draw};
    use crate::chapter::{Figure, FigureRow};
    use std::collections::BTreeSet;
    use std::{env, fs};

    #[test]
    fn every_colour_has_one_for_dark_pages() {
        let row = |ours| FigureRow { name: "row".to_owned(), ours, values: vec![Some(1.0), Some(2.0)] };
        let figure = Figure {
            file: "quiescent-bench-plot-test",
            title: "title".to_owned(),
            axis: "axis",
            blue: "blue",
            logarithmic: false,
            points: vec!["one", "two"],
            rows: vec![row(false), row(true)],
            bound: Some(1.5),
        };
        let directory = env::temp_dir();
        draw(&figure, &directory).unwrap();
        let path = directory.join("quiescent-bench-plot-test.svg");
        let svg = fs::read_to_string(&path).unwrap();
        fs::remove_file(path).unwrap();
        let (style, drawing) = svg.split_once("</style>").unwrap();
        let colours = |text: &str| -> BTreeSet<String> {
            let parts = text.split("=\"#").skip(1).map(|part| part[..6].to_owned());
            parts.collect()
        };
        assert_eq!(colours(drawing), colours(style));
        assert_eq!(colours(style).len(), DARK.len());
    }
}
