//! 3GPP SMS and AT codecs: bytes in, types out.
//!
//! For: turning a text and a receiver into the PDU that `AT+CMGS` sends, and everything a modem says back into types.
//! Never: I/O, tasks, clocks, randomness, or knowledge of what an OTP is. Nothing here panics on bytes from a line.
//! Called by: `modem`, `emulator` and the SMS channel of `otp-pi`.
//!
//! Map: a text goes through [`segment`](mod@segment), which picks [`gsm7`] or [`ucs2`], into [`submit::Submit`], and
//! that into a [`pdu::Pdu`]. Inbound PDUs come out as [`deliver::Deliver`] or [`status_report::StatusReport`]. The line
//! itself is cut by [`line::LineSplitter`], final results are [`result_code::FinalResult`], answers and URCs are in [`at`],
//! what comes with `+CUSD` is read by [`ussd`].
//!
//! A PDU may carry a one-time code: octets, septets and texts are wiped on drop, and no `Debug` here prints them.

pub mod address;
pub mod at;
pub mod dcs;
pub mod deliver;
pub mod error;
pub mod error_code;
pub mod gsm7;
pub mod line;
pub mod pdu;
pub mod result_code;
pub mod segment;
pub mod status_report;
pub mod submit;
pub mod timestamp;
pub mod ucs2;
pub mod user_data;
pub mod ussd;
pub mod validity;

mod reader;

pub use address::Address;
pub use dcs::Dcs;
pub use deliver::Deliver;
pub use error::{DecodeError, EncodeError};
pub use error_code::{ErrorClass, ErrorCode};
pub use line::{Line, LineSplitter};
pub use pdu::{MessageType, Pdu};
pub use result_code::FinalResult;
pub use segment::{Encoding, Reference, Segments, segment};
pub use status_report::{DeliveryStatus, StatusReport};
pub use submit::Submit;
pub use timestamp::Timestamp;
pub use user_data::UserData;
pub use ussd::{UssdAnswer, UssdForm, UssdReader, UssdStatus};
pub use validity::Validity;
