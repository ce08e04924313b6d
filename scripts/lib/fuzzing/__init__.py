# SPDX-License-Identifier: BSD-3-Clause
"""fuzzing: what scripts/fuzz does: build the targets, run them, plant bugs, look at coverage."""
