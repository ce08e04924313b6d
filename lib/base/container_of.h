/* SPDX-License-Identifier: BSD-3-Clause */
/* container_of.h: from a member of a struct to the struct.
 *
 * Context: any thread.
 */
#ifndef VUS_CONTAINER_OF_H
#define VUS_CONTAINER_OF_H

#include <stddef.h>
#include <stdint.h>

#ifndef container_of /* DPDK has one, too */
#define container_of(pointer, type, member)                                                        \
	((type *)(void *)((char *)(uintptr_t)(pointer)-offsetof(type, member)))
#endif

#endif
