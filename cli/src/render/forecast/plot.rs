//! Capacity over time in the terminal: what the floor counts, from the floor up, and below it how many run the new version.

use pilotage_simulator::forecast::Summary;
use pilotage_simulator::forecast::measure::Point;

use crate::render::words::thousands;

/// Rows of capacity.
const ROWS: u32 = 6;
const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Lines of at most `width` columns; none when nothing moves.
pub fn plot(summary: &Summary, width: usize) -> Vec<String> {
    let top = summary.hosts;
    let lowest = summary.curve.iter().map(|point| point.available).min().unwrap_or(0);
    let bottom = summary.floor.min(lowest);
    if summary.curve.len() < 2 || top <= bottom || summary.still.0 == 0 {
        return Vec::new();
    }
    let gutter = 9;
    let columns = resampled(summary, width.saturating_sub(gutter + 2).min(100));
    let height = top - bottom;
    let mut lines = Vec::new();
    for row in (0..ROWS).rev() {
        // The row's own part of the capacity, in eighths.
        let cells: String = columns.iter().map(|point| EIGHTHS[eighths(point.available.saturating_sub(bottom), height, row)]).collect();
        // Where the axis is not the floor itself, the row that holds it is marked.
        let at_floor = row > 0 && row == (u64::from(summary.floor - bottom) * u64::from(ROWS) / u64::from(height)) as u32;
        let (label, edge) = match (row == ROWS - 1, at_floor) {
            (true, _) => (thousands(top.into()), '│'),
            (false, true) => (thousands(summary.floor.into()), '┤'),
            (false, false) => (String::new(), '│'),
        };
        lines.push(format!("{label:>gutter$} {edge}{}", cells.trim_end()));
    }
    let base = if bottom == summary.floor { "floor" } else { "lowest" };
    lines.push(format!("{:>gutter$} └{}", thousands(bottom.into()), axis(base, &summary.still.to_string(), columns.len())));
    let new: String = columns.iter().map(|point| EIGHTHS[(u64::from(point.new) * 8).div_ceil(u64::from(top.max(1))).min(8) as usize]).collect();
    lines.push(format!("{:>gutter$}  {}", "new", new.trim_end()));
    lines
}

fn eighths(above: u32, height: u32, row: u32) -> usize {
    let all = u64::from(above) * u64::from(ROWS) * 8 / u64::from(height);
    all.saturating_sub(u64::from(row) * 8).min(8) as usize
}

/// `floor ─────── 28m`
fn axis(left: &str, right: &str, width: usize) -> String {
    let line = width.saturating_sub(left.len() + right.len() + 2);
    format!("{left} {} {right}", "─".repeat(line))
}

/// One point for each column: the lowest capacity of its time, and the newest count.
fn resampled(summary: &Summary, columns: usize) -> Vec<Point> {
    let mut found: Vec<Point> = Vec::with_capacity(columns);
    let mut points = summary.curve.iter().peekable();
    let Some(mut last) = summary.curve.first().copied() else { return found };
    for column in 1..=columns as u64 {
        let until = summary.still.0 * column / columns as u64;
        let mut lowest = last;
        while let Some(point) = points.next_if(|point| point.at.0 <= until) {
            (lowest.available, lowest.serving, lowest.new) = (lowest.available.min(point.available), lowest.serving.min(point.serving), point.new);
            last = *point;
        }
        found.push(lowest);
    }
    // The end is shown as it is.
    if let Some(end) = found.last_mut() {
        *end = last;
    }
    found
}
