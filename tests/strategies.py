"""Random formulas and values: all Hypothesis strategies of the tests."""

from fractions import Fraction

from hypothesis import strategies as st

from formulanas.formula import expressions as ex
from formulanas.formula.arithmetic import add, multiply, power

BASES: list[ex.Expression] = [ex.NUM_BLOCKS, ex.Symbol("b"), ex.number(2)]
COEFFICIENTS = ["-2", "-1", "-0.5", "0.5", "1", "2", "1/3"]


@st.composite
def linear_formulas(draw: st.DrawFn) -> str:
    """Formulas without gates: sums of states, anchors, cached residual functions, norms and running sums, with signs.

    Their activations stand where a linear reading of them is exact once they are replaced by identities.
    """

    def coefficient() -> str:
        return draw(st.sampled_from(COEFFICIENTS))

    branches = draw(st.integers(1, 2))
    terms = [f"{coefficient()} * F[n, {j}](x[n-1])" for j in range(1, branches + 1)]
    for back in range(1, draw(st.integers(0, 3)) + 1):
        terms.append(f"({coefficient()}) * x[n-{back}]")
    for back in range(1, draw(st.integers(0, 2)) + 1):
        terms.append(f"({coefficient()}) * F[n-{back}, {draw(st.integers(1, branches))}](x[n-{back + 1}])")
    extras = draw(
        st.sets(
            st.sampled_from(
                ["x[0]", "sum(x[n-i], (i, 1, n))", "sum(bn(x[n-i]), (i, 1, n))", "sum(x[n-i] / i, (i, 1, n))"]
            )
        )
    )
    terms += [f"({coefficient()}) * {extra}" for extra in sorted(extras)]
    if draw(st.booleans()):
        terms.append("1 / sqrt(N) * x[n-1]")
    if draw(st.booleans()):
        terms.append("F[n](F[n](x[n-1]))")
    terms = draw(st.permutations(terms))
    inside = draw(st.integers(0, len(terms)))
    if inside:
        terms = [f"relu({' + '.join(terms[:inside])})", *terms[inside:]]
    equations = [f"x[n] = {' + '.join(terms)}"]
    if draw(st.booleans()):
        equations = [f"v[n] = {coefficient()} * v[n-1] + F[n, 3](x[n-1])", equations[0] + " + v[n] - 0.5 * v[n-1]"]
    policies = {"start": draw(st.sampled_from(["zero", "copy"])), "shape": draw(st.sampled_from(["project", "reset"]))}
    return "; ".join(equations + [f"{name} = {value}" for name, value in policies.items()])


def scalars() -> st.SearchStrategy[ex.Expression]:
    """Numbers, symbols, block indices and learned coefficients, and what is made of them."""
    leaves = st.one_of(
        st.fractions(-9, 9, max_denominator=12).map(ex.Number),
        st.sampled_from([ex.BLOCK, ex.NUM_BLOCKS, ex.Symbol("b"), ex.Symbol("a", (ex.number(2),)), ex.Symbol("alpha")]),
        st.builds(
            ex.Learn,
            st.just(ex.ONE),
            st.sampled_from(["block", "channel"]),
            st.sampled_from([None, "softmax", "sigmoid"]),
            st.sampled_from([None, "c"]),
        ),
        st.just(ex.Random("uniform", (ex.ZERO, ex.ONE), "u")),
        st.just(ex.Random("bernoulli", (ex.Number(Fraction(1, 2)),))),
        st.just(ex.Floor(power(ex.number(4), ex.MINUS_ONE))),
        st.just(ex.WIDTH),
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, min_size=2, max_size=3).map(add),
            st.lists(inner, min_size=2, max_size=3).map(multiply),
            st.tuples(
                st.sampled_from(BASES),
                st.sampled_from(["-1", "2", "1/2", "-1/2"]),
            ).map(lambda pair: power(pair[0], ex.Number(Fraction(pair[1])))),
        ),
        max_leaves=5,
    )


def states() -> st.SearchStrategy[ex.Expression]:
    """Expressions over the states x and v with all that the language can write."""
    lags = st.integers(0, 3).map(lambda back: ex.BLOCK if back == 0 else add((ex.BLOCK, ex.number(-back))))
    leaves = st.one_of(
        st.builds(ex.State, st.sampled_from(["x", "v"]), lags),
        st.just(ex.State("x", ex.ZERO)),
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, min_size=2, max_size=3).map(add),
            st.tuples(scalars(), inner).map(multiply),
            st.tuples(inner, inner).map(multiply),
            st.builds(ex.Transform, st.sampled_from("FGT"), lags, st.integers(1, 3).map(ex.number), inner),
            st.builds(ex.Operation, st.sampled_from(["relu", "bn", "h", "sigmoid"]), inner),
            st.builds(
                ex.Sum,
                inner,
                st.just("i"),
                st.just(ex.ONE),
                st.sampled_from([ex.BLOCK, ex.Symbol("p")]),
                st.sampled_from(["sum", "mean", "concat"]),
            ),
            st.lists(inner, min_size=2, max_size=3).map(lambda parts: ex.Concat(tuple(parts))),
            st.builds(ex.Slice, inner, st.none() | st.just(ex.ONE), st.none() | st.just(ex.Symbol("c"))),
            st.builds(ex.Drop, inner, st.just(ex.Symbol("q"))),
        ),
        max_leaves=8,
    )
