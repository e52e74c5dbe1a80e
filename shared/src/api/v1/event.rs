//! What happened: the history as people and programs read it.

use serde::{Deserialize, Serialize};

use super::When;

/// One entry of the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EventView {
    /// Its position; rises by one. Resume a stream with it.
    pub id: u64,
    /// When.
    pub at: When,
    /// What kind, as `deployment.started`; grows by new words.
    pub kind: String,
    /// The principal.
    pub by: String,
    /// Its reason; empty when it gave none.
    #[serde(default)]
    pub reason: String,
    /// The app it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// The fleet it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<String>,
    /// The host it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The deployment it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
    /// One line for people.
    pub text: String,
}
