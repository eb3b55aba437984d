//! Figures as SVG: a line for each subject, a point for each of its values, ours in colour.

use crate::chapter::{Figure, FigureRow, number};
use crate::error::Error;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::ops::Range;
use std::path::Path;

const WIDTH: u32 = 960;
const ROW: u32 = 26;
const NAMES: u32 = 330;
const HEAD: u32 = 84;
const FOOT: u32 = 64;
const INK: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(222, 222, 222);
const OURS: RGBColor = RGBColor(0, 94, 184);
const OURS_BAND: RGBColor = RGBColor(232, 241, 251);
const THEIRS: RGBColor = RGBColor(118, 118, 118);
const BOUND: RGBColor = RGBColor(196, 30, 58);
const FONT: &str = "sans-serif";

/// Writes `figure` into `directory`.
pub fn draw(figure: &Figure, directory: &Path) -> Result<(), Error> {
    let path = directory.join(format!("{}.svg", figure.file));
    let rows = u32::try_from(figure.rows.len()).expect("a few");
    let root = SVGBackend::new(&path, (WIDTH, HEAD + rows * ROW + FOOT)).into_drawing_area();
    let drawn = root.fill(&WHITE).map_err(|error| error.to_string()).and_then(|()| {
        let range = range_of(figure);
        if figure.logarithmic {
            draw_on(&root, figure, (range.start..range.end).log_scale())
        } else {
            draw_on(&root, figure, range)
        }
    });
    let drawn = drawn.and_then(|()| root.present().map_err(|error| error.to_string()));
    drawn.map_err(|error| Error::new(format!("cannot write {}: {error}", path.display())))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn draw_on<X>(root: &Area<'_>, figure: &Figure, scale: X) -> Result<(), String>
where
    X: AsRangedCoord<Value = f64>,
    X::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let text = |error: DrawingAreaErrorKind<_>| error.to_string();
    let rows = figure.rows.len();
    let line = |row: usize| (rows - row) as f64 - 0.5;
    root.draw(&Text::new(figure.title.clone(), (16, 14), (FONT, 20).into_font().color(&INK))).map_err(text)?;
    draw_legend(root, figure)?;

    let mut chart = ChartBuilder::on(root)
        .margin_top(HEAD)
        .margin_right(60)
        .set_label_area_size(LabelAreaPosition::Left, NAMES)
        .set_label_area_size(LabelAreaPosition::Bottom, FOOT)
        .build_cartesian_2d(scale, 0.0..rows as f64)
        .map_err(text)?;
    let (left, right) = {
        let range = chart.x_range();
        (range.start, range.end)
    };
    for (index, row) in figure.rows.iter().enumerate().filter(|(_, row)| row.ours) {
        let _ = row;
        let band = [(left, line(index) - 0.5), (right, line(index) + 0.5)];
        chart.draw_series([Rectangle::new(band, OURS_BAND.filled())]).map_err(text)?;
    }
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .x_labels(8)
        .x_label_formatter(&|value| number(*value))
        .x_desc(figure.axis)
        .axis_style(THEIRS)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .label_style((FONT, 14).into_font().color(&INK))
        .axis_desc_style((FONT, 15).into_font().color(&INK))
        .draw()
        .map_err(text)?;
    if let Some(bound) = figure.bound {
        chart
            .draw_series([PathElement::new([(bound, 0.0), (bound, rows as f64)], BOUND.stroke_width(2))])
            .map_err(text)?;
    }
    for (index, row) in figure.rows.iter().enumerate() {
        draw_row(root, &chart, row, line(index), left)?;
    }
    Ok(())
}

fn draw_row<X>(
    root: &Area<'_>,
    chart: &ChartContext<'_, SVGBackend<'_>, Cartesian2d<X, plotters::coord::types::RangedCoordf64>>,
    row: &FigureRow,
    line: f64,
    left: f64,
) -> Result<(), String>
where
    X: Ranged<ValueType = f64>,
{
    let text = |error: DrawingAreaErrorKind<_>| error.to_string();
    let colour = if row.ours { OURS } else { THEIRS };
    let (x, y) = chart.backend_coord(&(left, line));
    let name_colour = if row.ours { OURS } else { INK };
    let name = (FONT, 15).into_font().color(&name_colour).pos(Pos::new(HPos::Right, VPos::Center));
    root.draw(&Text::new(row.name.clone(), (x - 12, y), name)).map_err(text)?;
    let known: Vec<f64> = row.values.iter().copied().flatten().collect();
    let (least, most) =
        known.iter().fold((f64::MAX, f64::MIN), |(least, most), &value| (least.min(value), most.max(value)));
    if known.is_empty() {
        let label = (FONT, 13).into_font().color(&INK).pos(Pos::new(HPos::Left, VPos::Center));
        return root.draw(&Text::new("few samples", (x + 8, y), label)).map_err(text);
    }
    let ends = [chart.backend_coord(&(least, line)), chart.backend_coord(&(most, line))];
    root.draw(&PathElement::new(ends, colour.stroke_width(1))).map_err(text)?;
    for (point, value) in row.values.iter().enumerate() {
        let Some(value) = value else { continue };
        draw_point(root, chart.backend_coord(&(*value, line)), point, colour)?;
    }
    let label = (FONT, 13).into_font().color(&name_colour).pos(Pos::new(HPos::Left, VPos::Center));
    let (x, y) = ends[1];
    root.draw(&Text::new(number(most), (x + 10, y), label)).map_err(text)
}

/// Shapes tell the values of one line apart: a disc, a ring, a cross.
fn draw_point(root: &Area<'_>, at: (i32, i32), point: usize, colour: RGBColor) -> Result<(), String> {
    let drawn = match point {
        0 => root.draw(&Circle::new(at, 5, colour.filled())),
        1 => root
            .draw(&Circle::new(at, 5, WHITE.filled()))
            .and_then(|()| root.draw(&Circle::new(at, 5, colour.stroke_width(2)))),
        _ => root.draw(&Cross::new(at, 5, colour.stroke_width(2))),
    };
    drawn.map_err(|error| error.to_string())
}

fn draw_legend(root: &Area<'_>, figure: &Figure) -> Result<(), String> {
    let style = (FONT, 14).into_font().color(&INK).pos(Pos::new(HPos::Left, VPos::Center));
    let mut x = i32::try_from(NAMES).expect("small") + 8;
    let y = 58;
    let single = figure.points.len() == 1;
    for (point, name) in figure.points.iter().enumerate().filter(|_| !single) {
        draw_point(root, (x, y), point, INK)?;
        root.draw(&Text::new(*name, (x + 12, y), style.clone())).map_err(|error| error.to_string())?;
        x += 34 + 8 * i32::try_from(name.len()).expect("short");
    }
    let ours = (FONT, 14).into_font().color(&OURS).pos(Pos::new(HPos::Left, VPos::Center));
    root.draw(&Text::new("blue: Quiescent", (16, y), ours)).map_err(|error| error.to_string())
}

/// From a little below the least to a little above the most.
fn range_of(figure: &Figure) -> Range<f64> {
    let values = figure.rows.iter().flat_map(|row| row.values.iter().copied().flatten()).chain(figure.bound);
    let (least, most) = values.fold((f64::MAX, f64::MIN), |(least, most), value| (least.min(value), most.max(value)));
    if least > most {
        return 1.0..10.0;
    }
    if figure.logarithmic { (least / 1.5).max(0.01)..most * 1.6 } else { 0.0..(most * 1.1).max(1.0) }
}
