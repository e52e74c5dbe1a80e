//! What can go wrong between a caller and the coordinator.

use pilotage_shared::api::v1::Problem;

/// The coordinator's refusal is kept apart from not reaching it and from not understanding it.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection, or it broke before there was an answer. Whether a write took effect is not known: ask again under the
    /// same idempotency key.
    #[error("failed to reach the coordinator at {address}")]
    Unreachable {
        /// Where.
        address: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The coordinator refused, and says why.
    #[error("{}", .0.detail)]
    Problem(Box<Problem>),
    /// An answer that is not one of ours.
    #[error("failed to understand the coordinator's answer (HTTP {status}): {why}")]
    Answer {
        /// Of the answer.
        status: u16,
        /// What is wrong with it.
        why: String,
    },
    /// A body could not be made or read to its end.
    #[error("failed to transfer a body")]
    Body(#[source] std::io::Error),
    /// The request cannot be made of what was given.
    #[error("failed to make a request: {0}")]
    Request(String),
}

impl ClientError {
    /// The problem document, when the coordinator refused.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            ClientError::Problem(problem) => Some(problem),
            ClientError::Unreachable { .. } | ClientError::Answer { .. } | ClientError::Body(_) | ClientError::Request(_) => None,
        }
    }

    /// Would the same request perhaps succeed later?
    pub fn is_unreachable(&self) -> bool {
        match self {
            ClientError::Unreachable { .. } => true,
            ClientError::Problem(problem) => problem.status == 503,
            ClientError::Answer { .. } | ClientError::Body(_) | ClientError::Request(_) => false,
        }
    }
}
