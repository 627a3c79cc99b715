//! Authority and resource server: routes, verification, issuing, one strategy plugged in.
