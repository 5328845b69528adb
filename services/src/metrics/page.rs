//! The page of all metrics.

use std::fmt::Write;

use super::Metric;

/// The metrics of a part, as they stand on the page.
#[derive(Clone, Copy, Debug)]
pub struct Chapter {
    /// The part.
    pub title: &'static str,
    /// What there is to know of all of them.
    pub about: &'static str,
    /// What it measures.
    pub metrics: &'static [Metric],
}

/// The page, as Markdown.
pub fn render(about: &str, chapters: &[Chapter]) -> String {
    let mut page = format!("# Metrics\n\n{about}\n");
    for Chapter { title, about, metrics } in chapters {
        let _ = write!(page, "\n## {title}\n\n{about}\n\n| Metric | Kind | Labels | Meaning |\n|---|---|---|---|\n");
        for Metric { name, kind, labels, help } in *metrics {
            let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
            let _ = writeln!(page, "| `{name}` | {} | {} | {help} |", kind.name(), labels.join(", "));
        }
    }
    page
}
