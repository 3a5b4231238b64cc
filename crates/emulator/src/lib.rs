//! Modems that are not there: AT, PDU and a radio model, on PTYs.
