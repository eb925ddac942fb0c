//! Tests by theme. They share a model of three tokens ([`model`]) and a world around it ([`world`]).

mod device;
mod model;
mod replica;
mod rules;
mod search;
mod simulation;
mod verifier;
mod wire;
mod world;
