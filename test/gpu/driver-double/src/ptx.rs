//! PTX: as much of it as the shipped kernels are made of. What is not known is refused by its line.

mod instruction;
mod lanes;
mod line;
mod parse;
mod run;

pub(crate) use instruction::Kernel;
pub(crate) use parse::parse;
pub(crate) use run::{Launch, run};
