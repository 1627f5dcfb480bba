//! Names that other programs give to parts of a mixture: an array beside `means` is probably such a part.

/// Words in names of weights, in the singular.
const WEIGHTS: &str = "
    weight w pi prior prob probability probabilitie p mix mixing mixture mixtur logit alpha phi coef coefficient proportion fraction
    count mass share logweight logprior logprob
";

/// Words in names of variances and covariances, in the singular.
const VARIANCE: &str = "
    variance var cov covar covariance sigma sigma2 sig std stdev stddev sd dev deviation scale precision prec chol cholesky tril tau
    bandwidth bw width logvar logvariance logstd logsigma s2 spread
";

/// The part of a mixture that an array of this name probably is, though the name differs: `weights` or `variance`.
pub(super) fn probably_meant(name: &str) -> Option<&'static str> {
    let words = words(name);
    let has = |known: &str| words.iter().any(|word| known.split_whitespace().any(|known| known == word));
    // `mixture_covariances` are covariances.
    if has(VARIANCE) {
        Some(super::VARIANCE)
    } else if has(WEIGHTS) {
        Some(super::WEIGHTS)
    } else {
        None
    }
}

/// The words of a name in lower case and without the s of a plural: `Log_weights_` gives log and weight; `covMatrix` gives cov and matrix.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && before.is_lowercase()) {
            words.push(String::new());
        }
        if c.is_alphanumeric() {
            words.iter_mut().next_back().into_iter().for_each(|word| word.extend(c.to_lowercase()));
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words.into_iter().map(|word| if word.len() > 1 { word.trim_end_matches('s').to_string() } else { word }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_the_wild_are_recognised() {
        let variance = "covs covars stds sigmas scale sds std_dev stdev sd vars logvar log_var log_std sigma_sq sigma_squared covariances_ \
            precisions_ precisions_cholesky Sigma Variance cholesky scale_tril tau bandwidth covariance_matrix covariance_matrices variances \
            var sigma sigma2 std covariance covariances cov precision precisions SIGMA covMatrix gmm.covariances_ mixture_covariances stdDev \
            variance_";
        let weights = "weights_ mixture_weights mixing_weights mixing_coefficients logits log_weights pis prior priors alpha alphas probs p coefs \
            phi Weights gmm_weights ws proportions counts component_weights weight w pi probabilities mixing logWeights W";
        for (names, part) in [(variance, "variance"), (weights, "weights")] {
            names.split_whitespace().for_each(|name| assert_eq!(probably_meant(name), Some(part), "{name}"));
        }
        for name in
            ["step", "labels", "gradient", "standard_error", "divergence", "converged_", "n_features_in_", "lower_bound_", "covered", "a7"]
        {
            assert_eq!(probably_meant(name), None, "{name}");
        }
    }
}
