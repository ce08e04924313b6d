/* SPDX-License-Identifier: BSD-3-Clause */
#include "fg_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

/* Far from anything this process has mapped, and in another order than the guest's addresses. */
static const uint64_t USER_BASE = 0x500000000000;
static const uint64_t USER_STEP = 1ull << 34;

void fg_memory_init(struct fg_memory *mem)
{
	mem->n = 0;
	mem->serial = 0;
	for (unsigned int i = 0; i < FG_REGIONS_MAX; i++)
		mem->region[i].fd = -1;
}

void fg_memory_fini(struct fg_memory *mem)
{
	for (unsigned int i = 0; i < mem->n; i++)
		fg_memory_remove(mem, i);
	mem->n = 0;
}

int fg_memory_file(uint64_t size)
{
	int fd = memfd_create("fake-guest", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) < 0) {
		int err = errno;

		close(fd);
		return -err;
	}
	return fd;
}

int fg_memory_add(struct fg_memory *mem, uint64_t gpa, uint64_t size)
{
	int fd = fg_memory_file(size);
	int slot;

	if (fd < 0)
		return fd;
	slot = fg_memory_add_file(mem, gpa, size, fd, 0);
	close(fd);
	return slot;
}

int fg_memory_add_file(struct fg_memory *mem, uint64_t gpa, uint64_t size, int fd, uint64_t offset)
{
	unsigned int slot = 0;
	struct fg_region *r;
	uint64_t lead = offset % 4096; /* a region need not begin on a page */
	void *map;

	while (slot < FG_REGIONS_MAX && mem->region[slot].fd >= 0)
		slot++;
	if (slot == FG_REGIONS_MAX)
		return -ENOSPC;
	map = mmap(NULL, lead + size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
		   (off_t)(offset - lead));
	if (map == MAP_FAILED)
		return -errno;
	r = &mem->region[slot];
	r->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (r->fd < 0) {
		int err = errno;

		munmap(map, lead + size);
		return -err;
	}
	r->gpa = gpa;
	r->size = size;
	r->user_addr = USER_BASE + USER_STEP * (mem->serial++ % (4 * FG_REGIONS_MAX));
	r->fd_offset = offset;
	r->map = (uint8_t *)map + lead;
	r->lead = lead;
	r->used = 0;
	if (slot >= mem->n)
		mem->n = slot + 1;
	return (int)slot;
}

void fg_memory_remove(struct fg_memory *mem, unsigned int slot)
{
	struct fg_region *r = &mem->region[slot];

	if (r->fd < 0)
		return;
	munmap(r->map - r->lead, r->lead + r->size);
	close(r->fd);
	r->fd = -1;
}

uint64_t fg_memory_alloc_in(struct fg_memory *mem, unsigned int slot, uint64_t len, uint64_t align)
{
	struct fg_region *r = &mem->region[slot];
	uint64_t at;

	if (slot >= mem->n || r->fd < 0)
		return FG_NO_GPA;
	at = (r->gpa + r->used + align - 1) / align * align - r->gpa;
	if (at > r->size || len > r->size - at)
		return FG_NO_GPA;
	r->used = at + len;
	return r->gpa + at;
}

uint64_t fg_memory_alloc(struct fg_memory *mem, uint64_t len, uint64_t align)
{
	uint64_t gpa = FG_NO_GPA;

	for (unsigned int i = 0; i < mem->n && gpa == FG_NO_GPA; i++)
		gpa = fg_memory_alloc_in(mem, i, len, align);
	return gpa;
}

const struct fg_region *fg_memory_find(const struct fg_memory *mem, uint64_t gpa, uint64_t len)
{
	for (unsigned int i = 0; i < mem->n; i++) {
		const struct fg_region *r = &mem->region[i];

		if (r->fd >= 0 && gpa >= r->gpa && gpa - r->gpa < r->size &&
		    len <= r->size - (gpa - r->gpa))
			return r;
	}
	return NULL;
}

void *fg_memory_ptr(const struct fg_memory *mem, uint64_t gpa, uint64_t len)
{
	const struct fg_region *r = fg_memory_find(mem, gpa, len);

	return r == NULL ? NULL : r->map + (gpa - r->gpa);
}

uint64_t fg_memory_user(const struct fg_memory *mem, uint64_t gpa)
{
	const struct fg_region *r = fg_memory_find(mem, gpa, 1);

	return r == NULL ? FG_NO_GPA : r->user_addr + (gpa - r->gpa);
}
