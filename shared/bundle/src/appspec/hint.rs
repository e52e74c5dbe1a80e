//! What was meant where a text is no YAML, or not the YAML that its author thinks (wild 4): the three mistakes that people
//! make most, seen in the line of the error or beside it.

/// Behind an error of that line, counted from 1.
pub fn hint(text: &str, line: usize) -> String {
    let near = [line, line + 1, line.saturating_sub(1)].into_iter().filter(|n| *n > 0);
    near.filter_map(|n| Some((n, text.lines().nth(n - 1)?)))
        .find_map(|(n, text)| Some(format!(" (line {n}: {})", mistake(text)?)))
        .unwrap_or_default()
}

/// A text that was to be `key: value`.
pub fn no_blank(text: &str) -> Option<String> {
    let (key, value) = text.split_once(':')?;
    let word = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    let blank = value.is_empty() || value.starts_with(char::is_whitespace);
    let value = value.split_whitespace().next().unwrap_or_default();
    (word && !blank && !value.starts_with("//")).then(|| format!("a blank is missing behind the colon, write `{key}: {value}`"))
}

fn mistake(line: &str) -> Option<String> {
    let indent = &line[..line.len() - line.trim_start().len()];
    if indent.contains('\t') {
        return Some("tabs do not indent, blanks do".to_owned());
    }
    let content = line.trim_start().trim_start_matches("- ").trim();
    let value = content.split_once(": ").map_or(content, |(_, value)| value.trim());
    match value.chars().next() {
        Some(first @ ('*' | '&' | '%' | '@' | '`' | '!')) => Some(format!("quote what begins with {first}, write \"{value}\"")),
        Some(_) | None => no_blank(content),
    }
}
