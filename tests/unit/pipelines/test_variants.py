"""The ladder is the published one, and every other combination has one name and one order."""

import itertools

import pytest

from perfsuite.pipelines.optimizations import OPTIMIZATIONS
from perfsuite.pipelines.promises import ContradictionError
from perfsuite.pipelines.variants import (
    BESIDE,
    FASTEST,
    FLOAT32_LADDER,
    LADDER,
    PUBLISHED_REFERENCE,
    REFERENCE,
    VARIANTS,
    UnknownNameError,
    get,
    superseded,
)
from perfsuite.records import Device

PRECISIONS = ("fp32", "tf32", "bf16", "fp16")
OTHERS = ("sdpa", "channels-last", "compile", "compile-regional", "qkv", "int8", "int8-weights", "fp8")
"""What rungs are made of; of all others pairs are tried, see `test_pair_is_made_or_refused`."""
COMBINATIONS = [
    (precision, *others)
    for precision in PRECISIONS
    for size in range(len(OTHERS) + 1)
    for others in itertools.combinations(OTHERS, size)
]


def test_ladder_is_the_published_one() -> None:
    """Float32, strict and with TF32, then five rungs in bfloat16, the same in float16, and in float32 those
    without int8."""
    rungs = ("", "-sdpa", "-sdpa-compile", "-sdpa-compile-qkv", "-sdpa-compile-qkv-int8")
    twins = [precision + rung for precision in ("bf16", "fp16") for rung in rungs]
    float32 = ["fp32" + rung for rung in rungs[1:4]]
    assert [variant.name for variant in LADDER] == ["fp32", "tf32", *twins, *float32]
    assert [variant.name for variant in FLOAT32_LADDER] == float32
    assert (REFERENCE.name, PUBLISHED_REFERENCE.name) == ("fp32", "tf32")


def test_variants_beside_the_ladder_are_no_rungs() -> None:
    """They have names of their own, and no run takes them that does not name them."""
    assert {v.name for v in BESIDE} == {
        "bf16-sdpa-compile-regional",
        "bf16-sdpa-compile-regional-qkv-int8",
        "bf16-sdpa-compile-regional-qkv-fp8",
        "bf16-sdpa-compile-qkv-int8-weights",
        "bf16-sdpa-compile-qkv-fp8",
        "bf16-sdpa-compile-fp8",
    }
    assert set(FASTEST) <= {*LADDER, *BESIDE}
    assert not set(BESIDE) & set(LADDER)
    assert all(get(v.name) == v == VARIANTS[v.name] for v in BESIDE)


@pytest.mark.parametrize(
    ("kind", "details", "reason"),
    [
        ("cpu", {"bfloat16": "native"}, "bfloat16 is native here: its rungs run instead"),
        ("cpu", {}, "bfloat16 is native here: its rungs run instead"),
        ("cpu", {"bfloat16": "emulated"}, None),
        ("cuda", {"capability": "9.0"}, "bfloat16 is native here: its rungs run instead"),
        ("cuda", {"capability": "7.5"}, "float16 is native here: its rungs run instead"),
    ],
)
def test_float32_rungs_stand_in_where_no_half_is_native(
    kind: str, details: dict[str, str], reason: str | None
) -> None:
    """The others, and float32 itself, are never superseded."""
    device = Device(kind, "Example", "example", 1, 2**30, details)
    assert {superseded(variant, device) for variant in FLOAT32_LADDER} == {reason}
    assert {superseded(v, device) for v in LADDER if v not in FLOAT32_LADDER} == {None}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_rung_adds_one_technique(precision: str) -> None:
    """Each rung holds all of the rung before and one optimization more."""
    rungs = [
        {o.name for o in variant.optimizations if not o.hidden} for variant in LADDER if precision in variant
    ]
    assert all(before < after and len(after - before) == 1 for before, after in itertools.pairwise(rungs))


def allowed() -> list[tuple[str, ...]]:
    """Combinations that make sense: fused projections need SDPA, compiling sets the layout itself, and a
    layer's weights are quantized in one way."""
    return [
        names
        for names in COMBINATIONS
        if ("qkv" not in names or "sdpa" in names)
        and len({"compile", "compile-regional", "channels-last"} & set(names)) < 2
        and len({"int8", "int8-weights", "fp8"} & set(names)) < 2
        and ("fp8" not in names or "bf16" in names)
    ]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_combination_is_made_or_refused(precision: str) -> None:
    """However it is spelled, a combination is one variant, found again by its name, or it is refused."""
    good = set(allowed())
    for names in COMBINATIONS:
        if names[0] == precision:
            check_combination(names, names in good)


PAIRS = list(itertools.combinations([n for n, o in OPTIMIZATIONS.items() if not o.hidden and o.phase], 2))


def test_pair_is_made_or_refused() -> None:
    """Two techniques go together unless either says that they do not, or one lacks what it requires."""
    for first, second in PAIRS:
        named = ["bf16", *dict.fromkeys(["sdpa", first, second])]
        pair = [OPTIMIZATIONS[n] for n in named]
        apart = any(other in o.conflicts for o in pair for other in named)
        lacks = any(other not in named for o in pair for other in o.requires)
        if apart or lacks:
            with pytest.raises(ContradictionError, match=r"exclude each other|requires"):
                get("+".join(named))
            continue
        made = get("+".join(reversed(named)))
        assert made == get(made.name) == get("+".join(named))


def check_combination(names: tuple[str, ...], good: bool) -> None:
    """One combination in three spellings."""
    spellings = ["+".join(names), "+".join(reversed(names)), " + ".join(names)]
    if not good:
        for spelling in spellings:
            with pytest.raises(ContradictionError):
                get(spelling)
        return
    made = {get(spelling) for spelling in spellings}
    assert len(made) == 1
    (variant,) = made
    assert get(variant.name) == variant
    assert get(variant.name.replace("-", "+")) == variant
    assert get(variant) is variant
    held = [o.name for o in variant.optimizations]
    assert set(held) - {"no-sdpa"} == set(names)
    assert ("no-sdpa" in held) == ("sdpa" not in names)
    assert [o.phase for o in variant.optimizations] == sorted(o.phase for o in variant.optimizations)


def test_names_are_unique() -> None:
    """Two combinations never share a name, so a baseline belongs to one of them."""
    assert len({get("+".join(names)).name for names in allowed()}) == len(allowed())
    assert len(VARIANTS) == len(LADDER) + len(BESIDE)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("bf16+qkv", "qkv requires sdpa; add it"),
        ("bf16+fp16+sdpa", "name exactly one precision, got bf16 and fp16"),
        ("sdpa", "name exactly one precision, got none"),
        ("bf16+sdpa+sdpa", "sdpa is named twice"),
        ("bf16-sdpa-channels-last-compile", "channels-last and compile exclude each other"),
        ("bf16-sdpa-compile-compile-regional", "compile and compile-regional exclude each other"),
        ("bf16+int8+int8-weights", "int8 and int8-weights exclude each other"),
        ("fp16+sdpa+fp8", "fp8 requires bf16; add it"),
        ("fp32+tf32", "name exactly one precision, got fp32 and tf32"),
    ],
)
def test_contradiction_says_what_to_change(name: str, reason: str) -> None:
    """The reason is the user's to act on."""
    with pytest.raises(ContradictionError, match=reason):
        get(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bf16-sdap", "unknown variant 'bf16-sdap': did you mean 'bf16-sdpa'?"),
        ("bf16+sdap", "unknown optimization 'sdap': did you mean 'sdpa'?"),
        ("bf16+", "unknown optimization ''"),
        ("", "unknown variant ''"),
        ("BF16", "unknown variant 'BF16': did you mean 'bf16'?"),
        ("bf16+no-sdpa", "unknown optimization 'no-sdpa'"),
        ("bf16-no-sdpa", "unknown variant 'bf16-no-sdpa'"),
    ],
)
def test_unknown_name(name: str, message: str) -> None:
    """The nearest known name is offered; a step that stands for an absence cannot be asked for."""
    with pytest.raises(UnknownNameError) as caught:
        get(name)
    assert str(caught.value).startswith(message)
    known = str(caught.value).split("known: ", 1)[1].split(", ")
    assert "no-sdpa" not in known
    assert len(set(known)) == len(known)
