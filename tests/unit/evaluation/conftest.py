"""Lets ranx run interpreted: compiling it takes a minute, and its answers on small inputs are the same."""

import numba

numba.config.DISABLE_JIT = True
