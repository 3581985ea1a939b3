"""No component, module or part of the loop is further from float32 than honest code of its precision."""


def test_components(pipeline, look_gate):
    """Text encoders, UNet and VAE decoder, each fed with what it was fed in float32."""
    check = look_gate(pipeline, "components")
    assert check, check.message


def test_modules(pipeline, look_gate):
    """Every module inside them, each fed with what it was fed in float32."""
    check = look_gate(pipeline, "modules")
    assert check, check.message


def test_loop(pipeline, look_gate):
    """Scheduler, guidance and conditions with forced component outputs; the real run's latents."""
    check = look_gate(pipeline, "loop")
    assert check, check.message


def test_honest_code(workload, honest_gate):
    """Eager code of each precision, which the budgets are made of, has not got worse itself."""
    check = honest_gate(workload)
    assert check, check.message
