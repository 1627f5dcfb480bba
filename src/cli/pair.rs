//! A student and a teacher from files, and the checks of an output path that every one-shot verb makes before it computes.

use std::path::{Path, PathBuf};

use super::exit::{Failure, Result};
use crate::error::Error;
use crate::mixture::files::read_mixture;
use crate::mixture::{GaussianMixture, is_same_variance};

/// `--student` and `--teacher`.
#[derive(clap::Args)]
pub struct Pair {
    /// The student: a mixture file (.npz, .safetensors or .json).
    #[arg(long, value_name = "S")]
    pub student: PathBuf,
    /// The teacher: a mixture file with the student's dimension and variance.
    #[arg(long, value_name = "T")]
    pub teacher: PathBuf,
}

impl Pair {
    /// Reads both, and refuses two mixtures that make no problem. Where their variances differ by a rounding, the teacher's is meant.
    ///
    /// # Errors
    /// What cannot be read; different dimensions or variances.
    pub fn read(&self) -> Result<(GaussianMixture, GaussianMixture)> {
        let (student, teacher) = (read_mixture(&self.student)?, read_mixture(&self.teacher)?);
        compatible(&student, &teacher)?;
        Ok((student, teacher))
    }
}

/// Refuses, before anything is computed, an output path of another extension or in a folder that is not there.
///
/// # Errors
/// [`Failure::Usage`].
pub fn check_output(path: &Path, extension: &str) -> Result<()> {
    if path.extension().is_none_or(|e| e != extension) {
        return Err(Failure::usage(
            format!("--output {} does not end in .{extension}, the format that is written", path.display()),
            format!("Call it {}", path.with_extension(extension).display()),
        ));
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(Failure::usage(
            format!("--output {}: there is no folder {}", path.display(), folder.display()),
            "Make it first, or choose another place",
        ));
    }
    Ok(())
}

/// Whether both can be student and teacher of one problem.
///
/// # Errors
/// Different dimensions or variances.
pub fn compatible(student: &GaussianMixture, teacher: &GaussianMixture) -> Result<()> {
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
