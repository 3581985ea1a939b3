"""Every global setting that a variant may leave changed is reported by name and put back."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from perfsuite.device import Snapshot, Tf32, settings_apart
from perfsuite.device.state import _ENVIRONMENT


@pytest.fixture
def before() -> Iterator[Snapshot]:
    """torch's own defaults of what pipelines set that others of this process still hold; the test ends with
    what it found."""
    import torch._inductor.config as config

    found = Snapshot.take()
    config.epilogue_fusion = True
    Tf32("highest", True).put()
    yield Snapshot.take()
    found.restore()


def _inductor() -> None:
    import torch._inductor.config as config

    config.epilogue_fusion = not config.epilogue_fusion


def _inductor_nested() -> None:
    import torch._inductor.config as config

    config.triton.cudagraphs = not config.triton.cudagraphs


def _inductor_in_place() -> None:
    import torch._inductor.config as config

    config.post_grad_fusion_options["example"] = {}


def _dynamo() -> None:
    import torch._dynamo.config as config

    config.recompile_limit += 1


def _torch(path: str, *values: Any) -> Callable[[], None]:
    """Call torch's function of this name."""

    def change() -> None:
        import torch

        target: Any = torch
        for part in path.split("."):
            target = getattr(target, part)
        target(*values)

    return change


def _backend(path: str, value: Any) -> Callable[[], None]:
    """Set the attribute of this name in `torch.backends`."""

    def change() -> None:
        import torch

        *parts, name = path.split(".")
        target: Any = torch.backends
        for part in parts:
            target = getattr(target, part)
        assert getattr(target, name) != value
        setattr(target, name, value)

    return change


def _default_dtype() -> None:
    import torch

    torch.set_default_dtype(torch.bfloat16)


def _threads() -> None:
    import torch

    torch.set_num_threads(torch.get_num_threads() + 1)


def _warn_only() -> None:
    import torch

    torch.use_deterministic_algorithms(True, warn_only=True)


def _attention_backend() -> None:
    from diffusers.models.attention_dispatch import AttentionBackendName, _AttentionBackendRegistry

    assert _AttentionBackendRegistry._active_backend != AttentionBackendName._NATIVE_MATH
    _AttentionBackendRegistry._active_backend = AttentionBackendName._NATIVE_MATH


def _cublas(name: str, value: Any) -> Callable[[], None]:
    """Set what torch answers for by a name that it does not list."""

    def change() -> None:
        import torch

        setattr(torch.backends.cuda.matmul, name, value)

    return change


def _einsum() -> None:
    import torch.backends.opt_einsum

    vars(torch.backends.opt_einsum)["m"].strategy = "greedy"


CHANGES: dict[str, tuple[Callable[[], None], set[str]]] = {
    "inductor flag": (_inductor, {"inductor.epilogue_fusion"}),
    "nested inductor flag": (_inductor_nested, {"inductor.triton.cudagraphs"}),
    "inductor table in place": (_inductor_in_place, {"inductor.post_grad_fusion_options"}),
    "dynamo limit": (_dynamo, {"dynamo.recompile_limit"}),
    "matmul precision": (
        _torch("set_float32_matmul_precision", "medium"),
        {"torch.float32_matmul_precision", "torch.cuda.matmul.fp32_precision"},
    ),
    "matmul TF32": (_backend("cuda.matmul.allow_tf32", True), {"torch.float32_matmul_precision"}),
    "matmul TF32, newer": (
        _backend("cuda.matmul.fp32_precision", "tf32"),
        {"torch.cuda.matmul.fp32_precision", "torch.float32_matmul_precision"},
    ),
    "oneDNN bfloat16": (_backend("mkldnn.conv.fp32_precision", "bf16"), {"torch.mkldnn.conv.fp32_precision"}),
    "all TF32, newer": (_backend("fp32_precision", "tf32"), {"torch.fp32_precision"}),
    "cudnn TF32": (_backend("cudnn.allow_tf32", False), {"torch.cudnn.allow_tf32"}),
    "cudnn TF32, newer": (
        _backend("cudnn.conv.fp32_precision", "ieee"),
        {"torch.cudnn.conv.fp32_precision", "torch.cudnn.allow_tf32"},
    ),
    "cudnn benchmark": (_backend("cudnn.benchmark", True), {"torch.cudnn.benchmark"}),
    "cudnn deterministic": (_backend("cudnn.deterministic", True), {"torch.cudnn.deterministic"}),
    "default dtype": (_default_dtype, {"torch.default_dtype"}),
    "threads": (_threads, {"torch.num_threads"}),
    "gradients": (_torch("set_grad_enabled", False), {"torch.grad_enabled"}),
    "deterministic": (
        _torch("use_deterministic_algorithms", True), {"torch.deterministic_algorithms"}
    ),
    "deterministic, warnings": (
        _warn_only, {"torch.deterministic_algorithms", "torch.deterministic_warn_only"}
    ),
    **{
        f"{kind} attention": (_torch(f"backends.cuda.enable_{kind}_sdp", False), {f"torch.sdp.{kind}"})
        for kind in ("flash", "mem_efficient", "math", "cudnn")
    },
    "attention backend": (_attention_backend, {"diffusers.attention_backend"}),
    "no oneDNN": (_backend("mkldnn.enabled", False), {"torch.mkldnn.enabled"}),
    "no cuDNN": (_backend("cudnn.enabled", False), {"torch.cudnn.enabled"}),
    "denormals": (_torch("set_flush_denormal", True), {"torch.flush_denormal"}),
    "sums in bfloat16": (
        _cublas("allow_bf16_reduced_precision_reduction", False),
        {"torch.cublas_allow_bf16_reduced_precision_reduction"},
    ),
    "sums in float16": (
        _cublas("allow_fp16_accumulation", True), {"torch.cublas_allow_fp16_accumulation"}
    ),
    "fast path": (_torch("backends.mha.set_fastpath_enabled", False), {"torch.mha._is_fastpath_enabled"}),
    "einsum": (_einsum, {"torch.opt_einsum.strategy"}),
    "reduced attention": (
        _torch("backends.cuda.allow_fp16_bf16_reduction_math_sdp", True),
        {"torch.math_sdp_allow_fp16_bf16_reduction"},
    ),
    "autocast": (_torch("set_autocast_enabled", "cpu", True), {"torch.autocast.cpu"}),
    "anomalies": (_torch("set_anomaly_enabled", True), {"torch.anomaly_detection"}),
    "default device": (_torch("set_default_device", "meta"), {"torch.default_device"}),
    "compiler stance": (_torch("compiler.set_stance", "force_eager"), {"torch.compiler_stance"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_change_is_reported_and_put_back(name: str, before: Snapshot) -> None:
    """By its name, with both values; after that nothing differs any more."""
    change, settings = CHANGES[name]
    change()
    after = Snapshot.take()
    found = before.restore()
    assert settings <= found.keys()
    for setting, pair in found.items():
        assert pair == (before.values[setting], after.values[setting])
        assert pair[0] != pair[1]
    assert before.differences(Snapshot.take()) == {}


def test_nothing_changed_is_nothing_reported(before: Snapshot) -> None:
    """Taking, comparing and restoring change nothing themselves."""
    assert before.differences(Snapshot.take()) == {}
    assert before.restore() == {}
    assert before.restore() == {}


def test_only_what_was_changed_is_reported(before: Snapshot) -> None:
    """Two changes at once are two names, and an environment that is no setting is none."""
    _default_dtype()
    _dynamo()
    assert before.restore().keys() == {"torch.default_dtype", "dynamo.recompile_limit"}


@pytest.mark.parametrize("key", ["TORCHINDUCTOR_EXAMPLE", "OMP_EXAMPLE", "CUDA_EXAMPLE", "DIFFUSERS_EXAMPLE"])
@pytest.mark.parametrize(("then", "now"), [(None, "1"), ("1", None), ("1", "2")])
def test_environment_is_put_back(
    key: str, then: str | None, now: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable that was added, removed or changed."""

    def put(value: str | None) -> None:
        if value is None:
            monkeypatch.delenv(key, raising=False)
        else:
            monkeypatch.setenv(key, value)

    put(then)
    before = Snapshot.take()
    put(now)
    assert before.restore() == {f"env.{key}": (then or "(not set)", now or "(not set)")}
    assert os.environ.get(key) == then


def test_environment_that_is_no_setting_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other programs' variables, secrets among them, are neither copied nor touched."""
    before = Snapshot.take()
    monkeypatch.setenv("EXAMPLE_TOKEN", "secret")
    assert before.restore() == {}
    assert os.environ["EXAMPLE_TOKEN"] == "secret"
    assert not any("secret" in str(value) for value in Snapshot.take().values.values())


def test_warnings_instead_of_errors_survive(before: Snapshot) -> None:
    """Who asked for warnings of nondeterminism does not get errors after a variant."""
    import torch

    _warn_only()
    mine = Snapshot.take()
    torch.use_deterministic_algorithms(False)
    mine.restore()
    assert torch.is_deterministic_algorithms_warn_only_enabled()
    assert torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("earlier", [False, True], ids=["", "after a legacy setting"])
def test_tf32_that_the_user_had_set_survives(before: Snapshot, *, earlier: bool) -> None:
    """Also where it was set so that torch refuses to read the legacy setting."""
    import torch

    if earlier:  # by which each backend has a setting of its own, and inherits none
        torch.set_float32_matmul_precision("highest")
    torch.backends.cuda.matmul.fp32_precision = torch.backends.cudnn.conv.fp32_precision = "none"
    torch.backends.fp32_precision = "tf32"
    mine = Snapshot.take()
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    assert torch.backends.cuda.matmul.fp32_precision == "ieee"
    mine.restore()
    assert torch.backends.cuda.matmul.fp32_precision == "tf32"
    assert torch.backends.cudnn.conv.fp32_precision == "tf32"
    assert mine.differences(Snapshot.take()) == {}


def test_a_fresh_process_differs_from_the_defaults_in_nothing() -> None:
    """Only the number of threads is there in any case."""
    program = "import json; from perfsuite.device import settings_apart; print(json.dumps(settings_apart()))"
    environment = {k: v for k, v in os.environ.items() if not k.startswith(_ENVIRONMENT)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert list(json.loads(done.stdout.splitlines()[-1])) == ["torch.num_threads"]


@pytest.mark.parametrize(
    ("change", "name", "value"),
    [
        (_inductor, "inductor.epilogue_fusion", "False"),
        (_inductor_nested, "inductor.triton.cudagraphs", "True"),
        (_dynamo, None, None),
    ],
)
def test_a_changed_setting_is_among_those_apart(
    change: Callable[[], None], name: str | None, value: str | None, before: Snapshot
) -> None:
    """By name, with its value as text; a setting that is put back is not."""
    found = settings_apart()
    change()
    added = {k: v for k, v in settings_apart().items() if found.get(k) != v}
    assert len(added) == 1
    if name is not None:
        assert added == {name: value}
    before.restore()
    assert settings_apart() == found


def test_the_environment_is_among_those_apart_without_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    """A path says nothing about speed, and a results file may be shown to others."""
    monkeypatch.setenv("OMP_PROC_BIND", "close")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", f"{os.sep}home{os.sep}somebody")
    monkeypatch.setenv("SECRET_TOKEN", "x")
    found = {k: v for k, v in settings_apart().items() if k.startswith("env.")}
    assert found["env.OMP_PROC_BIND"] == "close"
    assert "somebody" not in " ".join(found.values())
    assert "env.SECRET_TOKEN" not in found


def test_tf32_of_two_sides_is_put_in_turns(before: Snapshot) -> None:
    """Each finds what it had; a setting that torch refuses to tell is left alone."""
    import torch

    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True
    one = Tf32.take()
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    other = Tf32.take()
    for side, wanted in ((one, ("high", True)), (other, ("highest", False)), (one, ("high", True))):
        side.put()
        assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == wanted
    torch.backends.cuda.matmul.fp32_precision = "ieee"
    unreadable = Tf32.take()
    one.put()
    unreadable.put()
    assert torch.backends.cuda.matmul.fp32_precision == "tf32"
