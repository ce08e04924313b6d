/* SPDX-License-Identifier: BSD-3-Clause */
/* screen_none.c: vusctl without ncurses. */
#include "role.h"
#include "screen.h"

bool screen_is_possible(void)
{
	return false;
}

bool screen_run(const struct screen *view VUS_UNUSED)
{
	return false;
}

void screen_leave(void)
{
}
