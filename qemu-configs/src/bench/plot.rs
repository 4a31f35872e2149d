//! The ratios of one setting as bars (SVG): to the left of the middle line Weft needs less than
//! Linux, to the right more. The scale is logarithmic, a tick marks each row's target.

use super::table::Line;
use super::verdict::Verdict;
use std::fmt::Write;

const ROW: f64 = 18.0;
const LEFT: f64 = 330.0;
const WIDTH: f64 = 560.0;
const TOP: f64 = 46.0;
/// The scale reaches from 1/16 to 16 times Linux.
const OCTAVES: f64 = 4.0;

pub fn bars(title: &str, lines: &[Line]) -> String {
    let lines: Vec<_> = lines.iter().filter(|line| line.ratio.is_some()).collect();
    let height = TOP + ROW * lines.len() as f64 + 12.0;
    let mut svg = header(title, height);
    for exponent in -4..=4 {
        grid(&mut svg, f64::from(exponent), height);
    }
    for (index, line) in lines.iter().enumerate() {
        bar(&mut svg, line, TOP + ROW * index as f64);
    }
    svg + "</svg>\n"
}

fn header(title: &str, height: f64) -> String {
    let all = LEFT + WIDTH + 30.0;
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {all} {height}' \
         font-family='sans-serif' font-size='12'>\n\
         <rect width='{all}' height='{height}' fill='white'/>\n\
         <text x='8' y='18' font-weight='bold'>{}: Weft divided by Linux</text>\n",
        escaped(title)
    )
}

fn grid(svg: &mut String, exponent: f64, height: f64) {
    let x = place(exponent.exp2());
    let (color, bottom) = (
        if exponent == 0.0 { "black" } else { "#ddd" },
        height - 10.0,
    );
    let label = match exponent {
        exponent if exponent < 0.0 => format!("1/{}", (-exponent).exp2()),
        exponent => format!("{}", exponent.exp2()),
    };
    // Writing to a String cannot fail; so below.
    let _ = writeln!(
        svg,
        "<line x1='{x}' y1='{TOP}' x2='{x}' y2='{bottom}' stroke='{color}'/>\
         <text x='{x}' y='38' text-anchor='middle' fill='#555'>{label}</text>"
    );
}

fn bar(svg: &mut String, line: &Line, y: f64) {
    let Some(ratio) = line.ratio else { return };
    let (from, to) = (place(1.0).min(place(ratio)), place(1.0).max(place(ratio)));
    let (width, text) = (to - from, y + 13.0);
    let title = escaped(&line.cells[0]);
    let _ = writeln!(
        svg,
        "<text x='{}' y='{text}' text-anchor='end'>{title}</text>\
         <rect x='{from:.1}' y='{}' width='{width:.1}' height='12' fill='{}'><title>{title}: {ratio:.2}</title></rect>",
        LEFT - 8.0,
        y + 3.0,
        color(line.verdict),
    );
    if let Some(target) = line.target {
        let x = place(target);
        let _ = writeln!(
            svg,
            "<line x1='{x:.1}' y1='{y}' x2='{x:.1}' y2='{}' stroke='black' stroke-width='2'/>",
            y + ROW
        );
    }
}

fn color(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        Some(Verdict::Won) => "#2e7d32",
        Some(Verdict::AboveTarget) => "#9ccc65",
        _ => "#c62828",
    }
}

fn place(ratio: f64) -> f64 {
    let octaves = ratio.log2().clamp(-OCTAVES, OCTAVES);
    LEFT + WIDTH * (octaves + OCTAVES) / (2.0 * OCTAVES)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_is_left_of_the_middle() {
        assert!(place(0.5) < place(1.0) && place(1.0) < place(2.0));
        assert_eq!(place(1e-9), LEFT);
        assert_eq!(place(1e9), LEFT + WIDTH);
    }
}
