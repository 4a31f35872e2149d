//! Pictures: lines with bands over a grid of panels, and the machine over time as a heat map.

use std::error::Error;
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

/// Panels side by side, ordinates logarithmic, at most three a row.
pub fn panels(path: &Path, panels: &[Panel]) -> Outcome {
    let columns = panels.len().min(3);
    let rows = panels.len().div_ceil(columns);
    let size = (420 * columns as u32, 330 * rows as u32 + 40);
    let canvas = SVGBackend::new(path, size).into_drawing_area();
    canvas.fill(&WHITE)?;
    let (legend, body) = canvas.split_vertically(40);
    draw_legend(&legend, panels)?;
    for (area, panel) in body.split_evenly((rows, columns)).iter().zip(panels) {
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
    let points = || panel.curves.iter().flat_map(|curve| &curve.points);
    let xs = || points().map(|(x, _)| *x);
    let positive = |value: f64| value.max(1e-3);
    let low = points()
        .map(|(_, band)| positive(band.mean))
        .fold(f64::MAX, f64::min);
    let high = points()
        .map(|(_, band)| positive(band.mean + band.half))
        .fold(1e-3, f64::max);
    let (left, right) = (xs().fold(f64::MAX, f64::min), xs().fold(f64::MIN, f64::max));
    // Doublings make even steps of a logarithmic abscissa.
    let place = |x: f64| if panel.logarithmic_x { x.log2() } else { x };
    let mut chart = ChartBuilder::on(area)
        .caption(&panel.title, ("sans-serif", 15))
        .margin(6)
        .x_label_area_size(32)
        .y_label_area_size(48)
        .build_cartesian_2d(
            place(left)..place(right),
            (low * 0.8..high * 1.25).log_scale(),
        )?;
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
        let upper = curve
            .points
            .iter()
            .map(|(x, b)| (place(*x), positive(b.mean + b.half)));
        let lower = curve
            .points
            .iter()
            .rev()
            .map(|(x, b)| (place(*x), positive(b.mean - b.half)));
        let band: Vec<_> = upper.chain(lower).collect();
        chart.draw_series([Polygon::new(band, color.mix(0.15))])?;
        let line = curve
            .points
            .iter()
            .map(|(x, b)| (place(*x), positive(b.mean)));
        chart.draw_series(LineSeries::new(line, color.stroke_width(2)))?;
    }
    Ok(())
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
