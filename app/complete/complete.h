/* SPDX-License-Identifier: BSD-3-Clause */
/* complete.h: what a shell may offer for the word that is being typed.
 *
 * A program that is started as `PROGRAM --complete WORD...` prints, a line each, what the last word may become, and after a tab
 * what that is. The words are those behind the program's name; the last one is being typed and may be empty. Of what it
 * prints, the shells add no space behind what ends in '=' or ','. The line ":files" says that the shell is to offer files for
 * what stands behind the word's last '='.
 *
 * The scripts of the shells (complete.bash.in and so on) know no word of a program: all come from the tables of the program that
 * is installed.
 *
 * Context: the one thread of a program that does nothing else.
 */
#ifndef VUS_COMPLETE_H
#define VUS_COMPLETE_H

#include <stddef.h>

/* The word that is being typed: what does not begin with it is not offered. */
void complete_begin(const char *typed);
/* Offers `before` and `word` together; `help` may be NULL. */
void complete_offer(const char *before, const char *word, const char *help);
/* Offers each of "on|off", or nothing where `usage` is not a list of words. */
void complete_choices(const char *before, const char *usage);
void complete_files(void);

#endif
