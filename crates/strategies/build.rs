//! Counts the lines of code of each source file, for the column that says how much code a strategy is.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=src");
    let mut table = String::from("&[\n");
    let mut files: Vec<_> = fs::read_dir("src")?.collect::<Result<_, _>>()?;
    files.sort_by_key(fs::DirEntry::file_name);
    for path in
        files.iter().map(fs::DirEntry::path).filter(|path| path.extension().is_some_and(|e| e == "rs"))
    {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).ok_or("a file name that is not UTF-8")?;
        writeln!(table, "    ({stem:?}, {}),", lines_of_code(&fs::read_to_string(&path)?))?;
    }
    table.push(']');
    fs::write(Path::new(&env::var("OUT_DIR")?).join("lines_of_code.rs"), table)?;
    Ok(())
}

/// Lines that are neither blank nor only a comment, up to the tests.
fn lines_of_code(source: &str) -> usize {
    let is_code = |line: &&str| !line.is_empty() && !line.starts_with("//");
    source.lines().map(str::trim).take_while(|line| *line != "#[cfg(test)]").filter(is_code).count()
}
