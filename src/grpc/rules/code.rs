//! The status codes of gRPC.
//!
//! Owns the codes and their names. It knows neither their form on the wire nor their causes.

use std::fmt;

/// The status codes of gRPC, with their numbers on the wire. gRPC's status code document closes the
/// list.
///
/// ```
/// use process_wrapper::client::Code;
///
/// assert_eq!(Code::NotFound.to_string(), "NOT_FOUND");
/// assert_eq!(Code::NotFound as u8, 5);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Code {
    /// The call succeeded.
    Ok = 0,
    /// The caller, or the loss of its connection, ended the call.
    Cancelled = 1,
    /// An error without a better code.
    Unknown = 2,
    /// The request is wrong in every state of the server.
    InvalidArgument = 3,
    /// The deadline passed before the call ended.
    DeadlineExceeded = 4,
    /// The requested entity does not exist.
    NotFound = 5,
    /// The entity to create exists already.
    AlreadyExists = 6,
    /// The caller is authenticated and may not do this.
    PermissionDenied = 7,
    /// A limit or a quota was reached.
    ResourceExhausted = 8,
    /// The server is not in the state that the call requires.
    FailedPrecondition = 9,
    /// A conflict with a concurrent call.
    Aborted = 10,
    /// Past the end of a range.
    OutOfRange = 11,
    /// The method does not exist, or not in this form.
    Unimplemented = 12,
    /// A broken invariant or a broken message.
    Internal = 13,
    /// The server is unavailable; a retry may help.
    Unavailable = 14,
    /// Data was lost.
    DataLoss = 15,
    /// The caller is not authenticated.
    Unauthenticated = 16,
}

impl Code {
    /// All codes, each at its own number.
    ///
    /// ```
    /// use process_wrapper::client::Code;
    ///
    /// assert_eq!(Code::ALL[14], Code::Unavailable);
    /// ```
    pub const ALL: [Self; 17] = [
        Self::Ok,
        Self::Cancelled,
        Self::Unknown,
        Self::InvalidArgument,
        Self::DeadlineExceeded,
        Self::NotFound,
        Self::AlreadyExists,
        Self::PermissionDenied,
        Self::ResourceExhausted,
        Self::FailedPrecondition,
        Self::Aborted,
        Self::OutOfRange,
        Self::Unimplemented,
        Self::Internal,
        Self::Unavailable,
        Self::DataLoss,
        Self::Unauthenticated,
    ];

    /// The name in the status code document, such as `RESOURCE_EXHAUSTED`.
    ///
    /// ```
    /// use process_wrapper::client::Code;
    ///
    /// let by_name = |name| Code::ALL.into_iter().find(|code| code.name() == name);
    /// assert_eq!(by_name("PERMISSION_DENIED"), Some(Code::PermissionDenied));
    /// assert_eq!(by_name("Permission denied"), None);
    /// ```
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Cancelled => "CANCELLED",
            Self::Unknown => "UNKNOWN",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::NotFound => "NOT_FOUND",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Aborted => "ABORTED",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
            Self::Unavailable => "UNAVAILABLE",
            Self::DataLoss => "DATA_LOSS",
            Self::Unauthenticated => "UNAUTHENTICATED",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}
