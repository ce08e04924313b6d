/* SPDX-License-Identifier: BSD-3-Clause */
/* screen.h: a view that fills the terminal, is drawn again every few seconds and obeys keys: pages, sort, filter.
 *
 * It is drawn with ncurses, or, where vusctl was built without, not at all: then views are shown one below the other.
 *
 * Context: the one thread of vusctl.
 */
#ifndef VUSCTL_SCREEN_H
#define VUSCTL_SCREEN_H

#include <stdbool.h>

struct screen {
	double seconds; /* between two looks */
	long count;	/* of them; 0: no end */
	void (*ask_first)(void);
	void (*ask)(void);
	void (*show)(void); /* writes the view (out.h) */
	void (*turn)(void); /* from now on it writes its other table; NULL: there is none */
};

/* Whether there is a terminal on which a screen can be drawn. */
bool screen_is_possible(void);
/* Until the user ends it, or `count` is over: then the last view stays on the terminal. False: nothing was shown, the terminal
 * is not known to ncurses. */
bool screen_run(const struct screen *screen);
/* Gives the terminal back, as it was: before the program ends. */
void screen_leave(void);

#endif
