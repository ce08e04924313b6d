/* SPDX-License-Identifier: BSD-3-Clause */
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int lane_memory_uffd(struct lane_memory *memory)
{
	/* We touch guest memory from this program alone and never from inside the kernel: that needs no privilege. */
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	/* No features: QEMU takes any event but a missing page for an error. */
	struct uffdio_api api = {.api = UFFD_API};

	if (fd < 0)
		return -errno;
	if (ioctl(fd, UFFDIO_API, &api) != 0) {
		int error = errno;

		close(fd);
		return -error;
	}
	if (memory->uffd >= 0)
		close(memory->uffd);
	memory->uffd = fd;
	return fd;
}

int lane_memory_map(struct lane_memory *memory, const struct lane_region *region, int fd,
		    uint64_t *address)
{
	struct lane_piece *piece = &memory->piece[memory->n];

	if (memory->n == MEM_SLOTS_MAX)
		return -ENOSPC;
	piece->at = mmap(NULL, region->len, PROT_NONE, MAP_SHARED | MAP_NORESERVE, fd,
			 (off_t)region->offset);
	if (piece->at == MAP_FAILED)
		return -errno;
	piece->region = *region;
	piece->committed = false;
	memory->n++;
	*address = (uintptr_t)piece->at + region->delta;
	return 0;
}

/* Whole pages of the file: a hugetlb mapping is registered no other way. */
static int commit_piece(struct lane_memory *memory, struct lane_piece *piece)
{
	struct uffdio_register range = {
		.range = {.start = (uintptr_t)piece->at, .len = piece->region.len},
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	/* Advice only: a huge page would be missing as a whole. hugetlbfs has no use for either. */
	(void)madvise(piece->at, piece->region.len, MADV_NOHUGEPAGE);
	(void)madvise(piece->at, piece->region.len, MADV_DONTDUMP);
	if (ioctl(memory->uffd, UFFDIO_REGISTER, &range) != 0)
		return -errno;
	if ((range.ioctls & (UINT64_C(1) << _UFFDIO_COPY)) == 0)
		return -EOPNOTSUPP;
	if (mprotect(piece->at, piece->region.len, PROT_READ | PROT_WRITE) != 0)
		return -errno;
	piece->committed = true;
	return 0;
}

/* The map of what is committed: NULL and errno; NULL and 0 if that is nothing. */
static struct mem_map *build_map(const struct lane_memory *memory)
{
	struct mem_region regions[MEM_SLOTS_MAX];
	uint32_t n = 0;

	for (uint32_t i = 0; i < memory->n; i++) {
		const struct lane_piece *piece = &memory->piece[i];

		if (piece->committed)
			regions[n++] = (struct mem_region){
				.gpa = piece->region.gpa,
				.size = piece->region.size,
				.uva = piece->region.uva,
				.host = piece->at + piece->region.delta,
			};
	}
	errno = 0;
	return n > 0 ? mem_map_of(regions, n) : NULL;
}

int lane_memory_commit(struct lane_memory *memory)
{
	struct mem_map *map;

	if (memory->uffd < 0)
		return -EBADF;
	for (uint32_t i = 0; i < memory->n; i++) {
		int error = memory->piece[i].committed ? 0
						       : commit_piece(memory, &memory->piece[i]);

		if (error != 0)
			return error;
	}
	map = build_map(memory);
	if (map == NULL && errno != 0)
		return -errno;
	memory->map = map;
	return 0;
}

int lane_memory_remove(struct lane_memory *memory, const struct lane_region *region,
		       struct lane_piece *left)
{
	struct mem_map *map;
	uint32_t i = 0;

	while (i < memory->n && (memory->piece[i].region.gpa != region->gpa ||
				 memory->piece[i].region.size != region->size))
		i++;
	if (i == memory->n)
		return -ENOENT;
	*left = memory->piece[i];
	memmove(&memory->piece[i], &memory->piece[i + 1],
		(memory->n - i - 1) * sizeof(memory->piece[0]));
	memory->n--;
	map = build_map(memory);
	if (map == NULL && errno != 0)
		return -errno;
	memory->map = map;
	return 0;
}
