//! Addresses in documents, taken apart.

use crate::target_file::address;

/// Where something is: of an absolute address its origin and its path, of a relative one the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// `https://auth.example.com`; one that no target file could have is left out.
    pub(super) origin: Option<String>,
    /// With a / at its beginning.
    path: String,
}

impl Place {
    /// Takes an address apart.
    pub(super) fn of(url: &str) -> Place {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Place { origin: None, path: with_slash(url) };
        };
        let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let origin = format!("{scheme}://{host}");
        Place { origin: Some(origin).filter(|origin| address::is_address(origin)), path: with_slash(path) }
    }

    /// The path, unless it has places to be filled in or letters that no path has.
    pub(super) fn plain_path(&self) -> Option<&str> {
        is_plain(&self.path).then_some(&self.path)
    }

    /// A path below this one.
    pub(super) fn below(&self, path: &str) -> Option<String> {
        let path = format!("{}{}", self.path.trim_end_matches('/'), with_slash(path));
        is_plain(&path).then_some(path)
    }
}

fn with_slash(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

fn is_plain(path: &str) -> bool {
    path.chars().all(|c| c.is_ascii_graphic() && !"{}<>#".contains(c)) && !path.contains("CHANGE-ME")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let check = |url: &str, origin: Option<&str>, path: Option<&str>| {
            let place = Place::of(url);
            assert_eq!((place.origin.as_deref(), place.plain_path()), (origin, path), "{url}");
        };
        check("https://a.example/o/token", Some("https://a.example"), Some("/o/token"));
        check("http://127.0.0.1:8080", Some("http://127.0.0.1:8080"), Some("/"));
        check("/token", None, Some("/token"));
        check("token", None, Some("/token"));
        check("https://{region}.example/v1", None, Some("/v1"));
        check("https://a.example/realms/{realm}/token", Some("https://a.example"), None);
        check("/a b", None, None);
    }

    #[test]
    fn paths_lie_below_a_server() {
        let check = |server: &str, path: &str, expected: Option<&str>| {
            assert_eq!(Place::of(server).below(path).as_deref(), expected, "{server} {path}");
        };
        check("https://a.example/v1/", "/notes", Some("/v1/notes"));
        check("https://a.example", "/notes", Some("/notes"));
        check("/", "notes", Some("/notes"));
        check("/v1", "/notes/{id}", None);
    }
}
