# SPDX-License-Identifier: MIT
"""Runs a program as a careless parent would: signals ignored and blocked, a descriptor left open, umask 0."""

import os
import signal
import sys

os.umask(0)
signal.signal(signal.SIGUSR2, signal.SIG_IGN)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM, signal.SIGWINCH})
os.dup2(os.open("/dev/null", os.O_RDWR), 9)
os.chdir("/srv")
os.execv(sys.argv[1], sys.argv[1:])
