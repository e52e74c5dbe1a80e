//! Identities. A name is what people see; an id tells two holders of one name apart.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::name::{FleetName, HostName, NameError};

/// A host's identity: name and join number, written `h1/3`; never reused (DESIGN §1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HostId {
    /// What people see.
    pub name: HostName,
    /// Rises with each time a machine joins under this name.
    pub join: u32,
}

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.join)
    }
}

/// A number that only rises; an older intent can never win over a newer (R5, R8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Generation(pub u64);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A deployment: the n-th of its fleet, written `web-prod.87`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeploymentId {
    /// Whose.
    pub fleet: FleetName,
    /// Counted from 1.
    pub number: u32,
}

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.fleet, self.number)
    }
}

/// Why a deployment's id was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeploymentIdError {
    /// No number behind the last dot.
    #[error("{0:?} is not a deployment: expected FLEET.NUMBER, as web-prod.87")]
    Form(String),
    /// The fleet's name is wrong.
    #[error(transparent)]
    Fleet(#[from] NameError),
}

impl FromStr for DeploymentId {
    type Err = DeploymentIdError;
    fn from_str(s: &str) -> Result<Self, DeploymentIdError> {
        let form = || DeploymentIdError::Form(s.chars().take(80).collect());
        let (fleet, number) = s.rsplit_once('.').ok_or_else(form)?;
        if number.starts_with('0') || !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(form());
        }
        Ok(Self { fleet: FleetName::new(fleet)?, number: number.parse().map_err(|_| form())? })
    }
}

impl Serialize for DeploymentId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DeploymentId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// One life of the coordinator process: drawn at random at every start (R2). Opaque to hosts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch(pub [u8; 32]);

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}{:02x}{:02x}{:02x}…", self.0[0], self.0[1], self.0[2], self.0[3])
    }
}

/// One connection between a host and one life of the coordinator (R2, R3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionId {
    /// Of the coordinator's process.
    pub epoch: Epoch,
    /// Counts sessions in the epoch, from 1.
    pub n: u64,
}

/// Made at random with a host's ledger; tells a re-imaged or cloned host from the one that was (R28).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LedgerId(pub [u8; 16]);

/// The kernel's boot id of a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BootId(pub [u8; 16]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deployments_are_written_as_fleet_and_number() {
        let id: DeploymentId = "web.prod.87".parse().unwrap();
        assert_eq!((id.fleet.as_str(), id.number), ("web.prod", 87));
        assert_eq!(id.to_string(), "web.prod.87");
        for bad in ["web", "web.", "web.x", "web.07", "web.-1", ".1", "web.99999999999"] {
            assert!(bad.parse::<DeploymentId>().is_err(), "{bad}");
        }
    }
}
