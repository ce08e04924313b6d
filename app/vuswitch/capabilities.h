/* SPDX-License-Identifier: BSD-3-Clause */
/* capabilities.h: of root's rights, what the configuration has a use for, and on those threads only that do.
 *
 * What the process was started with is cut down twice. At the start, while there is one thread, to what its ports and
 * options may need (the table in docs/operations/set-up.md): what is given up then cannot be had back but by a restart.
 * And each thread of ours, when it has said what it is (thread_kind.h), to what its kind may need: an lcore has none.
 *
 * Ports of virtual machines may come by request at any time, so what they need is always kept, if it was there; what
 * devices need is kept where the configuration, or EAL's options, have a device that needs it, and by --keep-rights.
 *
 * Context: the main thread.
 */
#ifndef VUS_CAPABILITIES_H
#define VUS_CAPABILITIES_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "thread_kind.h"

/* A set of capabilities: bit n is that of capability n of linux/capability.h. */
typedef uint64_t capabilities;

/* What ports on this device need: "0000:03:00.0", "net_tap0,iface=tap0". */
capabilities capabilities_of_device(const char *device);
/* What all of this needs. `eal` are EAL's options, `eal_n` of them. */
capabilities capabilities_needed(const struct config *config, char *const *eal, int eal_n);
/* What a thread of this kind may need. */
capabilities capabilities_of_thread(enum thread_kind kind);
/* Those of a device of any kind, for --keep-rights. */
capabilities capabilities_of_all_devices(void);

/* The calling thread gives up all but these, and so do the threads and programs that it starts. 0 or -errno. */
int capabilities_keep(capabilities kept);

#endif
