//! Writes the page of an invented run: `cargo run -p revbench-report --example sample -- PATH [KIND]`.
//! KIND is `typical` (default), `hostile`, `tiny`, `censored`, `invalid`, `embedded`, `large`, `ten-blocks` or
//! `two-blocks`.

use revbench_report::fixture;

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "sample.html".to_owned());
    let docs = match arguments.next().as_deref() {
        Some("hostile") => fixture::hostile(),
        Some("tiny") => fixture::tiny(),
        Some("censored") => fixture::censored(),
        Some("invalid") => fixture::invalid(),
        Some("embedded") => fixture::embedded(),
        Some("large") => fixture::large(),
        Some("ten-blocks") => fixture::ten_blocks(),
        Some("two-blocks") => fixture::two_blocks(),
        _ => fixture::typical(),
    };
    std::fs::write(path, revbench_report::html(&docs))
}
