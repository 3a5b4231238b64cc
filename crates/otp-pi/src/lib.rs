//! The product: listeners, gateway, dispatch, command line.
