//! The rules of the protocol between coordinator and host, one story each, told to the pure core by hand.

mod capacity;
mod deployments;
mod sessions;
mod world;
