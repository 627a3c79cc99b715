//! Server-sent events (HTML standard, "server-sent events"), as far as a measurement needs them. Pure.

use serde_json::Value;

/// Where an event's data says what.
#[derive(Clone, Debug)]
pub(crate) struct EventForm {
    /// JSON pointer to the status.
    pub(crate) status: String,
    /// JSON pointer to the instant of sending.
    pub(crate) sent_at: String,
}

/// What an event said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    /// What a request would have been answered with; 0 where it does not say.
    pub(crate) status: u16,
    /// When it was sent, CLOCK_MONOTONIC ns; 0 where it does not say, which lies outside every interval.
    pub(crate) sent_at_ns: u64,
}

impl EventForm {
    /// The whole events at the front of what has come, and how many bytes they are. Comments, which keep connections
    /// open and say nothing, are passed over.
    pub(crate) fn heard(&self, come: &[u8]) -> (Vec<Heard>, usize) {
        let (mut heard, mut used) = (Vec::new(), 0);
        while let Some(length) = come[used..].windows(2).position(|pair| pair == b"\n\n") {
            let event = &come[used..used + length];
            used += length + 2;
            let data: Vec<&[u8]> =
                event.split(|&byte| byte == b'\n').filter_map(|line| line.strip_prefix(b"data:")).collect();
            if !data.is_empty() {
                heard.push(self.said(&data.concat()));
            }
        }
        (heard, used)
    }

    fn said(&self, data: &[u8]) -> Heard {
        let data: Value = serde_json::from_slice(data).unwrap_or_default();
        let number = |pointer: &str| data.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
        let status = u16::try_from(number(&self.status)).unwrap_or(0);
        Heard { status, sent_at_ns: number(&self.sent_at) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_events_are_heard_and_the_rest_is_waited_for() {
        let form = EventForm { status: "/status".to_owned(), sent_at: "/at".to_owned() };
        let check = |come: &str, expected: &[(u16, u64)], left: &str| {
            let (heard, used) = form.heard(come.as_bytes());
            let heard: Vec<_> = heard.iter().map(|heard| (heard.status, heard.sent_at_ns)).collect();
            assert_eq!((heard.as_slice(), &come[used..]), (expected, left), "{come}");
        };
        check("", &[], "");
        check("data: {\"status\":200,\"at\":7}\n", &[], "data: {\"status\":200,\"at\":7}\n");
        check("data: {\"status\":200,\"at\":7}\n\n", &[(200, 7)], "");
        check(
            "data: {\"status\":200,\"at\":7}\n\nevent: end\ndata: {\"status\":4",
            &[(200, 7)],
            "event: end\ndata: {\"status\":4",
        );
        check("event: end\ndata: {\"status\":403,\"at\":9}\n\n", &[(403, 9)], "");
        check(": still here\n\ndata:{\"status\":200,\ndata:\"at\":8}\n\n", &[(200, 8)], "");
        check("data: nonsense\n\n", &[(0, 0)], "");
        check("data: {\"status\":-1,\"at\":\"7\"}\n\n", &[(0, 0)], "");
    }
}
