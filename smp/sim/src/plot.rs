//! Pictures: lines with bands over a grid of panels, and the machine over time as a heat map.

use std::error::Error;
use std::ops::Range;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::experiment::Band;
use crate::measure::Film;
use crate::policy::Kind;

type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Outcome = Result<(), Box<dyn Error>>;

/// One curve: points in order of their abscissa.
pub struct Curve {
    pub policy: Kind,
    pub points: Vec<(f64, Band)>,
}

pub struct Panel {
    pub title: String,
    pub x_label: &'static str,
    pub logarithmic_x: bool,
    pub curves: Vec<Curve>,
}

fn color(policy: Kind) -> RGBColor {
    match policy {
        Kind::Central => RGBColor(120, 120, 120),
        Kind::Weft => RGBColor(200, 30, 30),
        Kind::StealHalf => RGBColor(30, 110, 200),
        Kind::StealOne => RGBColor(30, 150, 90),
        Kind::OwnerPull => RGBColor(150, 80, 190),
        Kind::TwoChoices => RGBColor(230, 140, 20),
        Kind::RoundRobin => RGBColor(110, 70, 40),
        Kind::Broadcast => RGBColor(20, 170, 180),
    }
}

/// Panels side by side, ordinates logarithmic, at most three a row; those without a point are left out.
pub fn panels(path: &Path, panels: &[Panel]) -> Outcome {
    let drawn = || {
        panels
            .iter()
            .filter(|panel| panel.points().next().is_some())
    };
    let columns = drawn().count().clamp(1, 3);
    let rows = drawn().count().div_ceil(columns).max(1);
    let size = (420 * columns as u32, 330 * rows as u32 + 40);
    let canvas = SVGBackend::new(path, size).into_drawing_area();
    canvas.fill(&WHITE)?;
    let (legend, body) = canvas.split_vertically(40);
    draw_legend(&legend, panels)?;
    for (area, panel) in body.split_evenly((rows, columns)).iter().zip(drawn()) {
        draw(area, panel)?;
    }
    canvas.present()?;
    Ok(())
}

fn draw_legend(area: &Canvas, panels: &[Panel]) -> Outcome {
    let mut seen: Vec<Kind> = Vec::new();
    for curve in panels.iter().flat_map(|panel| &panel.curves) {
        if !seen.contains(&curve.policy) {
            seen.push(curve.policy);
        }
    }
    let step = area.dim_in_pixel().0 as i32 / seen.len().clamp(1, 4) as i32;
    for (index, &policy) in seen.iter().enumerate() {
        let (x, y) = (10 + step * (index as i32 % 4), 6 + 16 * (index as i32 / 4));
        let line = [(x, y + 5), (x + 20, y + 5)];
        area.draw(&PathElement::new(line, color(policy).stroke_width(3)))?;
        area.draw(&Text::new(policy.name(), (x + 26, y), ("sans-serif", 12)))?;
    }
    Ok(())
}

fn draw(area: &Canvas, panel: &Panel) -> Outcome {
    let (across, upwards) = (panel.abscissa(), panel.ordinate());
    let mut chart = ChartBuilder::on(area)
        .caption(&panel.title, ("sans-serif", 15))
        .margin(6)
        .x_label_area_size(32)
        .y_label_area_size(48)
        .build_cartesian_2d(across, upwards.log_scale())?;
    let label = |x: &f64| match panel.logarithmic_x {
        true => format!("{:.0}", x.exp2()),
        false => format!("{x}"),
    };
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_labels(6)
        .y_labels(6)
        .x_desc(panel.x_label)
        .x_label_formatter(&label)
        .y_label_formatter(&|y| format!("{y}"))
        .draw()?;
    for curve in &panel.curves {
        let color = color(curve.policy);
        let at = |value: fn(&Band) -> f64| {
            let points = curve.points.iter();
            points.map(move |(x, band)| (panel.place(*x), positive(value(band))))
        };
        let upper = at(|band| band.mean + band.half);
        let lower = at(|band| band.mean - band.half);
        let band: Vec<_> = upper.chain(lower.rev()).collect();
        chart.draw_series([Polygon::new(band, color.mix(0.15))])?;
        let line = at(|band| band.mean);
        chart.draw_series(LineSeries::new(line, color.stroke_width(2)))?;
    }
    Ok(())
}

/// What a logarithmic axis can show.
fn positive(value: f64) -> f64 {
    value.max(1e-3)
}

impl Panel {
    fn points(&self) -> impl Iterator<Item = &(f64, Band)> {
        self.curves.iter().flat_map(|curve| &curve.points)
    }

    /// Doublings make even steps of a logarithmic abscissa.
    fn place(&self, x: f64) -> f64 {
        if self.logarithmic_x { x.log2() } else { x }
    }

    fn abscissa(&self) -> Range<f64> {
        let places = || self.points().map(|(x, _)| self.place(*x));
        let (left, right) = (
            places().fold(f64::MAX, f64::min),
            places().fold(f64::MIN, f64::max),
        );
        // An axis has a length, even under a single point.
        left..right.max(left + 1e-3)
    }

    fn ordinate(&self) -> Range<f64> {
        let lows = self.points().map(|(_, band)| positive(band.mean));
        let highs = self
            .points()
            .map(|(_, band)| positive(band.mean + band.half));
        lows.fold(f64::MAX, f64::min) * 0.8..highs.fold(1e-3, f64::max) * 1.25
    }
}

/// CPUs upwards, time to the right, the darker the busier.
pub fn heat_map(path: &Path, films: &[(String, Film)]) -> Outcome {
    const CELL: (i32, i32) = (5, 4);
    let Some((_, first)) = films.first() else {
        return Ok(());
    };
    let (cpus, intervals) = (first.busy_ns.len() as i32, first.delay.len() as i32);
    let height = cpus * CELL.1 + 40;
    let size = (
        (intervals * CELL.0 + 20) as u32,
        (height * films.len() as i32 + 10) as u32,
    );
    let canvas = SVGBackend::new(path, size).into_drawing_area();
    canvas.fill(&WHITE)?;
    for (number, (title, film)) in films.iter().enumerate() {
        let top = height * number as i32 + 30;
        canvas.draw(&Text::new(
            title.as_str(),
            (10, top - 20),
            ("sans-serif", 14),
        ))?;
        for (cpu, busy) in film.busy_ns.iter().enumerate() {
            draw_row(
                &canvas,
                busy,
                film.interval_ns,
                (10, top + cpu as i32 * CELL.1),
                CELL,
            )?;
        }
    }
    canvas.present()?;
    Ok(())
}

/// One CPU; equal neighbours in one rectangle, which keeps the file small.
fn draw_row(canvas: &Canvas, busy: &[u64], full: u64, at: (i32, i32), cell: (i32, i32)) -> Outcome {
    let shade = |busy: &u64| (busy * 6 / full.max(1)).min(5) as i32;
    let mut from = 0;
    while from < busy.len() {
        let level = shade(&busy[from]);
        let length = busy[from..]
            .iter()
            .take_while(|busy| shade(busy) == level)
            .count();
        let corners = [
            (at.0 + from as i32 * cell.0, at.1),
            (at.0 + (from + length) as i32 * cell.0, at.1 + cell.1),
        ];
        let light = (245 - level * 45) as u8;
        let fill = RGBColor(light, light, 245 - level as u8 * 20).filled();
        canvas.draw(&Rectangle::new(corners, fill))?;
        from += length;
    }
    Ok(())
}
