"""A real SLURM on this machine: a controller and two nodes, in a folder, until it is stopped."""

import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from s3server import free_ports

_CONFIGURATION = """
ClusterName=ci
SlurmctldHost=localhost(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=cred_expire=5
SlurmctldPort={controller}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={folder}/ctld
SlurmdSpoolDir={folder}/d.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
SlurmctldTimeout=30
SlurmdTimeout=30
KillWait=60
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=1
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=256
MailProg=/bin/true
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/jobcomp.log
GresTypes=gpu
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={first} CPUs=8 RealMemory=16000 State=UNKNOWN
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={second} CPUs=8 RealMemory=16000 Gres=gpu:1 State=UNKNOWN
PartitionName=cpu Nodes=ALL Default=YES MaxTime=01:00:00 State=UP
PartitionName=gpu Nodes=n2 MaxTime=01:00:00 State=UP
"""


def missing() -> str:
    """Say what a test of SLURM lacks here, if anything."""
    for name in ("slurmctld", "slurmd", "sbatch", "munged"):
        if not (shutil.which(name) or Path("/usr/sbin", name).exists()):
            return f"{name} is missing: apt-get install slurm-wlm munge"
    return "" if os.geteuid() == 0 else "SLURM's own processes want root here"


@dataclass
class SlurmSite:
    """SLURM in a folder, reached by the commands of its own with `environment`."""

    folder: Path
    ports: list[int] = field(default_factory=lambda: free_ports(3))

    @property
    def environment(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def start(self) -> "SlurmSite":
        start_munge()
        for name in ("ctld", "d.n1", "d.n2"):
            (self.folder / name).mkdir(parents=True)
        controller, first, second = self.ports
        host = socket.gethostname().partition(".")[0]
        (self.folder / "slurm.conf").write_text(
            _CONFIGURATION.format(
                user="root", folder=self.folder, host=host, controller=controller, first=first, second=second
            )
        )
        (self.folder / "gres.conf").write_text("NodeName=n2 Name=gpu File=/dev/null\n")
        self._daemon("slurmctld")
        for node in ("n1", "n2"):
            self._daemon("slurmd", "-N", node)
        self.wait_for(lambda: "n[1-2]" in self.call("sinfo", "-h", "-p", "cpu", "-t", "idle", "-o", "%N"), 180)
        return self

    def call(self, *command: str) -> str:
        """Run one of SLURM's commands, and give what it says."""
        environment = os.environ | self.environment
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()

    def jobs(self) -> dict[str, list[str]]:
        """Give the numbers of the jobs that wait or run, by name."""
        found: dict[str, list[str]] = {}
        for line in self.call("squeue", "-h", "-o", "%j %i").splitlines():
            name, number = line.split()
            found.setdefault(name, []).append(number)
        return found

    def state(self, number: str) -> str:
        """Give what became of a job, or what it does."""
        told = self.call("scontrol", "show", "job", number)
        return told.split("JobState=")[1].split()[0]

    def wait_for(self, what, seconds: float, every: float = 0.5):
        """Wait until something is so, and give it; some time later is too late."""
        end = time.monotonic() + seconds
        while not (found := what()):
            if time.monotonic() > end:
                raise TimeoutError(f"{what} did not come about in {seconds} s; {self.call('squeue')}")
            time.sleep(every)
        return found

    def resume(self, node: str) -> bool:
        """Take a node that was down into use again; one that still ends a job is not to be had yet."""
        command = ["scontrol", "update", f"nodename={node}", "state=resume"]
        environment = os.environ | self.environment
        subprocess.run(command, env=environment, capture_output=True, check=False)
        return "idle" in self.call("sinfo", "-h", "-n", node, "-p", "cpu", "-o", "%T")

    def warn(self, number: str) -> None:
        """Tell a job's script that its time is nearly up, as `--signal=B:TERM` does."""
        os.kill(self.script(number), signal.SIGTERM)

    def script(self, number: str) -> int:
        """Give the process of a job's script."""
        node = self.call("squeue", "-h", "-j", number, "-o", "%N")
        listed = [line.split() for line in self.call("scontrol", "listpids", number, node).splitlines()]
        return min(int(fields[0]) for fields in listed if fields[2] == "batch")

    def stop(self) -> None:
        subprocess.run(["scancel", "--me", "--signal=KILL"], env=os.environ | self.environment, check=False)
        time.sleep(1)
        for path in [*self.folder.glob("slurmd.*.pid"), self.folder / "slurmctld.pid"]:
            try:
                os.kill(int(path.read_text()), signal.SIGTERM)
            except (OSError, ValueError):
                continue

    def _daemon(self, name: str, *options: str) -> None:
        path = shutil.which(name) or f"/usr/sbin/{name}"
        subprocess.run([path, *options], env=os.environ | self.environment, check=True, cwd=self.folder)


def start_munge() -> None:
    """Start the daemon by which SLURM's processes know each other, if none is there."""
    if subprocess.run(["munge", "-n"], capture_output=True, check=False).returncode == 0:
        return
    subprocess.run(["install", "-d", "-o", "munge", "-g", "munge", "-m755", "/run/munge"], check=True)
    subprocess.run(["runuser", "-u", "munge", "--", "/usr/sbin/munged", "--force"], check=True)
    for _ in range(50):
        if subprocess.run(["munge", "-n"], capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.1)
    raise TimeoutError("munged does not answer")
