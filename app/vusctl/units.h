/* SPDX-License-Identifier: BSD-3-Clause */
/* units.h: numbers, rates, shares and times, the same way in all views.
 *
 * Context: the one thread of vusctl.
 * Returns: a text in a buffer that is used again after sixteen calls.
 */
#ifndef VUSCTL_UNITS_H
#define VUSCTL_UNITS_H

/* "0", "9876", "26.3 M": a number, or how many a second where the title says so. */
const char *human(double number);
/* "250 us", "12.4 ms", "300 s", "25 min", "6 h", "12 d". */
const char *time_text(double seconds);
/* "45 %". */
const char *share_text(double percent);

#endif
