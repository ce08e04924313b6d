/* SPDX-License-Identifier: BSD-3-Clause */
/* eal_output.h: what DPDK prints while it starts, kept back until it is known how that ended.
 *
 * When EAL does not start, it prints the reason in one line and a hundred lines of usage after it, or the usage alone. From what
 * was kept back the reason is made one line again. When it starts, or ends the process itself (its --help, a panic), everything
 * is printed as it was. --log-level, which asks for DPDK's own words, keeps nothing back.
 *
 * Context: the main thread; from its start it is the control thread.
 */
#ifndef VUS_EAL_OUTPUT_H
#define VUS_EAL_OUTPUT_H

#include "fail.h"

/* From here on standard output and error go to memory, until: */
void eal_output_capture(void);
/* What came since then; the caller frees it. NULL: nothing was kept back. */
char *eal_output_release(void);

void eal_output_print(const char *words);
/* Why EAL did not start, in `fail`; what is longer than a line is printed before. Returns -errno. */
int eal_output_explain(const char *words, int error, struct fail *fail);

#endif
