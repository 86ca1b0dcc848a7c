#!/usr/bin/env python3
"""Prints reference quantiles for distribution_test. Needs python3-scipy; the tests need its output alone.

  worker/workload/testdata/distribution_quantiles.py > worker/workload/testdata/distribution_quantiles.txt
"""

import math

import scipy
from scipy import stats

PROBABILITIES = [1e-4, 1e-3, 0.01, 0.03, 0.07, 0.15, 0.25, 0.35, 0.45, 0.5, 0.55, 0.65, 0.75, 0.85, 0.93, 0.97, 0.99, 0.999, 0.9999]
SCALE = 1e9  # mean of the exponential, median of the lognormal, least value of the Pareto: rounding does not matter

CASES = [("exponential", 0, stats.expon(scale=SCALE))]
CASES += [("lognormal", sigma, stats.lognorm(s=sigma / 1000, scale=SCALE)) for sigma in (50, 500, 1200, 3000)]
CASES += [("pareto", alpha, stats.pareto(b=alpha / 1000, scale=SCALE)) for alpha in (700, 1100, 1500, 3000)]

print(f"# scipy {scipy.__version__}: shape, sigma or alpha in thousandths, probability, quantile")
for shape, parameter, distribution in CASES:
    for probability in PROBABILITIES:
        value = distribution.ppf(probability)
        assert math.isclose(distribution.cdf(value), probability, rel_tol=1e-9)
        print(shape, parameter, repr(probability), f"{value:.3f}")
