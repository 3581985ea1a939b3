"""The GPUs of a machine, as its driver tells. The standard library alone."""

from __future__ import annotations

import csv
import shutil
import subprocess
from typing import Any


def gpus() -> list[tuple[str, str, str]]:
    """Number, UUID and name of each GPU that the driver knows; none without ``nvidia-smi``."""
    if shutil.which("nvidia-smi") is None:
        return []
    asked = ["nvidia-smi", "--query-gpu=index,uuid,name", "--format=csv,noheader"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=60)
    if done.returncode:
        return []
    return [
        (number, uuid, name)
        for number, uuid, name in csv.reader(done.stdout.splitlines(), skipinitialspace=True)
    ]


def visible(all_gpus: list[tuple[str, str, str]], choice: str | None) -> list[tuple[str, str, str]]:
    """Those that ``CUDA_VISIBLE_DEVICES`` leaves, by number or by UUID, which may be cut short."""
    if choice is None:
        return all_gpus
    wanted = [each.strip() for each in choice.split(",") if each.strip()]
    return [
        gpu
        for each in wanted
        for gpu in all_gpus
        if gpu[0] == each or (gpu[1].startswith(each) and "-" in each)
    ]


def chosen(job: dict[str, Any], choice: str | None) -> str:
    """The one that was asked for; where an engine has chosen others by now, the first of them."""
    if job["kind"] != "cuda" or not job["chosen"] or not choice:
        return str(job["uuid"])
    given = [uuid for _, uuid, _ in visible(gpus(), choice)] or choice.split(",")
    return job["uuid"] if job["uuid"] in given else given[0]


def answers(uuid: str) -> bool:
    if shutil.which("nvidia-smi") is None:
        return True
    asked = ["nvidia-smi", f"--id={uuid}", "--query-gpu=uuid", "--format=csv,noheader"]
    try:
        return subprocess.run(asked, capture_output=True, timeout=30).returncode == 0
    except subprocess.TimeoutExpired:
        return False
