//! A forecast as a drawing: capacity, what answers, what runs the new version, and the floor, over time.

use std::fmt::Write;

use pilotage_simulator::forecast::measure::Point;

use super::{View, lines};
use crate::render::words::thousands;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 80.0;
const TOP: f64 = 70.0;
const BOTTOM: f64 = 40.0;
const RIGHT: f64 = 20.0;

/// One line of the drawing.
type Line = (&'static str, &'static str, fn(&Point) -> u32);

const LINES: [Line; 3] =
    [("available", "#1f6feb", |p| p.available), ("answers", "#8b949e", |p| p.serving), ("runs the new version", "#2da44e", |p| p.new)];

/// The whole file.
pub fn drawing(view: &View) -> String {
    let s = &view.summary;
    let last = s.still.0.max(1) as f64;
    let x = |ms: u64| LEFT + (WIDTH - LEFT - RIGHT) * ms as f64 / last;
    let y = |hosts: u32| HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * f64::from(hosts) / f64::from(s.hosts.max(1));
    let mut out = String::new();
    let mut put = |text: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{text}");
    };
    put(format!("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">"));
    put("<rect width=\"100%\" height=\"100%\" fill=\"white\"/>".to_owned());
    let title = lines(view).into_iter().next().unwrap_or_default();
    put(format!("<title>{0}</title>\n<text x=\"{LEFT}\" y=\"24\" font-size=\"13\">{0}</text>", escaped(&title)));
    for (n, (name, color, _)) in LINES.iter().enumerate() {
        let at = LEFT + 170.0 * n as f64;
        put(format!("<text x=\"{at}\" y=\"48\" fill=\"{color}\">— {name}</text>"));
    }
    put(format!("<text x=\"{}\" y=\"48\" fill=\"#cf222e\">┄ floor</text>", LEFT + 510.0));
    for hosts in [0, s.hosts / 2, s.hosts] {
        put(format!("<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{1:.1}\" y2=\"{1:.1}\" stroke=\"#d0d7de\"/>", WIDTH - RIGHT, y(hosts)));
        put(format!("<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>", LEFT - 8.0, y(hosts) + 4.0, thousands(hosts.into())));
    }
    for quarter in 0..=4 {
        let at = pilotage_shared::time::Millis(s.still.0 * quarter / 4 / 1000 * 1000);
        put(format!("<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{at}</text>", x(at.0), HEIGHT - BOTTOM + 20.0));
    }
    put(format!(
        "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{1:.1}\" y2=\"{1:.1}\" stroke=\"#cf222e\" stroke-dasharray=\"6 4\"/>",
        WIDTH - RIGHT,
        y(s.floor)
    ));
    for (_, color, of) in LINES {
        let mut points = String::new();
        let mut before = None;
        for point in &s.curve {
            // A count holds until it changes.
            if let Some(before) = before {
                let _ = write!(points, "{:.1},{:.1} ", x(point.at.0), y(before));
            }
            let _ = write!(points, "{:.1},{:.1} ", x(point.at.0), y(of(point)));
            before = Some(of(point));
        }
        if let Some(before) = before {
            let _ = write!(points, "{:.1},{:.1}", x(s.still.0), y(before));
        }
        put(format!("<polyline fill=\"none\" stroke=\"{color}\" stroke-width=\"1.5\" points=\"{points}\"/>"));
    }
    put("</svg>".to_owned());
    out
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
