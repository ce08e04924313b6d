/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhu_mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "clock.h"
#include "mem_touch.h"
#include "vus_limits.h"

/* How often the lock of a file on hugetlbfs is tried, how long others have to take it in between, and how soon one gets a lock
 * that nobody else wants. Who gives it back and asks at once has it before those that wait have woken up; so once it was not
 * free, it has to be several times in a row. */
enum { LOCK_TRIES = 32, LOCK_FREE_TIMES = 4, LOCK_PAUSE_US = 200 };
static const uint64_t LOCK_FREE_NS = NS_PER_MS / 10;

static int unfit(struct fail *fail)
{
	return fail_set(fail, -EINVAL,
			"memory is not a file on tmpfs or hugetlbfs: give the guest "
			"memory-backend-memfd, or memory-backend-file in /dev/shm or hugepages, "
			"with share=on");
}

/* Whether the file may be mapped and contains the region; its page size in *page. T1, T4, T5. */
static int check_file(const struct vhu_memory_region *wire, int fd, struct stat *st, uint64_t *page,
		      struct fail *fail)
{
	struct statfs fs;

	/* Only tmpfs and hugetlbfs have seals; a file system that might not answer is not asked anything more. */
	if (fcntl(fd, F_GET_SEALS) < 0)
		return unfit(fail);
	if (fstat(fd, st) != 0 || fstatfs(fd, &fs) != 0)
		return fail_set(fail, -errno, "memory file cannot be examined: %s",
				strerror(errno));
	if (!S_ISREG(st->st_mode) ||
	    (fs.f_type != TMPFS_MAGIC && fs.f_type != (__fsword_t)HUGETLBFS_MAGIC))
		return unfit(fail);
	*page = fs.f_type == (__fsword_t)HUGETLBFS_MAGIC ? (uint64_t)fs.f_bsize : MEM_PAGE;
	if (wire->size == 0 || wire->mmap_offset > UINT64_MAX - wire->size ||
	    wire->mmap_offset + wire->size > (uint64_t)st->st_size)
		return fail_set(fail, -EINVAL,
				"memory region of %#llx bytes at offset %#llx does not fit its file of "
				"%#llx bytes",
				(unsigned long long)wire->size,
				(unsigned long long)wire->mmap_offset,
				(unsigned long long)st->st_size);
	return 0;
}

/* A memfd that allows it can shrink no more; holes may still be punched. Others: SIGBUS is contained. Takes the file's lock and
 * gives it back, whether it allows it or not: false if others have it again and again. */
static bool seal(int fd, uint64_t page)
{
	const struct timespec pause = {.tv_nsec = LOCK_PAUSE_US * 1000};
	unsigned int free = 0, wanted = 1;

	for (unsigned int i = 0; i < LOCK_TRIES; i++) {
		uint64_t from = clock_ns();

		(void)fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK);
		if (page == MEM_PAGE)
			return true;
		if (clock_ns() - from < LOCK_FREE_NS) {
			free++;
		} else {
			free = 0;
			wanted = LOCK_FREE_TIMES;
		}
		if (free == wanted)
			return true;
		ppoll(NULL, 0, &pause, NULL);
	}
	return false;
}

/* The size of the pages that the kernel clears at the first touch, if they are huge, or 0: those of hugetlbfs, and of a tmpfs
 * that is told to have some. */
static size_t huge_page(const struct stat *st, uint64_t page)
{
	size_t size = page != MEM_PAGE ? page : (size_t)st->st_blksize;

	return size >= MEM_GRANULE ? size : 0;
}

static int map_file(struct vhu_mapping *mapping, struct mem_arena *arena, const struct vhu_memory_region *wire, int fd,
		    uint64_t page, const struct stat *st, struct fail *fail)
{
	size_t huge = huge_page(st, page);
	/* Nothing is missing, and then nothing has to be cleared. */
	bool whole = (uint64_t)st->st_blocks * 512 >= (uint64_t)st->st_size;
	int error;


	if (!seal(fd, page))
		return fail_set(fail, -EBUSY,
				"memory region of %#llx bytes: huge pages of its file are allocated or given back all "
				"the time, and to map it meanwhile would hold up other guests",
				(unsigned long long)wire->size);
	mapping->at = mem_arena_map(arena, fd, mapping->offset - mapping->delta, mapping->len, page);
	if (mapping->at == NULL && errno == EFBIG)
		return fail_set(fail, -EFBIG,
				"memory region of %#llx bytes: one port's memory may take %d TiB of "
				"address space, unused parts included, and no more",
				(unsigned long long)wire->size, MEM_SPACE_MAX_GIB / 1024);
	if (mapping->at == NULL)
		return fail_set(fail, -errno, "memory region of %#llx bytes cannot be mapped: %s",
				(unsigned long long)wire->size, strerror(errno));
	error = huge != 0 ? mem_arena_huge(arena, mapping->at, huge, whole) : 0;
	if (error == 0)
		return VHU_MAPPING_MADE;
	mem_arena_release(arena, mapping->at, mapping->len);
	return fail_set(fail, error, "no memory to remember which pages of a region of %#llx bytes are there: %s",
			(unsigned long long)wire->size, strerror(-error));
}

int vhu_mapping_make(struct vhu_mapping *mapping, const struct vhu_mapping *before, struct mem_arena *arena,
		     const struct vhu_memory_region *wire, int fd, struct fail *fail)
{
	struct stat st;
	uint64_t page = MEM_PAGE, first, last;
	int error = check_file(wire, fd, &st, &page, fail);

	if (error != 0)
		return error;
	if (before != NULL && before->dev == st.st_dev && before->ino == st.st_ino &&
	    before->offset == wire->mmap_offset) {
		*mapping = *before;
		return VHU_MAPPING_KEPT;
	}
	first = wire->mmap_offset & ~(page - 1);
	last = wire->mmap_offset + wire->size - 1;
	*mapping = (struct vhu_mapping){
		.offset = wire->mmap_offset,
		.dev = st.st_dev,
		.ino = st.st_ino,
		.delta = wire->mmap_offset - first,
		.len = (last | (page - 1)) - first + 1,
	};
	return map_file(mapping, arena, wire, fd, page, &st, fail);
}
