//! Run directories in; terminal tables, Markdown, HTML and charts out.
