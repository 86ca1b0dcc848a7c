#!/usr/bin/env python3
"""Prints worker/workload/normal_table.h: quantiles of the standard normal's upper tail, exact to the last bit.

  worker/workload/normal_table.py > worker/workload/normal_table.h

Fifty decimal digits and the power series of the integral; no library's special functions, so that the table is the same
everywhere (normal_table_test holds the file against this).
"""

import decimal
from decimal import Decimal

OCTAVES = 64
KNOTS = 64  # per octave; the next octave's first knot ends the last step
FRACTION_BITS = 28

decimal.getcontext().prec = 60
PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494")
ROOT_TWO_PI = (2 * PI).sqrt()


def density(z):
    return (-z * z / 2).exp() / ROOT_TWO_PI


def upper_tail(z):
    """P(Z > z) = 1/2 - density(z) (z + z^3/3 + z^5/(3 5) + ...)."""
    term = total = z
    odd = 1
    while term > total * Decimal("1e-58"):
        odd += 2
        term = term * z * z / odd
        total += term
    return Decimal("0.5") - density(z) * total


def quantile(tail, guess):
    """z with upper_tail(z) = tail, by Newton's method on the logarithm of the tail, which is nearly straight in z^2."""
    z = guess
    for _ in range(60):
        actual = upper_tail(z)
        step = (actual / tail).ln() * actual / density(z)
        z += step
        if abs(step) < Decimal("1e-20"):
            return z
    raise AssertionError(f"no convergence at {tail}")


def knots():
    z = Decimal(0)
    for octave in range(OCTAVES + 1):
        for knot in range(KNOTS if octave < OCTAVES else 1):
            # Tails of octave k lie in (2^-(k+2), 2^-(k+1)].
            tail = Decimal(2) ** -(octave + 1) * (1 - Decimal(knot) / (2 * KNOTS))
            if tail != Decimal("0.5"):
                z = quantile(tail, z)
            yield int((z * 2 ** FRACTION_BITS).to_integral_value(decimal.ROUND_HALF_EVEN))


def main():
    values = list(knots())
    print("#ifndef DMFRAG_WORKER_WORKLOAD_NORMAL_TABLE_H_")
    print("#define DMFRAG_WORKER_WORKLOAD_NORMAL_TABLE_H_\n")
    print("#include <array>\n#include <cstddef>\n#include <cstdint>\n")
    print("// Made by worker/workload/normal_table.py; not to be edited.")
    print("namespace dmfrag::workload {\n")
    print(f"inline constexpr unsigned kNormalFractionBits = {FRACTION_BITS};")
    print(f"inline constexpr unsigned kNormalOctaves = {OCTAVES};")
    print(f"inline constexpr unsigned kNormalKnotBits = {KNOTS.bit_length() - 1};\n")
    print("// Entry (k << kNormalKnotBits) + i is the z that a standard normal variable exceeds with probability")
    print("// 2^-(k+1) (1 - i / 2^(kNormalKnotBits+1)), in units of 2^-kNormalFractionBits, rounded to nearest.")
    print("// clang-format off")
    print(f"inline constexpr std::array<uint32_t, (size_t{{kNormalOctaves}} << kNormalKnotBits) + 1> kNormalQuantiles = {{")
    for start in range(0, len(values), 10):
        print("    " + ", ".join(str(value) for value in values[start:start + 10]) + ",")
    print("};\n// clang-format on\n")
    print("}  // namespace dmfrag::workload\n")
    print("#endif  // DMFRAG_WORKER_WORKLOAD_NORMAL_TABLE_H_")


if __name__ == "__main__":
    main()
