/* SPDX-License-Identifier: BSD-3-Clause */
/* fg_postcopy: the target of a postcopy migration, message for message as QEMU 10 speaks.
 *
 *   fg_session_open()       connect and negotiate: QEMU is there, the guest is not
 *   fg_pager_depart()       the guest runs elsewhere; its memory is empty here
 *   fg_postcopy_advise()    ADVISE for each queue pair, the first pair last; the last userfaultfd counts
 *   fg_postcopy_listen()    LISTEN for each queue pair
 *   fg_postcopy_start()     the guest goes on here: features, memory, rings from where they stood
 *   fg_postcopy_end()       everything has arrived: END for each queue pair
 *
 * Memory goes by ADD_MEM_REG, each echoed with the back end's address, and one acknowledgement of ours
 * behind the last; or, without CONFIGURE_MEM_SLOTS, by SET_MEM_TABLE, its echo and ours. Only with
 * that acknowledgement do we know where the back end has its memory: a fault before it is a fault
 * that is never answered.
 *
 * Thread-safety: as a session. Functions return 0 or -errno; -EREMOTEIO: the back end said no.
 */
#ifndef FG_POSTCOPY_H
#define FG_POSTCOPY_H

#include <stdint.h>

#include "fg_pager.h"
#include "fg_session.h"

int fg_postcopy_advise(struct fg_session *, struct fg_pager *);
/* One ADVISE. Its userfaultfd goes to *@fd. */
int fg_postcopy_advise_once(struct fg_session *, int *fd);
int fg_postcopy_listen(struct fg_session *);

/* All regions, and the acknowledgement. */
int fg_postcopy_send_memory(struct fg_session *, struct fg_pager *);
/* The same in steps. The address that was echoed counts when the acknowledgement has been sent. */
int fg_postcopy_add(struct fg_session *, unsigned int slot, uint64_t *base);
/* ADD_MEM_REG, REM_MEM_REG or NONE: the request that came last, which is what QEMU repeats. */
int fg_postcopy_acknowledge(struct fg_session *, uint32_t request);
int fg_postcopy_remove(struct fg_session *, unsigned int slot);

/* Features, memory, and ring i from @base[i] on. */
int fg_postcopy_start(struct fg_session *, struct fg_pager *, const uint16_t *base);

/* Sends the rest of the pages, stops answering faults, says END, closes the userfaultfd. */
int fg_postcopy_end(struct fg_session *, struct fg_pager *);
/* END alone. */
int fg_postcopy_say_end(struct fg_session *);

#endif
