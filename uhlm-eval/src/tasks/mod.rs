//! Published tasks with known answers: Python functions (HumanEval) and school mathematics (GSM8K).
//!
//! [`set`] decides what a model is asked, [`mark`] whether a reply is right, [`sandbox`] how a program that a model
//! wrote is run, [`outcome`] what is kept of each reply in a file that a run goes on from, and [`table`] which figures
//! follow from all replies.

pub mod mark;
pub mod outcome;
pub mod sandbox;
pub mod set;
pub mod table;
