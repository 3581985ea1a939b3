"""What the tutorial published for its workload, beside which the same workload's latencies are drawn.

SDXL base 1.0, 1024x1024, 30 steps, batch 1, A100 80 GB: diffusers, Accelerate inference of text-to-image
diffusion models. Its float32 ran with TF32 matrix products, which makes it the rung `tf32` here.
"""

WORKLOAD = "sdxl-base"
SOURCE = "published for an A100 80 GB"
LATENCY_S = {
    "tf32": 7.36,
    "bf16": 4.63,
    "bf16-sdpa": 3.31,
    "bf16-sdpa-compile": 2.54,
    "bf16-sdpa-compile-qkv": 2.52,
    "bf16-sdpa-compile-qkv-int8": 2.43,
}


def latency_s(workload: str, variant: str) -> float | None:
    """The published seconds of a call, None for another workload, also for another size of this one."""
    return LATENCY_S.get(variant) if workload == WORKLOAD else None
