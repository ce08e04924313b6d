/* SPDX-License-Identifier: BSD-3-Clause */
/* fg_huge: the kernel's pools of huge pages, which a test makes larger for as long as it runs, where it may.
 *
 * Thread-safety: one thread. `size`: of a page, in bytes.
 */
#ifndef FG_HUGE_H
#define FG_HUGE_H

#include <stdbool.h>
#include <stdint.h>

#define FG_HUGE_2M (UINT64_C(1) << 21)
#define FG_HUGE_1G (UINT64_C(1) << 30)

/* For memfd_create(): files of such pages. */
unsigned int fg_huge_memfd(uint64_t size);
/* What the pool says ("free_hugepages"); -1 where there is none of that size. */
long fg_huge_pages(uint64_t size, const char *what);
/* `n` pages more for everybody. Returns: how many there are. */
unsigned int fg_huge_add(uint64_t size, unsigned int n);
void fg_huge_give_back(uint64_t size, unsigned int added);

#endif
