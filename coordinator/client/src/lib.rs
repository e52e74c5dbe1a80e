//! The coordinator's API as people and agents call it: over its Unix socket or over TCP with a bearer token.
//!
//! [`Client`] speaks the JSON API (one connection per request), [`Events`] the event stream with resume, [`agent`] what
//! agents need: the duplex session, manifests and objects, run reports and logs. Nothing is retried here but a broken
//! event stream: whoever asks knows whether asking again is right.

pub mod agent;
mod client;
mod connect;
mod error;
mod events;
mod secret;
mod upload;

pub use client::{Client, Stream, encode};
pub use connect::Address;
pub use error::ClientError;
pub use events::Events;
pub use secret::{Secret, SecretError};
