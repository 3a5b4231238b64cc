//! What can be wrong with a PDU, in either direction.
//!
//! The texts never carry octets of the PDU: it may hold a one-time code. Used by every codec module.

/// Why octets are not the PDU they were taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The text is not an even number of hexadecimal digits.
    #[error("not an even number of hexadecimal digits")]
    NotHex,
    /// The octets end inside the named field.
    #[error("the pdu ends inside its {0}")]
    Truncated(&'static str),
    /// The message type indicator is that of another PDU.
    #[error("the message type indicator {0} is that of another pdu")]
    WrongType(u8),
    /// The service centre address claims more than 11 octets.
    #[error("a service centre address of {0} octets")]
    ServiceCenterTooLong(u8),
    /// The address claims more than 20 semi-octets.
    #[error("an address of {0} semi-octets")]
    AddressTooLong(u8),
    /// The user data header does not fit in the user data, or an element does not fit in the header.
    #[error("the user data header does not fit")]
    Header,
    /// The user data length is more than any PDU can carry.
    #[error("user data of {0} octets")]
    UserDataTooLong(usize),
    /// The text is compressed (3GPP TS 23.042), which nobody sends and this crate refuses.
    #[error("compressed text is not supported")]
    Compressed,
    /// The absolute validity period is not a date.
    #[error("the absolute validity period is not a date")]
    Validity,
}

/// Why a PDU cannot be built from its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The data coding scheme names another alphabet than the user data is in.
    #[error("the data coding scheme does not name the alphabet of the user data")]
    AlphabetMismatch,
    /// The user data, header included, needs more than 140 octets.
    #[error("user data of {0} octets, more than 140")]
    UserDataTooLong(usize),
    /// The user data header, or one of its elements, has no room.
    #[error("the user data header is too long")]
    Header,
}
