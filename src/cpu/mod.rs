//! Placeholder, replaced in the next commits.
use crate::backend::{Backend, Evaluation, Session, UnitProblem};
use crate::error::Result;
use crate::mixture::GaussianMixture;

pub struct Cpu;

impl Backend for Cpu {
    fn describe(&self) -> String {
        todo!()
    }
    fn evaluate(&mut self, _: &GaussianMixture, _: &[f64], _: bool) -> Result<Evaluation> {
        todo!()
    }
    fn open(&mut self, _: &UnitProblem) -> Result<Box<dyn Session>> {
        todo!()
    }
}
impl Cpu {
    pub fn new() -> Self {
        Cpu
    }
}
