//! What strategies read and write: Redis, the embedded default, and the link that adds distance.
