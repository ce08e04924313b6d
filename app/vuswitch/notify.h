/* SPDX-License-Identifier: BSD-3-Clause */
/* notify.h: tells the service manager how we are (sd_notify(3)); nothing happens where there is none.
 *
 * Context: the main thread; from its start it is the control thread.
 */
#ifndef VUS_NOTIFY_H
#define VUS_NOTIFY_H

/* "READY=1", "STOPPING=1", "STATUS=what systemctl status shows", ...; several with '\n' between them. */
void notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
