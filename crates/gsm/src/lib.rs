//! 3GPP SMS and AT codecs: bytes in, types out; no I/O.
