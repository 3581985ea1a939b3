"""A stand-in of Slurm: its commands, which run each job of a file at once on this machine.

What it shows is what is asked of Slurm and how its answers are read; how a real one places jobs it does not.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_SBATCH = r"""
import os, re, subprocess, sys
from pathlib import Path
home = Path(__file__).parent
text = Path(sys.argv[1]).read_text()
if "partition=absent" in text:
    sys.exit("sbatch: error: invalid partition specified: absent")
avoided = re.search(r"--exclude='?([\w/.,-]+)", text)
for name in avoided[1].split(",") if avoided else ():
    if name not in ("node1", "node2"):
        sys.exit(f"sbatch: error: Invalid node name specified {name}")
number = 100 + len(list(home.glob("*.submitted")))
(home / f"{number}.submitted").write_text(text)
array = re.search(r"--array='?0-(\d+)", text)
for task in range(int(array[1]) + 1) if array else [None]:
    name = str(number) if task is None else f"{number}_{task}"
    environment = {**os.environ, "SLURM_JOB_ID": str(number), "SLURM_JOB_NODELIST": "node1",
                   "SLURMD_NODENAME": "node1", "RAY_X": "1",
                   "SLURM_NTASKS": "1", "SLURM_JOB_NUM_NODES": "1", "SLURM_NODEID": "0", "SLURM_PROCID": "0",
                   "SLURM_LOCALID": "0", "CUDA_VISIBLE_DEVICES": "3", "OMP_NUM_THREADS": "77"}
    if task is not None:
        environment |= {"SLURM_ARRAY_JOB_ID": str(number), "SLURM_ARRAY_TASK_ID": str(task)}
    log = (home / f"{name}.log").open("wb")
    if (home / "hold").exists():
        continue
    process = subprocess.Popen(["bash", sys.argv[1]], env=environment, stdout=log, stderr=log,
                               start_new_session=True)
    (home / f"{name}.pid").write_text(str(process.pid))
print(f"Submitted batch job {number}")
"""
_SCANCEL = r"""
import os, signal, sys
from pathlib import Path
home = Path(__file__).parent
for name in sys.argv[1:]:
    (home / f"{name}.cancelled").write_text("")
    file = home / f"{name}.pid"
    if file.exists():
        os.killpg(int(file.read_text()), signal.SIGTERM)
"""
_SACCT = r"""
import sys
from pathlib import Path
home = Path(__file__).parent
print("JobID|State|NodeList")
for file in home.glob("*.submitted"):
    for name in [file.stem, *(f"{file.stem}_{n}" for n in range(9))]:
        failed = (home / f"{name}.failed").exists()
        print(f"{name}|{'NODE_FAIL' if failed else 'RUNNING'}|node1")
"""
_SINFO = "print('node1\\nnode1\\nnode2')"


def install(folder: Path) -> Path:
    """The commands in a folder, to be put on the path; what happens is noted beside them."""
    folder.mkdir()
    texts = {"sbatch": _SBATCH, "scancel": _SCANCEL, "sacct": _SACCT, "sinfo": _SINFO, "srun": ""}
    for name, code in texts.items():
        command = folder / name
        command.write_text(f"#!{sys.executable}\n{code}")
        command.chmod(0o755)
    return folder


def on_path(folder: Path) -> str:
    """The path with the commands in front."""
    return f"{folder}{os.pathsep}{os.environ['PATH']}"
