//! The report as its readers meet it: the page, the texts, the files.

mod blocks;
mod files;
mod markup;
mod page;
mod text;
