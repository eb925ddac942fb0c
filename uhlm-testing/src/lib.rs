//! Fixtures and doubles for tests: the bundled pair behind a real server, a verifier in this process, synthetic models,
//! statistics, faults. Nothing that ships depends on it.

pub mod alike;
pub mod bed;
pub mod certificates;
pub mod chat_service;
pub mod counted;
pub mod engine;
pub mod eventually;
pub mod faulty;
pub mod file_server;
pub mod flips;
pub mod gguf;
pub mod gguf_edit;
mod gguf_reader;
pub mod goodness;
pub mod killed;
pub mod local;
pub mod model_server;
pub mod on_gpu;
pub mod padded_gguf;
pub mod pair;
pub mod parrot;
pub mod patient;
pub mod port;
pub mod proxy;
pub mod replies;
pub mod secrets;
pub mod served;
pub mod slow;
pub mod split;
pub mod spy;
pub mod synthetic;
