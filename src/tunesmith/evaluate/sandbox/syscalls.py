"""Which calls of the kernel a closed process may not make, by their numbers on each kind of processor.

Landlock bounds what files can be opened; shut here is the rest: network, processes, signals, changes of other
processes, and of files by name or descriptor that Landlock, or its first versions, do not look at (modes, owners,
times, attributes, lengths, leases).

Source: the kernel's ``arch/x86/entry/syscalls/syscall_64.tbl`` and ``include/uapi/asm-generic/unistd.h``.
"""

from __future__ import annotations

import platform
from typing import Any

_BOTH = {
    "pidfd_send_signal": 424, "io_uring_setup": 425, "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsmount": 432,
    "fspick": 433, "pidfd_open": 434, "pidfd_getfd": 438, "process_madvise": 440, "mount_setattr": 442,
    "memfd_secret": 447, "process_mrelease": 448, "fchmodat2": 452, "setxattrat": 463, "removexattrat": 466,
}  # fmt: skip
_X86_64 = {
    "socket": 41, "connect": 42, "accept": 43, "bind": 49, "listen": 50, "accept4": 288,
    "fork": 57, "vfork": 58, "execve": 59, "execveat": 322,
    "kill": 62, "tkill": 200, "tgkill": 234, "rt_sigqueueinfo": 129, "rt_tgsigqueueinfo": 297,
    "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "setpriority": 141, "ioprio_set": 251,
    "sched_setparam": 142, "sched_setscheduler": 144, "sched_setaffinity": 203, "sched_setattr": 314,
    "chmod": 90, "fchmod": 91, "fchmodat": 268, "chown": 92, "fchown": 93, "lchown": 94, "fchownat": 260,
    "utime": 132, "utimes": 235, "futimesat": 261, "utimensat": 280,
    "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190, "removexattr": 197, "lremovexattr": 198, "fremovexattr": 199,
    "mknod": 133, "mknodat": 259, "mount": 165, "umount2": 166, "chroot": 161, "pivot_root": 155, "unshare": 272,
    "setns": 308, "swapon": 167, "swapoff": 168, "reboot": 169, "sethostname": 170, "settimeofday": 164,
    "clock_settime": 227, "init_module": 175, "delete_module": 176, "finit_module": 313, "kexec_load": 246,
    "kexec_file_load": 320, "bpf": 321, "perf_event_open": 298, "userfaultfd": 323, "open_by_handle_at": 304,
    "add_key": 248, "request_key": 249, "keyctl": 250, "memfd_create": 319,
    "shmget": 29, "shmat": 30, "shmctl": 31, "semget": 64, "semctl": 66, "msgget": 68, "msgctl": 71, "mq_open": 240,
    "mq_unlink": 241, "setrlimit": 160, "fanotify_init": 300, "quotactl": 179, "acct": 163, "personality": 135,
    "msgsnd": 69, "msgrcv": 70, "semop": 65, "semtimedop": 220, "truncate": 76, "inotify_add_watch": 254, "syslog": 103,
    "migrate_pages": 256, "move_pages": 279, "kcmp": 312,
}  # fmt: skip
_AARCH64 = {
    "socket": 198, "connect": 203, "accept": 202, "bind": 200, "listen": 201, "accept4": 242,
    "execve": 221, "execveat": 281,
    "kill": 129, "tkill": 130, "tgkill": 131, "rt_sigqueueinfo": 138, "rt_tgsigqueueinfo": 240,
    "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "setpriority": 140, "ioprio_set": 30,
    "sched_setparam": 118, "sched_setscheduler": 119, "sched_setaffinity": 122, "sched_setattr": 274,
    "fchmod": 52, "fchmodat": 53, "fchown": 55, "fchownat": 54, "utimensat": 88,
    "setxattr": 5, "lsetxattr": 6, "fsetxattr": 7, "removexattr": 14, "lremovexattr": 15, "fremovexattr": 16,
    "mknodat": 33, "mount": 40, "umount2": 39, "chroot": 51, "pivot_root": 41, "unshare": 97,
    "setns": 268, "swapon": 224, "swapoff": 225, "reboot": 142, "sethostname": 161, "settimeofday": 170,
    "clock_settime": 112, "init_module": 105, "delete_module": 106, "finit_module": 273, "kexec_load": 104,
    "kexec_file_load": 294, "bpf": 280, "perf_event_open": 241, "userfaultfd": 282, "open_by_handle_at": 265,
    "add_key": 217, "request_key": 218, "keyctl": 219, "memfd_create": 279,
    "shmget": 194, "shmat": 196, "shmctl": 195, "semget": 190, "semctl": 191, "msgget": 186, "msgctl": 187,
    "mq_open": 180, "mq_unlink": 181, "setrlimit": 164, "fanotify_init": 262, "quotactl": 60, "acct": 89,
    "personality": 92, "msgsnd": 189, "msgrcv": 188, "semop": 193, "semtimedop": 192, "truncate": 45,
    "inotify_add_watch": 27, "syslog": 116, "migrate_pages": 238, "move_pages": 239, "kcmp": 272,
}  # fmt: skip
_NEVER = {"x86_64": {**_X86_64, **_BOTH}, "aarch64": {**_AARCH64, **_BOTH}}
_UNKNOWN = {"clone3": 435, "openat2": 437}
_FIRST, _SECOND, _THIRD = 16, 24, 32
"""Where the filter finds a call's arguments, their lower halves."""

_WHOLE, _THREAD = 0xFFFFFFFF, 0x10000
_SET_OWNER, _SET_SIGNAL, _SET_OWNER_EX, _SET_LEASE, _NOTIFY = 8, 10, 15, 1024, 1026
_ASK_TERMINAL, _OF_DESCRIPTORS = (0x5401, 0x802C542A, 0x5413), (0x541B, 0x5421, 0x5450, 0x5451)
_TRUNCATE, _ACCESS = 0x200, 3


def shut_calls(machine: str = "") -> dict[str, list[Any]]:
    """Return which calls are shut, and how; on an unknown processor none, and nothing will be run.

    ``never`` fails; ``unknown`` is said not to exist, so that the C library falls back on a call whose arguments can be
    looked at; ``looked_at`` has ``[call, where, mask, values, allowed]``: the call is allowed if the argument at that
    place, masked, is one of the values (or if ``allowed`` is false, unless it is).
    """
    machine = machine or platform.machine()
    if machine not in _NEVER:
        return {"never": [], "unknown": [], "looked_at": []}
    clone, prlimit, fcntl, ioctl = {"x86_64": (56, 302, 72, 16), "aarch64": (220, 261, 25, 29)}[machine]
    opens = {"x86_64": ((2, _SECOND), (257, _THIRD)), "aarch64": ((56, _THIRD),)}[machine]
    looked_at: list[Any] = [
        [clone, _FIRST, _THREAD, [_THREAD], True],  # threads, no processes
        [prlimit, _FIRST, _WHOLE, [0], True],  # one's own limits
        [fcntl, _SECOND, _WHOLE, [_SET_OWNER, _SET_SIGNAL, _SET_OWNER_EX, _SET_LEASE, _NOTIFY], False],
        [ioctl, _SECOND, _WHOLE, [*_ASK_TERMINAL, *_OF_DESCRIPTORS], True],
        *([call, where, _TRUNCATE | _ACCESS, [_TRUNCATE, _TRUNCATE | _ACCESS], False] for call, where in opens),
    ]
    return {"never": sorted(_NEVER[machine].values()), "unknown": sorted(_UNKNOWN.values()), "looked_at": looked_at}
