"""Every scenario, by theme; importing this fills scenario.REGISTRY."""
from . import (absent, assembler, controls, environment, hidden, identity, inputs, machine, options, outputs, paths, races,  # noqa: F401
               side_files, time_macros, toolchain)
