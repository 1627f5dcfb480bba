//! A student and a teacher from files.

use std::path::PathBuf;

use super::Common;
use super::exit::Result;
use super::output::Input;
use crate::error::Error;
use crate::mixture::files::read_any_mixture_with_notes;
use crate::mixture::{Covariance, GaussianMixture, Mixture, is_same_variance};

/// `--student` and `--teacher`.
#[derive(clap::Args)]
pub(super) struct Pair {
    /// The student: a mixture file (.npz, .safetensors or .json).
    #[arg(long, value_name = "S")]
    pub student: PathBuf,
    /// The teacher: a mixture file with the student's dimension.
    #[arg(long, value_name = "T")]
    pub teacher: PathBuf,
}

impl Pair {
    /// Both files.
    pub(super) fn inputs(&self) -> [Input<'_>; 2] {
        [("--student", &self.student), ("--teacher", &self.teacher)]
    }

    /// Reads both, whatever their covariances, with what people should know of how their files were understood.
    ///
    /// # Errors
    /// What cannot be read.
    pub(super) fn read_any(&self) -> Result<([Mixture; 2], Vec<String>)> {
        let (student, mut notes) = read_any_mixture_with_notes(&self.student)?;
        let (teacher, more) = read_any_mixture_with_notes(&self.teacher)?;
        notes.extend(more);
        Ok(([student, teacher], notes))
    }

    /// Reads both, and refuses two mixtures that make no problem. Where their variances differ by a rounding, the teacher's is meant.
    ///
    /// # Errors
    /// Unreadable files; different dimensions or variances.
    pub(super) fn read(&self, common: &Common) -> Result<(GaussianMixture, GaussianMixture)> {
        let (student, teacher) = (common.read_mixture(&self.student)?, common.read_mixture(&self.teacher)?);
        compatible(&student, &teacher)?;
        Ok((student, teacher))
    }
}

/// Whether both mixtures have one common variance: the case that devices know best.
pub(super) fn have_common_variance([student, teacher]: &[Mixture; 2]) -> bool {
    matches!((student.covariance(), teacher.covariance()), (Covariance::Common(a), Covariance::Common(b)) if is_same_variance(*a, *b))
}

/// Whether both can be student and teacher of one problem.
///
/// # Errors
/// Different dimensions or variances.
pub(super) fn compatible(student: &GaussianMixture, teacher: &GaussianMixture) -> Result<()> {
    if student.n_features() != teacher.n_features() {
        return Err(Error::bad_input(
            format!("the student has {} dimensions and the teacher {}", student.n_features(), teacher.n_features()),
            "Give two mixtures of the same dimension",
        )
        .into());
    }
    if !is_same_variance(student.variance(), teacher.variance()) {
        return Err(Error::bad_input(
            format!("the student's variance is {} and the teacher's {}", student.variance(), teacher.variance()),
            "Student and teacher of one problem share their variance; write the same `variance` into both files",
        )
        .into());
    }
    Ok(())
}
