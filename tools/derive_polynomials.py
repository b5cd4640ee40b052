#!/usr/bin/env python3
"""Derives the polynomials of wengert/compile/prelude_texts.hpp and prints them as C.

Each polynomial is the weighted minimax fit found by the Remez exchange algorithm (E. Ya. Remez,
1934) on a dense grid of Chebyshev points in 60-digit arithmetic. Coefficients are rounded to the
target format one at a time, lowest power first, and the remaining ones are fitted again after each
rounding, so that rounding costs almost nothing. Beside each polynomial stands the largest weighted
error of the rounded one, as a power of two; the weight makes it the relative error of the function
that the polynomial serves. Takes about a minute; needs mpmath and numpy.

    python3 tools/derive_polynomials.py [constants | exponentials | logarithms | sines | ...]
"""
import sys

import mpmath as mp
import numpy as np

mp.mp.dps = 60
ln2 = mp.log(2)
grid_size = 400


def rounded(value, bits):
    """The nearest float (24 bits) or double (53 bits)."""
    return mp.mpf(float(np.float32(float(value)))) if bits == 24 else mp.mpf(float(value))


def exchange(targets, weights, rows):
    """The minimax coefficients of sum c_k rows[.][k] against weighted targets."""
    count = len(rows[0]) + 1
    reference = [round(i * (len(rows) - 1) / (count - 1)) for i in range(count)]
    for _ in range(60):
        system = mp.matrix([[weights[g] * v for v in rows[g]] + [(-1) ** i]
                            for i, g in enumerate(reference)])
        solution = list(mp.lu_solve(system, [weights[g] * targets[g] for g in reference]))
        coefficients, level = solution[:-1], abs(solution[-1])
        errors = [w * (mp.fdot(coefficients, row) - t) for w, row, t in zip(weights, rows, targets)]
        runs = []  # where the error is largest in each run of equal sign
        for i, e in enumerate(errors):
            if runs and (e > 0) == (errors[runs[-1]] > 0):
                runs[-1] = max(runs[-1], i, key=lambda g: abs(errors[g]))
            else:
                runs.append(i)
        while len(runs) > count:  # drop the smallest, and a neighbour, so that signs alternate
            sizes = [abs(errors[i]) for i in runs]
            smallest = sizes.index(min(sizes))
            if len(runs) == count + 1:
                del runs[0 if sizes[0] < sizes[-1] else -1]
            elif smallest in (0, len(runs) - 1):
                del runs[smallest]
            else:
                first = smallest - (sizes[smallest - 1] < sizes[smallest + 1])
                del runs[first : first + 2]
        if len(runs) < count or max(abs(e) for e in errors) <= level * mp.mpf("1.001"):
            break
        reference = runs
    return coefficients


def fit(name, function, weight, low, high, powers, bits, fixed=(), center=0):
    """Fits sum c_k (x - center)^powers[k] to function(x) on [low, high]; prints the coefficients.

    `fixed` are the values of the first ones, where they are chosen and not fitted."""
    low, high, center = mp.mpf(low), mp.mpf(high), mp.mpf(center)
    nodes = [mp.cos(mp.pi * (i + mp.mpf(1) / 2) / grid_size) for i in range(grid_size)]
    points = [(high + low) / 2 - (high - low) / 2 * node for node in nodes]
    weights = [weight(x) for x in points]
    xs = [x - center for x in points]
    found = [mp.mpf(c) for c in fixed]
    residual = [function(x) for x in points]
    residual = [t - sum(c * x**p for c, p in zip(found, powers)) for x, t in zip(xs, residual)]
    for k in range(len(found), len(powers)):
        # Divided by the lowest power left, so that the basis is 1, x, ...: a Haar system
        scales = [x ** powers[k] for x in xs]
        coefficients = exchange([r / s for r, s in zip(residual, scales)],
                                [w * abs(s) for w, s in zip(weights, scales)],
                                [[x ** (p - powers[k]) for p in powers[k:]] for x in xs])
        found.append(rounded(coefficients[0], bits))
        residual = [r - found[-1] * s for r, s in zip(residual, scales)]
    error = mp.log(max(abs(w * r) for w, r in zip(weights, residual)), 2)
    about = f" about {mp.nstr(center, 5)}" if center else ""
    ends = f"[{mp.nstr(low, 6)}, {mp.nstr(high, 6)}]{about}"
    print(f"{name}: x in {ends}, error 2^{mp.nstr(error, 4)}")
    for c, p in zip(found, powers):
        print(f"    x^{p}: {literal(c, bits)}")


def literal(value, bits):
    text = f"{float(value):.{9 if bits == 24 else 17}g}"
    return (text if any(s in text for s in ".e") else text + ".0") + ("f" if bits == 24 else "")


def relative(function):
    return lambda x: 1 / abs(function(x))


def exponentials():
    half = ln2 / 2 * mp.mpf("1.0001")
    fit("exp_f32", mp.exp, relative(mp.expm1), -half, half, range(7), 24, [1, 1])
    fit("exp_f64", mp.exp, relative(mp.exp), -half, half, range(12), 53, [1, 1])
    fit("expm1_f64", mp.exp, relative(mp.expm1), -half, half, range(12), 53, [1, 1, 0.5])
    twice = lambda x: mp.expm1(2 * x)
    fit("tanh_f32", twice, relative(twice), -half / 2, half / 2, range(1, 7), 24, [2])
    power, less_1, half = lambda x: mp.mpf(2) ** x, lambda x: mp.mpf(2) ** x - 1, mp.mpf("0.5005")
    fit("exp2m1_f32", less_1, relative(less_1), -half, half, range(1, 7), 24)
    fit("exp2m1_f32, shorter", less_1, relative(power), -half, half, range(1, 6), 24)
    fit("exp2m1_f64", less_1, relative(less_1), -half, half, range(1, 12), 53)
    fit("exp2_for_f32", power, relative(power), -half, half, range(7), 53, [1])
    fit("exp2_f64", power, relative(power), -half, half, range(12), 53, [1])


def logarithms():
    edge = mp.mpf(2) ** -20
    fit("log_f32", mp.log1p, relative(mp.log1p), mp.sqrt(0.5) - 1 - edge, mp.sqrt(2) - 1 + edge,
        range(1, 10), 24, [1, -0.5])
    top = (mp.sqrt(2) - 1) / (mp.sqrt(2) + 1) * mp.mpf("1.00001")
    natural, binary = lambda s: 2 * mp.atanh(s), lambda s: 2 * mp.atanh(s) / ln2
    fit("log_f64", natural, relative(natural), 0, top, range(1, 16, 2), 53, [2])
    fit("log2_for_f32", binary, relative(binary), 0, top, range(1, 10, 2), 53)
    fit("log2_f64", binary, relative(binary), 0, top, range(1, 18, 2), 53, [2 / ln2, 2 / (3 * ln2)])


def sines():
    turn = lambda x: mp.sin(mp.pi * x)
    fit("sin_for_f32", turn, relative(turn), 0, "0.57", range(1, 10, 2), 53)
    fit("sin_f64", mp.sin, relative(mp.sin), 0, "1.75", range(1, 18, 2), 53, [1])


def error_functions():
    exponent = lambda x: mp.log(mp.erfc(x), 2) / x
    effect = lambda x: x * ln2 * mp.erfc(x) / mp.erf(x)  # of a change of the exponent on erf
    fit("erf_f32", exponent, effect, 0, "3.95", range(9), 24)
    fit("erf_f64", exponent, effect, 0, "5.95", range(24), 53)

    # Relative to the square root of what is left above x: near 0 to the last place, far out what products with x need.
    above = lambda x: mp.erfc(x / mp.sqrt(2))
    fall = lambda x: mp.log(above(x), 2) / x
    fit("normal_cdf_f32", fall, lambda x: x * ln2 * mp.sqrt(above(x)), 0, 8, range(9), 24)

    def scaled_erfc(k, scale):  # (x + k) e^(x^2) erfc(x), where u = (x - k) / (x + k)
        def function(u):
            x = k * (1 + u) / (1 - u)
            return scale * (x + k) * mp.exp(x * x) * mp.erfc(x)
        return function

    q = scaled_erfc(3, 1)
    fit("erfc_for_f32", q, relative(q), -1, mp.mpf("7.3") / mp.mpf("13.3"), range(10), 53)
    middle = scaled_erfc(4, 1)(mp.mpf(0))
    scale = rounded(middle, 53) / middle
    print(f"erfc_f64 is to be multiplied by 1 + {mp.nstr(1 / scale - 1, 6)}")
    q = scaled_erfc(4, scale)
    fit("erfc_f64", q, relative(q), -1, mp.mpf("23.4") / mp.mpf("31.4"), range(23), 53)


def inverse_ratio(w):
    """erfinv(x) / x where w = -log(1 - x^2), by Halley's iteration."""
    x = mp.sqrt(-mp.expm1(-w))
    rest = mp.exp(-w) / (1 + x)
    y = mp.sqrt(w)
    for _ in range(12):
        step = (mp.erfc(y) - rest) * mp.sqrt(mp.pi) / 2 * mp.exp(y * y)
        y += step / (1 - y * step)
    return y / x


def inverse_error_functions():
    ratio, tail = inverse_ratio, lambda s: inverse_ratio(s * s)
    start = mp.sqrt(7)
    fit("erfinv_f32, w < 7", ratio, relative(ratio), 0, 7, range(11), 24, center=3.5)
    fit("erfinv_f32, sqrt(w)", tail, relative(tail), start, "4.74", range(9), 24, center=3.7)
    fit("erfinv_f64, w < 7", ratio, relative(ratio), 0, 7, range(25), 53, center=3.5)
    fit("erfinv_f64, sqrt(w) < 4.25", tail, relative(tail), start, "4.25", range(19), 53,
        center=3.25)
    fit("erfinv_f64, sqrt(w)", tail, relative(tail), "4.25", "6.65", range(19), 53, center=5.25)


def pieces(value, sizes):
    """value as a sum of numbers of so many bits, each rounded towards 0."""
    found = []
    for size in sizes:
        scale = mp.mpf(2) ** (size - 1 - mp.floor(mp.log(value, 2)))
        found.append(mp.floor(value * scale) / scale)
        value -= found[-1]
    return [literal(piece, 53) for piece in found]


def constants():
    with mp.workdps(150):
        print("log(2), float32:", pieces(mp.log(2), [15, 24]))
        print("log(2), float64:", pieces(mp.log(2), [42, 53]))
        print("pi:", pieces(mp.pi, [53, 53, 53]), "without fma:", pieces(mp.pi, [29, 29, 29, 53]))
        print("2 / log(2):", pieces(2 / mp.log(2), [53, 53]))
        print("2 / (3 log(2)):", pieces(2 / (3 * mp.log(2)), [53, 53]))
        for dropped in (0, 26, 52, 78):  # bits of 1 / pi, in pieces that end at fixed places
            cut = lambda bits: mp.floor(mp.ldexp(1 / mp.pi, bits)) / mp.mpf(2) ** bits
            ends = [cut(dropped), cut(dropped + 29), cut(dropped + 58), cut(dropped + 120)]
            print(f"1 / pi from bit {dropped}:",
                  [literal(b - a, 53) for a, b in zip(ends, ends[1:])])


if __name__ == "__main__":
    for part in (constants, exponentials, logarithms, sines, error_functions,
                 inverse_error_functions):
        if len(sys.argv) == 1 or part.__name__ in sys.argv[1:]:
            part()
