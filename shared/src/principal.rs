//! Who asks. Made by the transport from credentials, never read from a body (DESIGN §1, §7).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::HostId;
use crate::name::Why;

/// A principal. There is no anonymous one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Principal {
    /// A person on the coordinator's machine, by the peer credentials of the Unix socket.
    Local {
        /// User id.
        uid: u32,
        /// The account's name at that moment, for people.
        user: Why,
    },
    /// Whoever holds the named bearer token.
    Token {
        /// The token's name, never its value.
        name: Why,
    },
    /// An agent, by its host's token.
    Host(HostId),
    /// A rule of ours: the planner, a timer, a start.
    Rule {
        /// Which.
        name: Why,
    },
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Principal::Local { user, .. } if !user.is_empty() => write!(f, "{user}"),
            Principal::Local { uid, .. } => write!(f, "uid:{uid}"),
            Principal::Token { name } => write!(f, "token:{name}"),
            Principal::Host(id) => write!(f, "host:{id}"),
            Principal::Rule { name } => write!(f, "rule:{name}"),
        }
    }
}
