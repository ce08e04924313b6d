/* SPDX-License-Identifier: BSD-3-Clause */
/* commands.h: what the specification has a plugin do. Each is the same when it is done again, and when it is done after one
 * that was killed in its midst.
 *
 * Context: the one thread of vuscni.
 */
#ifndef VUSCNI_COMMANDS_H
#define VUSCNI_COMMANDS_H

#include "netconf.h"

/* Does args->command. *answer is what goes to standard output, or NULL: nothing; the caller releases it. */
int command_do(const struct netconf *conf, const struct cni_args *args, json_t **answer, struct cni_error *error);

#endif
