# SPDX-License-Identifier: BSD-3-Clause
"""vulab: virtual machines, switches and network namespaces on one machine.

The quickstart and the end-to-end tests are both written with it. Every wait has a deadline, every
process started here ends with the one that started it, and every error says what was waited for
and shows the end of the log that knows why.
"""
