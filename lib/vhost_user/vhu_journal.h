/* SPDX-License-Identifier: BSD-3-Clause */
/* vhu_journal.h: the file in which a port keeps the records of its rings (virtq_record.h), for the process that serves
 * them after this one was killed or restarted.
 *
 * One file for each port, FOLDER/NAME.journal, mapped and shared: what an lcore has stored there is there when the
 * process dies, without a system call. It is a few pages, allocated when it is made, so that no store finds the file
 * system full; the folder should be in memory (/run is), so that none waits for a disk. It is not for a crash of the
 * machine, after which there are no rings either. The file is locked while a process uses it. The lock of one that is dead and
 * not gone (corpse.h) stays with it: what its file says is copied into a new one, which takes the place of the old.
 *
 * A port that is removed takes its file with it; one that is there again after a restart finds it. Without a journal
 * (the folder cannot be written, the file is another's) everything works, but for the promise about a kill.
 *
 * What is in the file is checked when it is opened (kind, version, size, owner) and again record by record when a ring
 * starts; a file that is not ours is left alone, one that makes no sense is begun anew. Each is said in one line.
 *
 * Context: control thread; lcores write records.
 */
#ifndef VUS_VHU_JOURNAL_H
#define VUS_VHU_JOURNAL_H

#include <stdbool.h>

#include "virtq_record.h"
#include "vus_limits.h"

struct vhu_journal_file;

struct vhu_journal {
	struct vhu_journal_file *file; /* NULL: there is none */
	char *path;
	int fd;
};

/* Opens or makes the file of the port `name`, with memory for the records of its first `rings` rings; `folder` NULL: there is to
 * be none. */
void vhu_journal_open(struct vhu_journal *journal, const char *folder, const char *name, unsigned int rings);
/* No lcore writes any more. `keep`: the file is for the next process, else it goes. */
void vhu_journal_close(struct vhu_journal *journal, bool keep);

/* The record of one of these rings, or NULL. */
struct virtq_record *vhu_journal_record(struct vhu_journal *journal, unsigned int ring);

#endif
