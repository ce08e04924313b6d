/* SPDX-License-Identifier: BSD-3-Clause */
/* ethdev_words.h: what DPDK logs while it makes a device. A driver says why it cannot only there: the error it returns is that of
 * whoever called it. Control thread.
 */
#ifndef VUS_ETHDEV_WORDS_H
#define VUS_ETHDEV_WORDS_H

#include <stddef.h>

#include "role.h"

/* From here on DPDK's log goes to memory, until ethdev_words_release(). */
void ethdev_words_keep(void) RUNS_ON(control_thread);
void ethdev_words_release(void) RUNS_ON(control_thread);

/* Prints what was kept, as DPDK would have: a device that was made may have said something, too. */
void ethdev_words_print(void) RUNS_ON(control_thread);

/* What was kept, as "reason; reason", without what EAL says whatever the reason. What does not fit is printed as well. */
void ethdev_words_reason(char *text, size_t size) RUNS_ON(control_thread);

#endif
