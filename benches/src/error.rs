//! Why a measurement could not be taken.

use std::fmt;

/// In words.
#[derive(Debug)]
pub struct Error(String);

impl Error {
    /// `why`, as the user reads it.
    pub fn new(why: impl Into<String>) -> Error {
        Error(why.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Error {
        Error(error.to_string())
    }
}
