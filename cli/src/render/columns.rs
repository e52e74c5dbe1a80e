//! Plain columns: words under words, numbers right-aligned, two spaces between, nothing behind the last.

/// How a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Lays rows out; the first is the head. Columns in which no row but the head has anything are left out.
pub fn columns(aligns: &[Align], rows: &[Vec<String>]) -> Vec<String> {
    let used: Vec<usize> = (0..aligns.len()).filter(|i| rows.iter().skip(1).any(|row| row.get(*i).is_some_and(|cell| !cell.is_empty()))).collect();
    let widths: Vec<usize> =
        used.iter().map(|i| rows.iter().filter_map(|row| row.get(*i)).map(|cell| cell.chars().count()).max().unwrap_or(0)).collect();
    rows.iter()
        .map(|row| {
            let cells = used.iter().zip(&widths).map(|(i, width)| {
                let cell = row.get(*i).map_or("", String::as_str);
                match aligns[*i] {
                    Align::Left => format!("{cell:<width$}"),
                    Align::Right => format!("{cell:>width$}"),
                }
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_left_numbers_right_and_empty_columns_go() {
        let rows = [["FLEET", "HOSTS", "NEXT", "STATE"], ["web-prod", "412", "", "settled"], ["é", "9", "", "waiting"]]
            .map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(
            columns(&[Align::Left, Align::Right, Align::Left, Align::Left], &rows),
            ["FLEET     HOSTS  STATE", "web-prod    412  settled", "é             9  waiting"]
        );
    }
}
